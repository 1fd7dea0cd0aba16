package config

import (
	"fmt"
	"path/filepath"

	"tandem/internal/tomlfile"
)

// maxBytes is the largest config file that is read.
const maxBytes = 1 << 20

// Load reads and checks the file at path and the secret files it names. The file itself must be
// private, because it may hold secrets. The error lists everything that is wrong, one a line; with
// an error there is no Config.
func Load(path string) (*Config, error) {
	f, err := tomlfile.Read(path, tomlfile.Options{Private: true, MaxBytes: maxBytes})
	if err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: the folder that its paths are relative to: %w", path, err)
	}

	conf := Default()
	if !f.Decode(conf) {
		return nil, f.Err()
	}
	c := &checker{File: f, lines: f.Lines(), folder: filepath.Dir(absolute)}
	c.service(conf)
	c.pam(&conf.PAM)
	c.radius(&conf.Radius, conf.Policies, conf.PAM.Socket != "")
	c.directory(&conf.Directory)
	c.devices(&conf.Devices, conf.Directory.ExtraAttributes())
	c.codes(&conf.TOTP, &conf.HOTP)
	c.factors(&conf.Factor, &conf.Devices, &conf.Directory)
	c.throttle(&conf.Throttle)
	first := c.upstreams(conf.Upstream, conf.Policies)
	c.policies(conf.Policies, conf.Radius.Clients, conf.PAM.Socket != "", &conf.Factor, conf.Directory.ExtraAttributes(), first)
	if err := f.Err(); err != nil {
		return nil, err
	}
	c.reach(conf)
	conf.Warnings = f.Warnings()
	return conf, nil
}

// Package config reads config.toml, the one file that says how tandemd works.
//
// [Load] gives a [Config] in which every value is checked, every path is absolute and every secret
// is read, or else one error that lists all mistakes, each with file, line, key and remedy. There is
// no half of a Config: a reload that fails leaves the daemon with the one it had.
//
// The struct tree is the file: a field's tag is its key, SetDefaults its default, its comment the
// reference, and config.toml.example shows it all to people. Tests hold the three together. A field
// is taken over by a reload, unless it is tagged `reload:"restart"`; see [Config.NeedsRestart].
package config

import "net/netip"

// Config is the whole file.
type Config struct {
	Log       Log       `toml:"log"`
	Audit     Audit     `toml:"audit"`
	Store     Store     `toml:"store"`
	Metrics   Metrics   `toml:"metrics"`
	Admin     Admin     `toml:"admin"`
	Radius    Radius    `toml:"radius"`
	PAM       PAM       `toml:"pam"`
	Directory Directory `toml:"directory"`
	Devices   Devices   `toml:"devices"`
	TOTP      TOTP      `toml:"totp"`
	HOTP      HOTP      `toml:"hotp"`
	Factor    Factors   `toml:"factor"`
	Throttle  Throttle  `toml:"throttle"`
	// Upstream are RADIUS services that check passwords.
	// Default: none. Reload: taken over.
	Upstream []Upstream `toml:"upstream"`
	// Policies are one called "default" if the file has none.
	Policies []Policy `toml:"policies"`

	// Warnings are what is allowed and should not be: "config.toml:12: key: what and why".
	Warnings []string
}

// Log is what the daemon tells about itself, on standard error.
type Log struct {
	// Level is the least that is logged: debug, info, warn or error.
	// Default: info. Reload: taken over.
	Level string `toml:"level"`
	// Format is text or json.
	// Default: text. Reload: needs a restart.
	Format string `toml:"format" reload:"restart"`
}

// Audit is the record of every login.
type Audit struct {
	// File gets one JSON line an attempt; "-" is standard output.
	// Default: /var/log/tandem/audit.jsonl. Reload: opened anew, also under the same name.
	File string `toml:"file"`
	// Sync has each line on disk before the login is answered. It costs an fsync a login.
	// Default: false. Reload: taken over.
	Sync bool `toml:"sync"`
}

// Metrics are the pages /metrics and /healthz.
type Metrics struct {
	// Listen is an address and port of this host itself, because the pages show who logs in; empty: off.
	// Default: 127.0.0.1:9812. Reload: needs a restart.
	Listen Address `toml:"listen" reload:"restart"`
}

// Admin is how the command tandem speaks to the daemon.
type Admin struct {
	// Socket is the path of the Unix socket.
	// Default: /run/tandem/admin.sock. Reload: needs a restart.
	Socket string `toml:"socket" reload:"restart"`
}

// Default returns the configuration of an empty file. It lacks what has no default: clients and a
// directory.
func Default() *Config {
	c := &Config{
		Log:     Log{Level: "info", Format: "text"},
		Audit:   Audit{File: "/var/log/tandem/audit.jsonl"},
		Store:   Store{Type: "bolt", File: "/var/lib/tandem/state.db"},
		Metrics: Metrics{Listen: Address{netip.MustParseAddrPort("127.0.0.1:9812")}},
		Admin:   Admin{Socket: "/run/tandem/admin.sock"},
	}
	c.Radius.SetDefaults()
	c.PAM.SetDefaults()
	c.Devices.SetDefaults()
	c.TOTP.SetDefaults()
	c.HOTP.SetDefaults()
	c.Factor.SetDefaults()
	c.Throttle.SetDefaults()
	c.Policies = []Policy{{Name: "default"}}
	c.Policies[0].SetDefaults()
	return c
}

// maxSocketPath is what a Unix socket's address holds (unix(7): 108 bytes with the closing NUL).
const maxSocketPath = 107

func (c *checker) service(conf *Config) {
	c.oneOf("log.level", conf.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", conf.Log.Format, "text", "json")
	if conf.Audit.File != "-" {
		c.path("audit.file", &conf.Audit.File)
	}
	c.store(&conf.Store)
	c.path("admin.socket", &conf.Admin.Socket)
	c.socketLength("admin.socket", conf.Admin.Socket)
	if m := conf.Metrics.Listen; m.IsValid() && !m.Addr().IsLoopback() {
		c.Errorf("metrics.listen", `%s can be reached from other hosts, and the pages show who logs in: listen on 127.0.0.1 or [::1] and put a proxy that asks for a password in front, or turn it off with ""`, m)
	}
}

func (c *checker) socketLength(key, path string) {
	if len(path) > maxSocketPath {
		c.Errorf(key, "the path is %d bytes long, and a socket's path has at most %d: choose a shorter one", len(path), maxSocketPath)
	}
}

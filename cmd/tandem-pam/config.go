package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// The modes: where the decision falls.
const (
	modeSocket = "socket"
	modeCore   = "core"
	modeRadius = "radius"
)

// settings is /etc/tandem/pam.toml.
type settings struct {
	// Mode is socket (a tandemd on this host), core (this process, by a tandemd's configuration) or radius (a
	// Tandem or another RADIUS server elsewhere). Required.
	Mode string `toml:"mode"`
	// Socket is the tandemd's, in mode socket. Default: /run/tandem/pam.sock.
	Socket string `toml:"socket"`
	// Config is the tandemd's configuration, in mode core. Default: /etc/tandem/config.toml.
	Config string `toml:"config"`
	// Radius is whom to ask in mode radius.
	Radius remote `toml:"radius"`
}

// remote is a group of RADIUS servers that answer alike.
type remote struct {
	// Servers are host:port; the first that answers decides. Required.
	Servers []string `toml:"servers"`
	// SecretFile holds the shared secret, on one line. Required.
	SecretFile string `toml:"secret_file"`
	// Timeout is how long each copy of a request waits. 100ms to 30s. Default: 3s.
	Timeout time.Duration `toml:"timeout"`
	// Retries is how many more copies are sent to each server. 0 to 10. Default: 1.
	Retries int `toml:"retries"`
	// Asks is what the servers want first: password (which may have the code behind it) or code (they check
	// the second factor alone). Default: password.
	Asks string `toml:"asks"`
	// Prompt asks for the code where the servers want nothing else. Default: "Code: ".
	Prompt string `toml:"prompt"`
	// NASIdentifier is what this host calls itself. Default: its name.
	NASIdentifier string `toml:"nas_identifier"`

	secret secret.String
}

// loadSettings reads and checks the file. All mistakes are reported at once, with their lines.
func loadSettings(path string) (*settings, error) {
	f, err := tomlfile.Read(path, tomlfile.Options{Private: true, MaxBytes: 64 << 10})
	if err != nil {
		return nil, err
	}
	s := &settings{
		Socket: "/run/tandem/pam.sock", Config: "/etc/tandem/config.toml",
		Radius: remote{Timeout: 3 * time.Second, Retries: 1, Asks: "password", Prompt: "Code: "},
	}
	if !f.Decode(s) {
		return nil, f.Err()
	}
	folder := filepath.Dir(path)
	switch s.Mode {
	case modeSocket, modeCore:
		s.Socket, s.Config = within(folder, s.Socket), within(folder, s.Config)
	case modeRadius:
		s.Radius.check(f, folder)
	default:
		f.Errorf("mode", "is %.40q: choose socket, core or radius", s.Mode)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *remote) check(f *tomlfile.File, folder string) {
	if len(r.Servers) == 0 {
		f.Errorf("radius.servers", `is missing: write the servers, such as servers = ["192.0.2.10:1812"]`)
	}
	if r.Asks != "password" && r.Asks != "code" {
		f.Errorf("radius.asks", "is %.40q: choose password or code", r.Asks)
	}
	if r.Timeout < 100*time.Millisecond || r.Timeout > 30*time.Second {
		f.Errorf("radius.timeout", "%v is out of range: choose from 100ms to 30s", r.Timeout)
	}
	if r.Retries < 0 || r.Retries > 10 {
		f.Errorf("radius.retries", "%d is out of range: choose from 0 to 10", r.Retries)
	}
	if r.NASIdentifier == "" {
		name, err := os.Hostname()
		if err != nil {
			f.Errorf("radius.nas_identifier", "is missing, and this host does not know its name: write one")
		}
		r.NASIdentifier = name
	}
	if r.SecretFile == "" {
		f.Errorf("radius.secret_file", "is missing: name a file that holds the shared secret")
		return
	}
	text, err := tomlfile.ReadBytes(within(folder, r.SecretFile), tomlfile.Options{Private: true, MaxBytes: 4 << 10})
	if err != nil {
		f.Errorf("radius.secret_file", "%v", err)
		return
	}
	line := strings.TrimRight(string(text), "\r\n")
	if line == "" {
		f.Errorf("radius.secret_file", "%s is empty: write the shared secret into it", r.SecretFile)
	}
	r.secret = secret.New(line)
}

func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// String names the servers, for logs.
func (r *remote) String() string {
	return fmt.Sprintf("RADIUS servers %s", strings.Join(r.Servers, ", "))
}

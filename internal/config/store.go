package config

import (
	"fmt"
	"net/url"
	"time"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// Store is where used codes, counters, failures and open challenges are kept.
type Store struct {
	// Type is bolt (a file of this host's) or etcd (shared by several nodes).
	// Default: bolt. Reload: needs a restart.
	Type string `toml:"type" reload:"restart"`
	// File is the state file of type bolt. It is made if it does not exist.
	// Default: /var/lib/tandem/state.db. Reload: needs a restart.
	File string `toml:"file" reload:"restart"`
	// Etcd is needed for type etcd, and only there.
	Etcd *Etcd `toml:"etcd" reload:"restart"`
}

// Etcd is the cluster that all nodes of one Tandem share.
type Etcd struct {
	// Endpoints are the members' client URLs, all https://host:port or all http://host:port; the nearest first.
	// Required. Reload: needs a restart.
	Endpoints []string `toml:"endpoints" reload:"restart"`
	// Prefix begins every key.
	// Default: /tandem/. Reload: needs a restart.
	Prefix string `toml:"prefix" reload:"restart"`
	// Username and its password log in; empty: the cluster asks for none.
	// Default: empty. Reload: needs a restart.
	Username string `toml:"username" reload:"restart"`
	// Password is that of Username.
	// Required with Username, unless PasswordFile is given. Reload: needs a restart.
	Password secret.String `toml:"password" reload:"restart"`
	// PasswordFile holds the password, on one line.
	// Default: none. Reload: needs a restart.
	PasswordFile string `toml:"password_file" reload:"restart"`
	// CAFile holds the authorities (PEM) that the members' certificates are signed by; empty: the host's own.
	// Default: empty. Reload: needs a restart.
	CAFile string `toml:"ca_file" reload:"restart"`
	// CertFile and KeyFile are this node's certificate, for clusters that ask for one.
	// Default: empty. Reload: needs a restart.
	CertFile string `toml:"cert_file" reload:"restart"`
	// KeyFile is the key of CertFile. Private.
	// Default: empty. Reload: needs a restart.
	KeyFile string `toml:"key_file" reload:"restart"`
	// Timeout is the time for one operation. What takes longer is no yes. 100ms to 10s.
	// Default: 2s. Reload: needs a restart.
	Timeout time.Duration `toml:"timeout" reload:"restart"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (e *Etcd) SetDefaults() { *e = Etcd{Prefix: "/tandem/", Timeout: 2 * time.Second} }

func (c *checker) store(s *Store) {
	c.oneOf("store.type", s.Type, "bolt", "etcd")
	switch {
	case s.Type == "etcd" && s.Etcd == nil:
		c.Errorf("store.etcd", `is missing: add [store.etcd] with endpoints = ["https://192.0.2.1:2379", …]`)
	case s.Type == "bolt" && s.Etcd != nil:
		c.Errorf("store.etcd", `is not used with type = "bolt": remove it, or change the type`)
	}
	c.path("store.file", &s.File)
	if s.Etcd != nil {
		c.etcd(s.Etcd)
	}
}

func (c *checker) etcd(e *Etcd) {
	if len(e.Endpoints) == 0 {
		c.missing("store.etcd.endpoints", `write the members, such as endpoints = ["https://192.0.2.1:2379", "https://192.0.2.2:2379"]`)
	}
	for i, endpoint := range e.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" {
			c.Errorf(fmt.Sprintf("store.etcd.endpoints[%d]", i), `is not the URL of a member: write it like "https://192.0.2.1:2379"`)
		} else if u.Scheme == "http" && !isLoopback(u.Hostname()) {
			c.Warnf(fmt.Sprintf("store.etcd.endpoints[%d]", i), "who is on the way to %s can change what it says: use https", u.Host)
		}
	}
	if e.Prefix == "" {
		c.Errorf("store.etcd.prefix", `is empty, and whatever else is in the cluster could be taken for Tandem's: write one, such as "/tandem/"`)
	}
	c.secret("store.etcd.password", &e.Password, "store.etcd.password_file", &e.PasswordFile, e.Username != "")
	for key, path := range map[string]*string{
		"store.etcd.ca_file": &e.CAFile, "store.etcd.cert_file": &e.CertFile, "store.etcd.key_file": &e.KeyFile,
	} {
		if *path != "" {
			c.path(key, path)
		}
	}
	if e.KeyFile != "" {
		if _, err := tomlfile.ReadBytes(e.KeyFile, tomlfile.Options{Private: true, MaxBytes: 1 << 16}); err != nil {
			c.Errorf("store.etcd.key_file", "%v", err)
		}
	}
	if (e.CertFile == "") != (e.KeyFile == "") {
		c.Errorf("store.etcd.cert_file", "a certificate and its key_file go together: write both, or none")
	}
	between(c, "store.etcd.timeout", e.Timeout, 100*time.Millisecond, 10*time.Second)
}

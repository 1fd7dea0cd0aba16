package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"tandem/internal/secret"
	"tandem/radiusd/attribute"
)

// Upstream is a RADIUS service that checks passwords, as the first factor of policies that name it.
type Upstream struct {
	// Name is what policies call it in first_factor. Up to 64 bytes.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Servers are its servers as "host:port", all with the same users, the preferred one first. Their replies must
	// carry a Message-Authenticator.
	// Required. Reload: taken over.
	Servers []string `toml:"servers"`
	// Secret is what is shared with them (RFC 2865 §3).
	// Required, unless SecretFile is given. Reload: taken over.
	Secret secret.String `toml:"secret"`
	// SecretFile holds the secret, on one line.
	// Default: none. Reload: read anew.
	SecretFile string `toml:"secret_file"`
	// Timeout is how long each copy of a request waits for its reply. 100ms to 10s.
	// Default: 1s. Reload: taken over.
	Timeout time.Duration `toml:"timeout"`
	// Retries is how many more copies are sent. 0 to 5.
	// Default: 1. Reload: taken over.
	Retries int `toml:"retries"`
	// RetryDown is how long a silent server is left alone, before it is asked by Status-Server. 1s to 1h.
	// Default: 15s. Reload: taken over.
	RetryDown time.Duration `toml:"retry_down"`
	// NASIdentifier is who Tandem says that it is.
	// Default: tandem. Reload: taken over.
	NASIdentifier string `toml:"nas_identifier"`
	// Pass names the attributes of its accepts that are passed on to the client, if the user gets in.
	// Default: []. Reload: taken over.
	Pass []string `toml:"pass"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (u *Upstream) SetDefaults() {
	*u = Upstream{Timeout: time.Second, Retries: 1, RetryDown: 15 * time.Second, NASIdentifier: "tandem", Pass: []string{}}
}

// upstreams checks them, and returns what first_factor may name.
func (c *checker) upstreams(all []Upstream, policies []Policy) (firstFactors []string) {
	firstFactors = append(make([]string, 0, 2+len(all)), "directory", "pam")
	names := map[string]string{}
	for i := range all {
		u, key := &all[i], fmt.Sprintf("upstream[%d]", i)
		if slices.Contains(firstFactors[:2], u.Name) {
			c.Errorf(key+".name", "%q is what policies call another first factor: choose another name", u.Name)
		}
		c.name(key+".name", u.Name, names)
		firstFactors = append(firstFactors, u.Name)
		c.secret(key+".secret", &u.Secret, key+".secret_file", &u.SecretFile, true)
		between(c, key+".timeout", u.Timeout, 100*time.Millisecond, 10*time.Second)
		between(c, key+".retries", u.Retries, 0, 5)
		between(c, key+".retry_down", u.RetryDown, time.Second, time.Hour)
		if len(u.Servers) == 0 {
			c.missing(key+".servers", `name them, such as servers = ["192.0.2.1:1812"]`)
		}
		for j, s := range u.Servers {
			host, port, err := net.SplitHostPort(s)
			if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 || host == "" {
				c.Errorf(fmt.Sprintf("%s.servers[%d]", key, j), `%.80q is no server: write host and port, such as "192.0.2.1:1812"`, s)
			}
		}
		for j, name := range u.Pass {
			at := fmt.Sprintf("%s.pass[%d]", key, j)
			switch a, err := attribute.Find(name); {
			case err != nil:
				c.Errorf(at, "%v", err)
			case a.Sealed():
				c.Errorf(at, "%s is encrypted for Tandem alone, and cannot be passed on: leave it out", a)
			}
		}
		used := false
		for j := range policies {
			used = used || policies[j].FirstFactor == u.Name
		}
		if !used && u.Name != "" {
			c.Warnf(key, "no policy has first_factor = %q: name it in one, or remove it", u.Name)
		}
	}
	return firstFactors
}

package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tandem/internal/secret"
)

// Radius is the front door for VPN concentrators and other NASes.
type Radius struct {
	// Listen are the UDP addresses to answer on.
	// Default: 0.0.0.0:1812 and [::]:1812. Reload: needs a restart.
	Listen []Address `toml:"listen" reload:"restart"`
	// Workers is how many requests are decided at once; mostly they wait for the directory. 1 to 4096.
	// Default: 128. Reload: needs a restart.
	Workers int `toml:"workers" reload:"restart"`
	// Queue is how many requests may wait for a worker; more are dropped. 1 to 65536.
	// Default: 1024. Reload: needs a restart.
	Queue int `toml:"queue" reload:"restart"`
	// RequestTimeout is the time that a request may take, waiting included. 1s to 1m.
	// Default: 5s. Reload: taken over.
	RequestTimeout time.Duration `toml:"request_timeout"`
	// RejectDelay is how long after the request a reject is sent at the earliest, which slows guessing
	// and hides which step failed. 100ms to 5s. The PAM door's rejects too.
	// Default: 1s. Reload: taken over; for PAM, at a restart.
	RejectDelay time.Duration `toml:"reject_delay"`
	// ReplyCache is how long a reply is kept for retransmissions (RFC 5080 §2.2.2). 5s to 30s.
	// Default: 10s. Reload: taken over.
	ReplyCache time.Duration `toml:"reply_cache"`
	// Clients are those that are answered; nobody else is.
	Clients []Client `toml:"clients"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (r *Radius) SetDefaults() {
	r.Listen = []Address{{netip.MustParseAddrPort("0.0.0.0:1812")}, {netip.MustParseAddrPort("[::]:1812")}}
	r.Workers, r.Queue = 128, 1024
	r.RequestTimeout, r.RejectDelay, r.ReplyCache = 5*time.Second, time.Second, 10*time.Second
}

// Client is a NAS, or a network of them, that may ask.
type Client struct {
	// Name stands in logs, audit and metrics. Up to 64 bytes.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Networks are the addresses that it asks from. Where clients overlap, the most specific wins.
	// Required. Reload: taken over.
	Networks []Network `toml:"networks"`
	// Secret is the shared secret (RFC 2865 §3); at least 16 octets are advised.
	// Required, unless SecretFile is given. Reload: taken over.
	Secret secret.String `toml:"secret"`
	// SecretFile holds the secret, on one line.
	// Default: none. Reload: read anew.
	SecretFile string `toml:"secret_file"`
	// RequireMessageAuthenticator drops requests without one (RFC 3579 §3.2).
	// Default: true. Reload: taken over.
	RequireMessageAuthenticator bool `toml:"require_message_authenticator"`
	// LimitProxyState drops requests that have a Proxy-State and no Message-Authenticator.
	// Default: true. Reload: taken over.
	LimitProxyState bool `toml:"limit_proxy_state"`
	// Policy names what is asked of users behind this client; empty: the first policy whose rule holds.
	// Default: empty. Reload: taken over.
	Policy string `toml:"policy"`
	// Domains may stand before its users' names, as in CORP\alice, and Realms behind them, as in alice@example.org.
	// They are taken off before the directory is asked, case does not matter, and others stay where they are.
	// Default: []. Reload: taken over.
	Domains []string `toml:"domains"`
	// Realms; see Domains.
	// Default: []. Reload: taken over.
	Realms []string `toml:"realms"`
	// Level is what its users have to reach at least, whatever the policy says; see policies.level. 0 to 100.
	// Default: 0. Reload: taken over.
	Level int `toml:"level"`
	// Charset is how it encodes names and passwords: utf-8 (as RFC 2865 §5 says) or latin-1.
	// Default: utf-8. Reload: taken over.
	Charset string `toml:"charset"`
	// WhenUnavailable is what it gets while nobody can decide: silent, so that it asks the next server,
	// or reject.
	// Default: silent. Reload: taken over.
	WhenUnavailable string `toml:"when_unavailable"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (cl *Client) SetDefaults() {
	*cl = Client{
		RequireMessageAuthenticator: true,
		LimitProxyState:             true,
		Domains:                     []string{}, Realms: []string{},
		Charset:         "utf-8",
		WhenUnavailable: "silent",
	}
}

// Prefixes are the client's networks as plain prefixes.
func (cl *Client) Prefixes() []netip.Prefix {
	prefixes := make([]netip.Prefix, len(cl.Networks))
	for i, n := range cl.Networks {
		prefixes[i] = n.Prefix
	}
	return prefixes
}

// minSharedSecret is the length in octets that RFC 2865 §3 asks of a shared secret. A shorter one can
// be guessed offline from a single captured packet.
const minSharedSecret = 16

func (c *checker) radius(r *Radius, policies []Policy, pam bool) {
	if len(r.Listen) == 0 {
		c.missing("radius.listen", `write an address, such as listen = ["0.0.0.0:1812"]`)
	}
	seen := make(map[Address]bool)
	for i, a := range r.Listen {
		key := fmt.Sprintf("radius.listen[%d]", i)
		switch {
		case !a.IsValid():
			c.Errorf(key, "is empty: write an address and a port, or leave it out")
		case seen[a]:
			c.Errorf(key, "%s stands there twice: leave one out", a)
		}
		seen[a] = true
	}
	between(c, "radius.workers", r.Workers, 1, 4096)
	between(c, "radius.queue", r.Queue, 1, 65536)
	between(c, "radius.request_timeout", r.RequestTimeout, time.Second, time.Minute)
	between(c, "radius.reject_delay", r.RejectDelay, 100*time.Millisecond, 5*time.Second)
	between(c, "radius.reply_cache", r.ReplyCache, 5*time.Second, 30*time.Second)

	if len(r.Clients) == 0 && !pam {
		c.Errorf("radius.clients", "is missing: nobody would be answered; add a [[radius.clients]] with name, networks and secret_file, or a [pam] with socket")
	}
	names, networks := make(map[string]string), make(map[netip.Prefix]string)
	for i := range r.Clients {
		key := fmt.Sprintf("radius.clients[%d]", i)
		c.name(key+".name", r.Clients[i].Name, names)
		c.networks(key, &r.Clients[i], networks)
		c.client(key, &r.Clients[i], policies)
	}
}

// networks checks that no network belongs to two clients; seen maps networks to their first key.
func (c *checker) networks(key string, cl *Client, seen map[netip.Prefix]string) {
	key += ".networks"
	if len(cl.Networks) == 0 {
		c.missing(key, `write the addresses that it asks from, such as networks = ["192.0.2.1"]`)
	}
	for i, n := range cl.Networks {
		at := fmt.Sprintf("%s[%d]", key, i)
		if earlier, ok := seen[n.Prefix]; ok && n.IsValid() {
			c.Errorf(at, "%s is also %s on line %d: a network has one client", n, earlier, c.lines[earlier])
			continue
		}
		seen[n.Prefix] = at
	}
}

func (c *checker) client(key string, cl *Client, policies []Policy) {
	c.secret(key+".secret", &cl.Secret, key+".secret_file", &cl.SecretFile, true)
	if n := len(cl.Secret.Reveal()); n > 0 && n < minSharedSecret {
		at := key + ".secret"
		if cl.SecretFile != "" {
			at += "_file"
		}
		c.Warnf(at, "the shared secret has %d octets, fewer than %d: whoever sees one packet can guess it; use a random one of 32", n, minSharedSecret)
	}
	if !cl.RequireMessageAuthenticator && !cl.LimitProxyState {
		c.Warnf(key+".limit_proxy_state", "DANGER: without limit_proxy_state and require_message_authenticator, whoever can change packets on their way turns a reject into an accept (CVE-2024-3596, BlastRADIUS): set one of them to true, as soon as the NAS and the proxies before it are updated")
	}
	c.oneOf(key+".charset", cl.Charset, "utf-8", "latin-1")
	c.oneOf(key+".when_unavailable", cl.WhenUnavailable, "silent", "reject")

	between(c, key+".level", cl.Level, 0, 100)
	c.qualifiers(key+".domains", cl.Domains)
	c.qualifiers(key+".realms", cl.Realms)

	p := find(policies, cl.Policy)
	ruled := slices.ContainsFunc(policies, func(p Policy) bool { return p.When != "" || p.Name == "default" })
	switch {
	case cl.Policy == "" && !ruled:
		c.missing(key+".policy", "no policy has a rule, and none is called default; choose "+listNames(policies))
	case cl.Policy == "":
		for i := range policies {
			if cl.Charset == "latin-1" && !policies[i].fitsLatin1() {
				c.Errorf(key+".charset", "latin-1 has no letters for some that stand in the texts of policy %q: change the texts, or give this client a policy of its own", policies[i].Name)
			}
		}
	case p == nil:
		c.Errorf(key+".policy", `there is no policy %.64q: add [[policies]] with name = %.64q, or choose %s`, cl.Policy, cl.Policy, listNames(policies))
	case cl.Charset == "latin-1" && !p.fitsLatin1():
		c.Errorf(key+".charset", "latin-1 has no letters for some that stand in the texts of policy %q: change the texts, or give this client a policy of its own", p.Name)
	}
}

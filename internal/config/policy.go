package config

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Policy is one set of demands on users. What the modes do is described in docs/architecture.md.
type Policy struct {
	// Name is how clients refer to it. Up to 64 bytes.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Mode is how password and code arrive: append, challenge, code-only or auto.
	// Default: auto. Reload: taken over.
	Mode string `toml:"mode"`
	// FirstFactor checks the password: directory, or pam (this host's local passwords, by PAM.PasswordHelper).
	// Default: directory. Reload: taken over.
	FirstFactor string `toml:"first_factor"`
	// CodeFirst expects the code before the password, in modes append and auto.
	// Default: false. Reload: taken over.
	CodeFirst bool `toml:"code_first"`
	// Delimiter stands between password and code, in modes append and auto; empty: nothing does. It has
	// no digits, and at most 16 bytes.
	// Default: empty. Reload: taken over.
	Delimiter string `toml:"delimiter"`
	// NoDevice is what happens to users without any device: reject, or password-only. Where PAM has checked
	// the password, or a key, before Tandem, password-only means that no code is asked for.
	// Default: reject. Reload: taken over.
	NoDevice string `toml:"no_device"`
	// Tries is how many codes may be tried in one challenge. 1 to 10.
	// Default: 1. Reload: taken over.
	Tries int `toml:"tries"`
	// LoginTimeout is how long a challenge may be answered. 10s to 10m.
	// Default: 2m. Reload: taken over, for new challenges.
	LoginTimeout time.Duration `toml:"login_timeout"`
	// HideFirstFactor asks for a code whether or not the password was right, in mode challenge.
	// Default: false. Reload: taken over.
	HideFirstFactor bool `toml:"hide_first_factor"`
	// Prompt asks for the code. One line of at most 253 bytes, as are Retry and Reject.
	// Default: "Code: ". Reload: taken over.
	Prompt string `toml:"prompt"`
	// Retry asks again after a wrong code.
	// Default: "Wrong code. Code: ". Reload: taken over.
	Retry string `toml:"retry"`
	// Reject is the text of every reject, whatever its reason.
	// Default: "Login failed. Check the password, and use a new code: each works once. After several
	// failures wait some minutes." Reload: taken over.
	Reject string `toml:"reject"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (p *Policy) SetDefaults() {
	*p = Policy{
		Name:         p.Name,
		Mode:         "auto",
		FirstFactor:  "directory",
		NoDevice:     "reject",
		Tries:        1,
		LoginTimeout: 2 * time.Minute,
		Prompt:       "Code: ",
		Retry:        "Wrong code. Code: ",
		Reject:       "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes.",
	}
}

const (
	// maxText is what one RADIUS attribute holds, in octets (RFC 2865 §5).
	maxText = 253
	// maxDelimiter keeps the delimiter from eating up the 128 octets of a User-Password.
	maxDelimiter = 16
)

func (c *checker) policies(policies []Policy, clients []Client, pam bool) {
	names := make(map[string]string)
	for i := range policies {
		p, key := &policies[i], fmt.Sprintf("policies[%d]", i)
		c.name(key+".name", p.Name, names)
		c.policy(key, p)
		if p.Name != "default" && p.Name != "" && !pam && !isUsed(p, clients) { // PAM modules name theirs themselves
			c.Warnf(key, "no client uses policy %q: name it in a [[radius.clients]], or remove it", p.Name)
		}
	}
}

func isUsed(p *Policy, clients []Client) bool {
	for i := range clients {
		if clients[i].Policy == p.Name {
			return true
		}
	}
	return false
}

func (c *checker) policy(key string, p *Policy) {
	c.oneOf(key+".mode", p.Mode, "append", "challenge", "code-only", "auto")
	c.oneOf(key+".no_device", p.NoDevice, "reject", "password-only")
	between(c, key+".tries", p.Tries, 1, 10)
	between(c, key+".login_timeout", p.LoginTimeout, 10*time.Second, 10*time.Minute)

	if p.Mode == "challenge" || p.Mode == "code-only" {
		const why = "means nothing in mode %s, where password and code do not share a field: remove it, or use mode append or auto"
		if p.CodeFirst {
			c.Errorf(key+".code_first", why, p.Mode)
		}
		if p.Delimiter != "" {
			c.Errorf(key+".delimiter", why, p.Mode)
		}
	}
	if p.HideFirstFactor && p.Mode != "challenge" {
		c.Errorf(key+".hide_first_factor", "works only in mode challenge, and this is %.40q: remove it, or change the mode", p.Mode)
	}
	c.oneOf(key+".first_factor", p.FirstFactor, "directory", "pam")
	switch {
	case len(p.Delimiter) > maxDelimiter:
		c.Errorf(key+".delimiter", "is %d bytes long: use at most %d", len(p.Delimiter), maxDelimiter)
	case strings.ContainsAny(p.Delimiter, "0123456789"):
		c.Errorf(key+".delimiter", "has a digit, which could be one of the code: use another character")
	case strings.ContainsFunc(p.Delimiter, unicode.IsControl):
		c.Errorf(key+".delimiter", "has a control character, which nobody can type: use another one")
	}
	c.text(key+".prompt", p.Prompt)
	c.text(key+".retry", p.Retry)
	c.text(key+".reject", p.Reject)
}

// text checks what a user is to read.
func (c *checker) text(key, text string) {
	switch {
	case text == "":
		c.Errorf(key, "is empty: write a text, or remove it to have the default")
	case len(text) > maxText:
		c.Errorf(key, "is %d bytes long, and a RADIUS attribute holds %d: shorten it", len(text), maxText)
	case strings.ContainsFunc(text, unicode.IsControl):
		c.Errorf(key, "has a line break or another control character: keep it to one line")
	}
}

// fitsLatin1 reports whether the texts can be sent to a client of that charset.
func (p *Policy) fitsLatin1() bool {
	return !strings.ContainsFunc(p.Prompt+p.Retry+p.Reject, func(r rune) bool { return r > unicode.MaxLatin1 })
}

// find returns the policy of that name, or nil.
func find(policies []Policy, name string) *Policy {
	for i := range policies {
		if policies[i].Name == name {
			return &policies[i]
		}
	}
	return nil
}

func listNames(policies []Policy) string {
	names := make([]string, len(policies))
	for i := range policies {
		names[i] = fmt.Sprintf("%.64q", policies[i].Name)
	}
	return strings.Join(names, ", ")
}

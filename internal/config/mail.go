package config

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"

	"tandem/internal/secret"
)

// Mail sends codes by mail.
type Mail struct {
	// Name is what users type and policies say: at most 32 of a-z, 0-9 and -.
	// Default: mail. Reload: taken over.
	Name string `toml:"name"`
	// Label is what menus show.
	// Default: Name. Reload: taken over.
	Label string `toml:"label"`
	// Servers are SMTP servers, "host" or "host:port". The one that took the last mail is tried first, at the start the
	// first; the next one if it does not take this mail.
	// Required. Reload: taken over.
	Servers []string `toml:"servers"`
	// TLS is starttls (port 587 if none is named), tls (465), or none (25).
	// Default: starttls. Reload: taken over.
	TLS string `toml:"tls"`
	// AllowPlaintext lets codes and the password travel to other hosts with tls = "none".
	// Default: false. Reload: taken over.
	AllowPlaintext bool `toml:"allow_plaintext"`
	// CAFile holds the PEM certificates of the authorities to trust; empty: the host's own.
	// Default: empty. Reload: read anew.
	CAFile string `toml:"ca_file"`
	// Username logs in at the servers; empty: nobody does.
	// Default: empty. Reload: taken over.
	Username string `toml:"username"`
	// Password is that of Username.
	// Required with Username, unless PasswordFile is given. Reload: taken over.
	Password secret.String `toml:"password"`
	// PasswordFile holds that password, on one line.
	// Default: none. Reload: read anew.
	PasswordFile string `toml:"password_file"`
	// HELO is the name that Tandem introduces itself by; empty: the host's.
	// Default: empty. Reload: taken over.
	HELO string `toml:"helo"`
	// From is the sender, with or without a name.
	// Required. Reload: taken over.
	From string `toml:"from"`
	// Subject is a template (text/template) of .Code, .User and .Minutes; one line. What it says is seen on locked
	// screens.
	// Default: "Your login code". Reload: taken over.
	Subject string `toml:"subject"`
	// Body is a template of the same fields.
	// Default: a few lines with the code. Reload: taken over.
	Body string `toml:"body"`
	// Attribute holds the address, and is one of directory.ldap.attributes.extra; empty: what attributes.mail names.
	// Default: empty. Reload: taken over.
	Attribute string `toml:"attribute"`
	// Digits is the length of a code. 6 to 10.
	// Default: 6. Reload: taken over.
	Digits int `toml:"digits"`
	// Lifetime is how long a code may be used. 1m to 10m.
	// Default: 5m. Reload: taken over, for new codes.
	Lifetime time.Duration `toml:"lifetime"`
	// ResendInterval is the time between one code and the next. 5s to 10m.
	// Default: 30s. Reload: taken over.
	ResendInterval time.Duration `toml:"resend_interval"`
	// Timeout is the time for one mail, over all servers. 100ms to 1m.
	// Default: 4s. Reload: taken over.
	Timeout time.Duration `toml:"timeout"`
	// MaxConcurrent is how many mails may be under way at once. 1 to 256.
	// Default: 16. Reload: taken over.
	MaxConcurrent int `toml:"max_concurrent"`
	// Level is what a login with this factor is worth. 0 to 100.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
	// When is a rule (docs/policies.md): the factor is there for the logins that it is true of; empty: for all.
	// Default: empty. Reload: taken over.
	When string `toml:"when"`
}

// defaultBody says what the code is for, and what it means if somebody else has asked for it.
const defaultBody = `{{.Code}} is your code to log in as {{.User}}.

It is good once, for {{.Minutes}} minutes. Give it to nobody.
If you are not logging in, somebody else is trying to: tell your administrator.
`

// SetDefaults implements [tomlfile.Defaulter].
func (m *Mail) SetDefaults() {
	*m = Mail{
		Name: "mail", TLS: "starttls", Subject: "Your login code", Body: defaultBody, Digits: 6, Lifetime: 5 * time.Minute,
		ResendInterval: 30 * time.Second, Timeout: 4 * time.Second, MaxConcurrent: 16, Level: 2,
	}
}

// mail checks one mail factor. attributes are those of users that are read; nil: any may be there.
func (c *checker) mail(key string, m *Mail, attributes []string, taken map[string]string) {
	c.factorName(key+".name", m.Name, taken)
	c.label(key+".label", m.Label)
	c.mailServers(key, m)
	c.secret(key+".password", &m.Password, key+".password_file", &m.PasswordFile, m.Username != "")
	if m.Username == "" && (c.has(key+".password") || c.has(key+".password_file")) {
		c.missing(key+".username", "write whose the password is, or remove the password")
	}
	if strings.ContainsFunc(m.HELO, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.Errorf(key+".helo", "%.40q is not the name of a host: write it like tandem.example.org", m.HELO)
	}
	if m.From == "" {
		c.missing(key+".from", `write the sender, such as "Tandem <tandem@example.org>"`)
	} else if _, err := netmail.ParseAddress(m.From); err != nil {
		c.Errorf(key+".from", `%.80q is not an address: write it like "tandem@example.org" or "Tandem <tandem@example.org>"`, m.From)
	}
	c.letter(key, m)
	if m.Attribute != "" && attributes != nil && !slices.Contains(attributes, m.Attribute) {
		c.Errorf(key+".attribute", "%.64q is not read from the directory: add it to extra under [directory.ldap.attributes]", m.Attribute)
	}
	between(c, key+".digits", m.Digits, 6, 10)
	between(c, key+".lifetime", m.Lifetime, time.Minute, 10*time.Minute)
	between(c, key+".resend_interval", m.ResendInterval, 5*time.Second, 10*time.Minute)
	c.provider(key, m.Timeout, m.MaxConcurrent)
	between(c, key+".level", m.Level, 0, 100)
	c.rule(key+".when", m.When)
}

// mailServers checks the servers, and that codes do not leave the host unencrypted unless the file says so.
func (c *checker) mailServers(key string, m *Mail) {
	c.oneOf(key+".tls", m.TLS, "starttls", "tls", "none")
	if len(m.Servers) == 0 {
		c.missing(key+".servers", `write them, such as servers = ["mail.example.org"]`)
	}
	open := 0
	for i, text := range m.Servers {
		key := fmt.Sprintf("%s.servers[%d]", key, i)
		host, ok := hostOf(text)
		switch {
		case !ok:
			c.Errorf(key, "%.80q is not a server: write it like mail.example.org or mail.example.org:587", text)
			return // what follows from the other servers is not known
		case slices.Contains(m.Servers[:i], text):
			c.Errorf(key, "%s stands there twice: leave one out", text)
		case m.TLS != "none" || isLoopback(host):
		case m.AllowPlaintext:
			open++
			c.Warnf(key, `codes travel to %s unencrypted (allow_plaintext): use tls = "starttls"`, text)
		default:
			c.Errorf(key, `sends codes unencrypted: remove tls = "none", or, if nobody else is on that network, set allow_plaintext = true`)
			return
		}
	}
	if m.AllowPlaintext && open == 0 {
		c.Errorf(key+".allow_plaintext", "is not used, as no code leaves this host unencrypted: remove it")
	}
	if m.CAFile == "" {
		return
	}
	c.path(key+".ca_file", &m.CAFile)
	if m.TLS == "none" {
		c.Errorf(key+".ca_file", `is not used with tls = "none": remove one of them`)
	}
}

// hostOf is the host of "host", "host:port", "address" or "[address]:port".
func hostOf(server string) (host string, ok bool) {
	if bare := strings.Trim(server, "[]"); net.ParseIP(bare) != nil {
		return bare, true
	}
	host = server
	if strings.Contains(server, ":") {
		var digits string
		var err error
		if host, digits, err = net.SplitHostPort(server); err != nil {
			return "", false
		}
		if port, err := strconv.ParseUint(digits, 10, 16); err != nil || port == 0 {
			return "", false
		}
	}
	return host, host != "" && !strings.ContainsAny(host, "/@ ")
}

// letter fills in the templates once, so that no user is the first to do so.
func (c *checker) letter(key string, m *Mail) {
	subject, err := filledIn("subject", m.Subject)
	switch {
	case err != nil:
		c.Errorf(key+".subject", "%v: its fields are {{.Code}}, {{.User}} and {{.Minutes}}", err)
	case strings.TrimSpace(subject) == "" || strings.ContainsFunc(subject, unicode.IsControl):
		c.Errorf(key+".subject", "is empty, or has a line break or another control character: make it one line")
	}
	body, err := filledIn("body", m.Body)
	switch {
	case err != nil:
		c.Errorf(key+".body", "%v: its fields are {{.Code}}, {{.User}} and {{.Minutes}}", err)
	case !strings.Contains(body, sampleCode):
		c.Errorf(key+".body", "does not hold the code: write {{.Code}} where it belongs")
	}
}

// sampleCode is in no template by chance.
const sampleCode = "849201"

// filledIn executes a template with the fields that a mail has.
func filledIn(name, text string) (string, error) {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	var filled strings.Builder
	fields := struct {
		Code, User string
		Minutes    int
	}{sampleCode, "alice", 5}
	if err := t.Execute(&filled, fields); err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return filled.String(), nil
}

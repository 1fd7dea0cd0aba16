package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// validate returns what the URLs and TLS fields mean, and every mistake at once.
func (c *Config) validate() (endpoints []endpoint, tlsConfig *tls.Config, err error) {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf("ldap: "+format, args...)) }

	if len(c.URLs) == 0 {
		wrong("URLs names no server: name at least one, such as ldaps://ldap.example.org")
	}
	plain := false
	for _, u := range c.URLs {
		e, err := parseEndpoint(u, c.StartTLS, c.AllowPlaintext)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		endpoints = append(endpoints, e)
		plain = plain || e.security == startTLS
	}
	if c.StartTLS && !plain && len(endpoints) == len(c.URLs) && len(c.URLs) > 0 {
		wrong("StartTLS has no ldap:// server to work on: ldaps:// is encrypted from the start, so leave StartTLS out")
	}
	tlsConfig, err = c.tlsConfig()
	if err != nil {
		mistakes = append(mistakes, err)
	}

	switch {
	case c.BindDN == "" && !c.BindPassword.Empty():
		wrong("BindPassword stands without BindDN: say whose password it is")
	case c.BindDN != "" && c.BindPassword.Empty():
		wrong("the password of BindDN %q is empty, which would log in as nobody (RFC 4513 §5.1.2): set it", c.BindDN)
	}
	c.validateSearches(wrong)

	switch w := c.Write; {
	case w.DN == "" && !w.Password.Empty():
		wrong("Write.Password stands without Write.DN: say whose password it is")
	case w.DN != "" && w.Password.Empty():
		wrong("the password of Write.DN %q is empty, which would log in as nobody (RFC 4513 §5.1.2): set it", w.DN)
	}
	c.validateDevices(wrong)
	if c.SearchConnections < 1 || c.BindConnections < 1 {
		wrong("SearchConnections %d and BindConnections %d must be at least 1", c.SearchConnections, c.BindConnections)
	}
	if c.EntryCache < 0 || c.EntryCache > maxEntryCache {
		wrong("EntryCache %v must be from 0 to %v", c.EntryCache, maxEntryCache)
	}
	if c.ConnectTimeout < 0 || c.OperationTimeout < 0 || c.RetryDown < 0 {
		wrong("ConnectTimeout %v, OperationTimeout %v and RetryDown %v must not be negative",
			c.ConnectTimeout, c.OperationTimeout, c.RetryDown)
	}
	return endpoints, tlsConfig, errors.Join(mistakes...)
}

func (c *Config) validateDevices(wrong func(format string, args ...any)) {
	d := c.Devices
	for i, s := range d.Sources {
		switch {
		case s != SourceAttribute && s != SourceGluu && s != SourceSessions:
			wrong("Devices.Sources names %q, which is none of %q, %q and %q", s, SourceAttribute, SourceGluu, SourceSessions)
		case slices.Contains(d.Sources[:i], s):
			wrong("Devices.Sources names %q twice", s)
		}
	}
	if !d.has(d.WriteTo) {
		wrong("Devices.WriteTo %q is not among Devices.Sources: what is written there would not be read", d.WriteTo)
	}
	if d.ObjectClass != "" && !attributeName.MatchString(d.ObjectClass) {
		wrong("Devices.ObjectClass %q cannot be the name of an object class", d.ObjectClass)
	}
	if !d.has(SourceSessions) {
		return
	}
	if strings.TrimSpace(d.SessionsBase) == "" {
		wrong("Devices.SessionsBase is empty: name the DN below which LemonLDAP::NG keeps its persistent sessions")
	} else if _, err := goldap.ParseDN(d.SessionsBase); err != nil {
		wrong("Devices.SessionsBase %q is no DN: %w", d.SessionsBase, err)
	}
}

func (c *Config) validateSearches(wrong func(format string, args ...any)) {
	isDN := func(field, dn string) {
		if _, err := goldap.ParseDN(dn); err != nil {
			wrong("%s %q is no DN: %w", field, dn, err)
		}
	}
	if strings.TrimSpace(c.Base) == "" {
		wrong("Base is empty: name the DN below which the users stand, such as ou=people,dc=example,dc=org")
	} else {
		isDN("Base", c.Base)
	}
	if c.Scope != ScopeSub && c.Scope != ScopeOne {
		wrong("Scope %q is neither %q nor %q", c.Scope, ScopeSub, ScopeOne)
	}
	if err := checkFilter(c.Filter, "%u", "%n"); err != nil {
		wrong("Filter %q: %w", c.Filter, err)
	} else if !strings.Contains(c.Filter, "%u") && !strings.Contains(c.Filter, "%n") {
		wrong("Filter %q has no %%u, so everybody would be the same user: put %%u where the name belongs", c.Filter)
	}

	for _, name := range append(c.wanted(), c.Groups.NameAttribute) {
		if !attributeName.MatchString(name) {
			wrong("%q cannot be the name of an LDAP attribute: names begin with a letter and hold letters, digits and hyphens", name)
		}
	}

	g := c.Groups
	if g.Base == "" {
		if g.Nested {
			wrong("Groups.Nested needs Groups.Base: name the DN below which the groups stand")
		}
		return
	}
	isDN("Groups.Base", g.Base)
	hasDN := strings.Contains(g.Filter, "%d")
	switch err := checkFilter(g.Filter, "%d", "%u"); {
	case err != nil:
		wrong("Groups.Filter %q: %w", g.Filter, err)
	case !hasDN && !strings.Contains(g.Filter, "%u"):
		wrong("Groups.Filter %q has neither %%d nor %%u, so everybody would be in the same groups", g.Filter)
	case g.Nested && !hasDN:
		wrong("Groups.Nested needs %%d in Groups.Filter %q: groups are members by their DN", g.Filter)
	}
}

// checkFilter refuses what is no filter (RFC 4515), and placeholders anywhere but in a value: escaping is for
// values, and would not stop a name from naming an attribute.
func checkFilter(filter string, placeholders ...string) error {
	filled := filter
	for _, p := range placeholders {
		if !onlyInValues(filter, p) {
			return fmt.Errorf("%s stands where no value is: write (attribute=%s)", p, p)
		}
		filled = fill(filled, p, "a*(b)")
	}
	if _, err := goldap.CompileFilter(filled); err != nil {
		return fmt.Errorf("is no LDAP filter: %w", err)
	}
	return nil
}

// onlyInValues reports whether there is a "=" before each placeholder in its own parenthesis.
func onlyInValues(filter, placeholder string) bool {
	parts := strings.Split(filter, placeholder)
	before := ""
	for _, part := range parts[:len(parts)-1] {
		before += part
		if strings.LastIndexByte(before, '=') <= strings.LastIndexByte(before, '(') {
			return false
		}
	}
	return true
}

// attributeName is an attribute description (RFC 4512 §2.5).
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)(;[A-Za-z0-9-]+)*$`)

func (c *Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ldap: CAFile cannot be read: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ldap: CAFile %s holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", c.CAFile)
	}
	return t, nil
}

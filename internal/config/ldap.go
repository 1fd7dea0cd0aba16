package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"tandem/internal/secret"
)

// LDAP is a directory on LDAP servers that hold the same entries.
type LDAP struct {
	// Preset sets what is usual for a kind of server, key by key, unless the file sets it: active-directory, which
	// docs/active-directory.md lists, or empty.
	// Default: empty. Reload: taken over.
	Preset string `toml:"preset"`
	// URLs are the servers: ldaps://HOST or ldap://HOST, with :PORT if it is not the usual one, or
	// ldapi://%2Fpath%2Fof%2Fsocket. The first that answers is asked.
	// Required. Reload: taken over.
	URLs []string `toml:"urls"`
	// StartTLS turns ldap:// connections into TLS before anything is said.
	// Default: false. Reload: taken over.
	StartTLS bool `toml:"start_tls"`
	// CAFile holds the PEM certificates of the authorities to trust; empty: the host's own.
	// Default: empty. Reload: read anew.
	CAFile string `toml:"ca_file"`
	// ServerName is the name that the servers' certificates must bear; empty: that in the URL.
	// Default: empty. Reload: taken over.
	ServerName string `toml:"server_name"`
	// AllowPlaintext lets passwords travel to other hosts without TLS.
	// Default: false. Reload: taken over.
	AllowPlaintext bool `toml:"allow_plaintext"`
	// BindDN is who searches; empty: anonymous. Active Directory also takes tandem@corp.example.com for a DN.
	// Default: empty. Reload: taken over.
	BindDN string `toml:"bind_dn"`
	// BindPassword is the password of BindDN.
	// Required with BindDN, unless BindPasswordFile is given. Reload: taken over.
	BindPassword secret.String `toml:"bind_password"`
	// BindPasswordFile holds that password, on one line.
	// Default: none. Reload: read anew.
	BindPasswordFile string `toml:"bind_password_file"`
	// Base is the entry under which users are searched.
	// Required. Reload: taken over.
	Base string `toml:"base"`
	// Scope is sub (at any depth under Base) or one (right under it).
	// Default: sub. Reload: taken over.
	Scope string `toml:"scope"`
	// Filter finds the one entry of a user; %u is the name without what domains and realms take off, %n the
	// name as typed, both escaped.
	// Default: (&(objectClass=person)(uid=%u)). Reload: taken over.
	Filter string `toml:"filter"`
	// Domains may be typed before the name, as in CORP\alice, and are taken off. Case does not matter.
	// Default: []. Reload: taken over.
	Domains []string `toml:"domains"`
	// Realms may be typed after the name, as in alice@corp.example.com, and are taken off. Case does not matter.
	// Default: []. Reload: taken over.
	Realms []string `toml:"realms"`
	// EntryCache is for how long a user's entry is used again without a search, so that a login is one operation and not
	// two. A change of groups, devices or state of the account is seen that much later; passwords are always checked by
	// a server. 0s to 1m.
	// Default: 0s, no entry is used again. Reload: taken over.
	EntryCache time.Duration `toml:"entry_cache"`
	// SearchConnections is how many searches there can be at once; connections are opened when they are needed. 1 to 1000.
	// Default: 64. Reload: taken over.
	SearchConnections int `toml:"search_connections"`
	// BindConnections is how many passwords can be checked at once. 1 to 1000.
	// Default: 64. Reload: taken over.
	BindConnections int `toml:"bind_connections"`
	// ConnectTimeout is the time to get a connection, TLS included. 100ms to 1m.
	// Default: 2s. Reload: taken over.
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	// OperationTimeout is the time for one search or bind. 100ms to 1m.
	// Default: 3s. Reload: taken over.
	OperationTimeout time.Duration `toml:"operation_timeout"`
	// RetryDown is how long a server that failed is left alone. 1s to 1h.
	// Default: 15s. Reload: taken over.
	RetryDown  time.Duration  `toml:"retry_down"`
	Attributes LDAPAttributes `toml:"attributes"`
	Groups     LDAPGroups     `toml:"groups"`
	Devices    LDAPDevices    `toml:"devices"`
	Write      LDAPWrite      `toml:"write"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (l *LDAP) SetDefaults() {
	*l = LDAP{
		Scope:             "sub",
		Filter:            "(&(objectClass=person)(uid=%u))",
		Domains:           []string{},
		Realms:            []string{},
		SearchConnections: 64,
		BindConnections:   64,
		ConnectTimeout:    2 * time.Second,
		OperationTimeout:  3 * time.Second,
		RetryDown:         15 * time.Second,
		Attributes: LDAPAttributes{
			ID: "entryUUID", Name: "uid", Devices: "tandemDevices",
			Groups: "memberOf", Mail: "mail", Phone: "mobile", Extra: []string{},
		},
		Groups:  LDAPGroups{Filter: "(member=%d)", Name: "cn"},
		Devices: LDAPDevices{Sources: []string{"attribute"}, GluuAttribute: "oxExternalUid"},
	}
}

// LDAPAttributes names the attributes of a user's entry.
type LDAPAttributes struct {
	// ID never changes and is never given to another user. State is kept under it.
	// Default: entryUUID. Reload: taken over.
	ID string `toml:"id"`
	// Name is the login name.
	// Default: uid. Reload: taken over.
	Name string `toml:"name"`
	// Devices holds the second factors, as the JSON that LemonLDAP::NG calls _2fDevices.
	// Default: tandemDevices. Reload: taken over.
	Devices string `toml:"devices"`
	// Groups holds the DNs of the user's groups, which count by their first RDN. With LDAPGroups.Base, only
	// those below it count.
	// Default: memberOf. Reload: taken over.
	Groups string `toml:"groups"`
	// Mail is the mail address.
	// Default: mail. Reload: taken over.
	Mail string `toml:"mail"`
	// Phone is the phone number.
	// Default: mobile. Reload: taken over.
	Phone string `toml:"phone"`
	// Extra are further attributes to read.
	// Default: []. Reload: taken over.
	Extra []string `toml:"extra"`
}

// LDAPGroups searches for groups, where entries do not name their groups themselves.
type LDAPGroups struct {
	// Base is the entry under which groups are searched; empty: they are not.
	// Default: empty. Reload: taken over.
	Base string `toml:"base"`
	// Filter finds the groups of a user; %d is the DN and %u the name, escaped.
	// Default: (member=%d). Reload: taken over.
	Filter string `toml:"filter"`
	// Name is the attribute that holds a group's name.
	// Default: cn. Reload: taken over.
	Name string `toml:"name"`
	// Nested also searches for the groups of groups.
	// Default: false. Reload: taken over.
	Nested bool `toml:"nested"`
}

// LDAPDevices says where users' second factors stand, and where new ones are written.
type LDAPDevices struct {
	// Sources are read in this order: attribute (directory.ldap.attributes.devices), gluu (Gluu's one-time codes),
	// sessions (LemonLDAP::NG's persistent sessions). A device that stands in several counts once.
	// Default: ["attribute"]. Reload: taken over.
	Sources []string `toml:"sources"`
	// WriteTo is the one of Sources in which new devices are written; empty: the first.
	// Default: empty. Reload: taken over.
	WriteTo string `toml:"write_to"`
	// ObjectClass is added to the entry of a user who lacks it when a device is written to directory.ldap.attributes.devices,
	// such as tandemUser; empty: none is. The account that writes needs the right to.
	// Default: empty. Reload: taken over.
	ObjectClass string `toml:"object_class"`
	// GluuAttribute is where Gluu keeps "totp:…" and "hotp:…" in a user's entry.
	// Default: oxExternalUid. Reload: taken over.
	GluuAttribute string `toml:"gluu_attribute"`
	// SessionsBase is the entry under which LemonLDAP::NG keeps its persistent sessions.
	// Required with sessions. Reload: taken over.
	SessionsBase string `toml:"sessions_base"`
}

// LDAPWrite is the account that writes devices, where that is not the one that searches.
type LDAPWrite struct {
	// BindDN is who writes; empty: who searches.
	// Default: empty. Reload: taken over.
	BindDN string `toml:"bind_dn"`
	// BindPassword is the password of BindDN.
	// Required with BindDN, unless BindPasswordFile is given. Reload: taken over.
	BindPassword secret.String `toml:"bind_password"`
	// BindPasswordFile holds that password, on one line.
	// Default: none. Reload: read anew.
	BindPasswordFile string `toml:"bind_password_file"`
}

func (c *checker) ldap(l *LDAP) {
	c.preset(l)
	c.transport(l)
	c.binding("directory.ldap", l, &l.BindDN, &l.BindPassword, &l.BindPasswordFile, "remove the password to search anonymously")
	c.binding("directory.ldap.write", l, &l.Write.BindDN, &l.Write.BindPassword, &l.Write.BindPasswordFile, "remove the password to write as who searches")
	if l.Base == "" {
		c.missing("directory.ldap.base", `write the DN that users stand under, such as base = "ou=people,dc=example,dc=org"`)
	}
	c.dn("directory.ldap.base", l.Base)
	c.oneOf("directory.ldap.scope", l.Scope, "sub", "one")
	c.filter("directory.ldap.filter", l.Filter, "%u", "%n")
	c.qualifiers("directory.ldap.domains", l.Domains)
	c.qualifiers("directory.ldap.realms", l.Realms)
	between(c, "directory.ldap.entry_cache", l.EntryCache, 0, time.Minute)
	between(c, "directory.ldap.search_connections", l.SearchConnections, 1, 1000)
	between(c, "directory.ldap.bind_connections", l.BindConnections, 1, 1000)
	between(c, "directory.ldap.connect_timeout", l.ConnectTimeout, 100*time.Millisecond, time.Minute)
	between(c, "directory.ldap.operation_timeout", l.OperationTimeout, 100*time.Millisecond, time.Minute)
	between(c, "directory.ldap.retry_down", l.RetryDown, time.Second, time.Hour)
	c.attributes(&l.Attributes)
	c.groups(&l.Groups, l.Preset != "")
	c.sources(&l.Devices)
}

// transport checks the servers, and that passwords do not leave the host unencrypted unless the file
// says so.
func (c *checker) transport(l *LDAP) {
	if len(l.URLs) == 0 {
		c.missing("directory.ldap.urls", `write the servers, such as urls = ["ldaps://ldap.example.org"]`)
		return
	}
	encrypted, startTLS, open := 0, 0, 0
	for i, text := range l.URLs {
		key := fmt.Sprintf("directory.ldap.urls[%d]", i)
		u := c.url(key, text)
		if u == nil {
			return // what follows from the other URLs is not known
		}
		if slices.Contains(l.URLs[:i], text) {
			c.Errorf(key, "%s stands there twice: leave one out", text)
		}
		switch {
		case u.Scheme == "ldaps":
			encrypted++
		case u.Scheme == "ldap" && l.StartTLS:
			encrypted++
			startTLS++
		case u.Scheme == "ldapi" || isLoopback(u.Hostname()): // they stay on this host
		case l.AllowPlaintext:
			open++
			c.Warnf(key, "passwords travel to %s unencrypted (allow_plaintext): use ldaps:// or start_tls", u.Host)
		default:
			c.Errorf(key, "sends passwords unencrypted: write ldaps://, or set start_tls = true, or, if nobody else is on that network, allow_plaintext = true")
		}
	}
	if l.StartTLS && startTLS == 0 {
		c.Errorf("directory.ldap.start_tls", "is not used, as no URL begins with ldap://: remove it")
	}
	if l.AllowPlaintext && open == 0 {
		c.Errorf("directory.ldap.allow_plaintext", "is not used, as no password leaves this host unencrypted: remove it")
	}
	const noTLS = "is not used, as no connection has TLS: remove it, or use ldaps:// or start_tls"
	if l.ServerName != "" && encrypted == 0 {
		c.Errorf("directory.ldap.server_name", noTLS)
	}
	if l.CAFile == "" {
		return
	}
	c.path("directory.ldap.ca_file", &l.CAFile)
	if encrypted == 0 {
		c.Errorf("directory.ldap.ca_file", noTLS)
	}
}

// url reads the URL of a server; nil if it is none.
func (c *checker) url(key, text string) *url.URL {
	// net/url refuses %2F in a host, which is how ldapi:// carries its path.
	if escaped, ok := strings.CutPrefix(text, "ldapi://"); ok {
		path, err := url.PathUnescape(escaped)
		if err != nil || !strings.HasPrefix(path, "/") {
			c.Errorf(key, "names no socket: write its path with %%2F for each slash, such as ldapi://%%2Frun%%2Fslapd%%2Fldapi")
			return nil
		}
		return &url.URL{Scheme: "ldapi", Path: path}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "":
		c.Errorf(key, "is not the URL of an LDAP server: write it like ldaps://ldap.example.org or ldap://192.0.2.1:389")
		return nil
	case u.User != nil:
		c.Errorf(key, "has a user or password in it: write them as bind_dn and bind_password_file")
		return nil
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		c.Errorf(key, "has more in it than a server: write the DN to search under as base, and the filter as filter")
		return nil
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			c.Errorf(key, "port %s does not exist: choose one from 1 to 65535", port)
			return nil
		}
	}
	return u
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// binding checks who logs in, by the keys of block. A DN without a password would be an unauthenticated bind, which
// servers take for anonymous without a word (RFC 4513 §5.1.2).
func (c *checker) binding(block string, l *LDAP, dn *string, value *secret.String, path *string, without string) {
	password, file := block+".bind_password", block+".bind_password_file"
	c.secret(password, value, file, path, *dn != "")
	if !l.IsActiveDirectory() || !isPrincipal(*dn) {
		c.dn(block+".bind_dn", *dn)
	}
	if *dn == "" && (c.has(password) || c.has(file)) {
		c.missing(block+".bind_dn", "write whose the bind password is, or "+without)
	}
}

// sources checks where devices stand.
func (c *checker) sources(d *LDAPDevices) {
	const key = "directory.ldap.devices"
	if len(d.Sources) == 0 {
		c.Errorf(key+".sources", `is empty, so that nobody would have a device: write ["attribute"], for one`)
	}
	for i, s := range d.Sources {
		at := fmt.Sprintf("%s.sources[%d]", key, i)
		c.oneOf(at, s, "attribute", "gluu", "sessions")
		if slices.Contains(d.Sources[:i], s) {
			c.Errorf(at, "%.40q stands there twice: leave one out", s)
		}
	}
	if d.WriteTo != "" && !slices.Contains(d.Sources, d.WriteTo) {
		c.Errorf(key+".write_to", "%.40q is not among sources, so that what is written there would not be read: add it there, or choose another", d.WriteTo)
	}
	if d.ObjectClass != "" {
		c.attribute(key+".object_class", d.ObjectClass)
	}
	c.onlyWith("attribute", d.Sources, key+".object_class")
	c.attribute(key+".gluu_attribute", d.GluuAttribute)
	c.onlyWith("gluu", d.Sources, key+".gluu_attribute")
	if slices.Contains(d.Sources, "sessions") && d.SessionsBase == "" {
		c.missing(key+".sessions_base", `write the DN that LemonLDAP::NG keeps persistent sessions under, such as "ou=psessions,dc=example,dc=org"`)
	}
	c.dn(key+".sessions_base", d.SessionsBase)
	c.onlyWith("sessions", d.Sources, key+".sessions_base")
}

// onlyWith refuses a key that means something only for a source that is not there.
func (c *checker) onlyWith(source string, sources []string, key string) {
	if c.has(key) && !slices.Contains(sources, source) {
		c.Errorf(key, "is not used, as %q is not among sources: add it there, or remove this", source)
	}
}

func (c *checker) dn(key, dn string) {
	if _, err := ldap.ParseDN(dn); err != nil {
		c.Errorf(key, "%.80q is not a DN: write it like \"ou=people,dc=example,dc=org\"", dn)
	}
}

// filter checks a search filter that has at least one of the placeholders, and no others.
func (c *checker) filter(key, filter string, placeholders ...string) {
	known, found := strings.Join(placeholders, " or "), false
	plain := filter
	for _, p := range placeholders {
		found = found || strings.Contains(filter, p)
		plain = strings.ReplaceAll(plain, p, "x")
	}
	if !found {
		c.Errorf(key, "does not contain %s, so that it would find the same for every user: put %s where the user belongs", known, known)
		return
	}
	if i := strings.IndexByte(plain, '%'); i >= 0 {
		c.Errorf(key, "has a %% that is not %s: write \\25 for a percent sign", known)
		return
	}
	if _, err := ldap.CompileFilter(plain); err != nil {
		c.Errorf(key, "is not a search filter (RFC 4515), which looks like (&(objectClass=person)(uid=%%u)): check its parentheses")
	}
}

// attributeName is an attribute description: a name or OID and options (RFC 4512 §2.5).
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)(;[A-Za-z0-9-]+)*$`)

func (c *checker) attributes(a *LDAPAttributes) {
	for _, n := range []struct{ name, value string }{
		{"id", a.ID},
		{"name", a.Name},
		{"devices", a.Devices},
		{"groups", a.Groups},
		{"mail", a.Mail},
		{"phone", a.Phone},
	} {
		c.attribute("directory.ldap.attributes."+n.name, n.value)
	}
	for i, value := range a.Extra {
		key := fmt.Sprintf("directory.ldap.attributes.extra[%d]", i)
		c.attribute(key, value)
		if slices.Contains(a.Extra[:i], value) {
			c.Errorf(key, "%.64q stands there twice: leave one out", value)
		}
	}
}

func (c *checker) attribute(key, value string) {
	switch {
	case value == "":
		c.missing(key, "name an attribute")
	case strings.HasPrefix(value, "_"):
		c.Errorf(key, `%.64q begins with "_", which LDAP forbids (RFC 4512 §1.4): _2fDevices is its name inside LemonLDAP::NG; write the LDAP attribute that its configuration maps to it`, value)
	case !attributeName.MatchString(value):
		c.Errorf(key, "%.64q is not the name of an attribute: letters, digits and hyphens, the first a letter", value)
	}
}

func (c *checker) groups(g *LDAPGroups, preset bool) {
	const key = "directory.ldap.groups"
	if g.Base == "" {
		switch {
		case preset && c.has(key+".base"): // so the search is turned off
		case preset:
			c.missing(key+".base", `directory.ldap.base has no DC= at its end to take it from; write the DN that groups stand under, or "" to search for none`)
		case c.has(key):
			c.missing(key+".base", "write the DN that groups stand under, or remove the block to search for none")
		}
		return
	}
	c.dn(key+".base", g.Base)
	c.filter(key+".filter", g.Filter, "%d", "%u")
	if g.Nested && !strings.Contains(g.Filter, "%d") {
		c.Errorf(key+".nested", "needs %%d in filter: groups are members of groups by their DN")
	}
	c.attribute(key+".name", g.Name)
}

package ldap

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/internal/secret"
)

// Config says which servers are asked, and for what. Zero values mean the defaults.
type Config struct {
	// URLs are the servers in order of preference: ldaps://host[:636], ldap://host[:389] or
	// ldapi://%2Fpath%2Fof%2Fsocket. Required.
	URLs []string
	// StartTLS encrypts the ldap:// connections before anything else is sent (RFC 4511 §4.14).
	StartTLS bool
	// CAFile names the PEM file of the authorities that sign the servers' certificates; empty: the system's.
	CAFile string
	// ServerName is the name that the certificates are for; empty: the host of each URL.
	ServerName string
	// AllowPlaintext permits ldap:// without StartTLS to other hosts: everybody on the way reads the passwords.
	AllowPlaintext bool

	// BindDN and BindPassword are the service account that searches; both empty: anonymous.
	BindDN       string
	BindPassword secret.String

	// Base is the DN below which users stand. Required, since an empty base is the whole server.
	Base string
	// Scope is how deep below Base; default ScopeSub.
	Scope Scope
	// Filter finds a user's entry: each %n in it stands for the name as typed, and each %u for the same without what
	// Names takes off, both escaped. Default "(uid=%u)".
	Filter string
	// Names are the domains and realms that may stand beside a user's name; none by default.
	Names directory.Names
	// Attributes are the names under which the entry holds what is needed.
	Attributes Attributes
	// Groups searches for the user's groups; the zero value does not.
	Groups GroupSearch
	// ActiveDirectory says that the servers are its domain controllers (Microsoft's or Samba's). Accounts that are
	// disabled or have expired are then no users, whatever is asked of them, and the group search also finds the
	// primary group, and those that it is in.
	ActiveDirectory bool
	// Devices say where users' second factors stand, and how they are written.
	Devices Devices
	// Write is who writes devices; the zero value is who searches.
	Write Account

	// EntryCache is for how long an entry that a name has led to is used again without asking; 0: never. What changes
	// in the directory meanwhile (groups, devices, an account that is disabled) is not seen for so long. Passwords are
	// always checked by a server.
	EntryCache time.Duration

	// SearchConnections and BindConnections bound the connections to each server, which are opened when they are needed;
	// default 64 each. A connection carries one operation at a time, so connections ÷ latency is how many logins a
	// second there can be.
	SearchConnections, BindConnections int
	// ConnectTimeout bounds the way to a server, TLS included; default 2 s.
	ConnectTimeout time.Duration
	// OperationTimeout bounds each search and bind; default 3 s.
	OperationTimeout time.Duration
	// RetryDown is how long a server that failed is passed over; default 15 s.
	RetryDown time.Duration

	// Now is the clock; default time.Now.
	Now func() time.Time
	// Logger is told when servers fail and recover; default: nobody is.
	Logger *slog.Logger
}

// Account is somebody who logs in at the servers.
type Account struct {
	DN       string
	Password secret.String
}

// Source is a way in which users' devices are written.
type Source string

// The sources.
const (
	// SourceAttribute: Attributes.Devices of the user's entry, each value an array as LemonLDAP::NG's `_2fDevices`.
	SourceAttribute Source = "attribute"
	// SourceGluu: Devices.GluuAttribute of the user's entry, "totp:…" and "hotp:…" among its values.
	SourceGluu Source = "gluu"
	// SourceSessions: LemonLDAP::NG's persistent session of the user, an entry of its own below Devices.SessionsBase.
	SourceSessions Source = "sessions"
)

// Devices say where users' second factors stand.
type Devices struct {
	// Options say how devices are read, and with which key they are encrypted when they are written.
	Options directory.DeviceOptions
	// Sources are read in this order; a device that stands in several counts once. Default: SourceAttribute alone.
	Sources []Source
	// WriteTo is the one of Sources to which new devices are written; default: the first.
	WriteTo Source
	// ObjectClass is added to the entry of a user who lacks it when a device is written there, so that the entry
	// may have the attribute; empty: none is.
	ObjectClass string
	// GluuAttribute is what SourceGluu reads; default oxExternalUid.
	GluuAttribute string
	// SessionsBase is the DN below which SourceSessions finds its entries. Required for it.
	SessionsBase string
}

// has reports whether s is read.
func (d *Devices) has(s Source) bool { return slices.Contains(d.Sources, s) }

// Attributes are names of LDAP attributes; their case does not matter.
type Attributes struct {
	// ID never changes and is unique; default entryUUID. objectGUID becomes a GUID's usual text, other binary
	// ones hexadecimal.
	ID string
	// Name is the login name; default uid.
	Name string
	// Devices holds the second factors; default tandemDevices.
	Devices string
	// Mail and Phone are where codes may be sent; default mail and mobile.
	Mail, Phone string
	// Groups lists the DNs of the user's groups; default memberOf. Each counts by the value of its first RDN
	// ("cn=staff,ou=groups,…" is "staff"), and only if it stands below GroupSearch.Base where that is set: set it
	// where somebody else may make groups of any name elsewhere in the tree.
	Groups string
	// Extra are further ones for User.Attributes.
	Extra []string
}

// wanted lists all attributes of a user once.
func (c *Config) wanted() []string {
	a := c.Attributes
	all := append([]string{a.ID, a.Name, a.Mail, a.Phone, a.Groups}, a.Extra...)
	if c.Devices.has(SourceAttribute) {
		all = append(all, a.Devices)
	}
	if c.Devices.has(SourceGluu) {
		all = append(all, c.Devices.GluuAttribute)
	}
	if c.ActiveDirectory {
		all = append(all, userAccountControl, accountExpires, primaryGroupID, objectSID)
	}
	var names []string
	seen := map[string]bool{}
	for _, n := range all {
		if key := strings.ToLower(n); n != "" && !seen[key] {
			seen[key] = true
			names = append(names, n)
		}
	}
	return names
}

// GroupSearch finds groups that name their members.
type GroupSearch struct {
	// Base is the DN below which groups stand; empty: there is no search.
	Base string
	// Filter finds the groups of a user: %d stands for the user's DN and %u for the name, escaped.
	// Default "(member=%d)"; for Active Directory "(member:1.2.840.113556.1.4.1941:=%d)" finds nested ones at once.
	Filter string
	// NameAttribute is what a group is called by; default cn.
	NameAttribute string
	// Nested also finds the groups that the groups are members of, at most MaxGroupDepth levels above the
	// direct ones; Filter then needs %d.
	Nested bool
}

// Limits of a user's groups. A user beyond them cannot be decided about, and the look-up fails.
const (
	MaxGroups     = 500
	MaxGroupDepth = 8
)

// Scope is how deep a search goes (RFC 4511 §4.5.1.2).
type Scope string

// The scopes.
const (
	ScopeSub Scope = "sub" // everything below the base
	ScopeOne Scope = "one" // the base's direct children
)

func (s Scope) code() int {
	if s == ScopeOne {
		return goldap.ScopeSingleLevel
	}
	return goldap.ScopeWholeSubtree
}

func (c *Config) setDefaults() {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	text((*string)(&c.Scope), string(ScopeSub))
	text(&c.Filter, "(uid=%u)")
	text(&c.Attributes.ID, "entryUUID")
	text(&c.Attributes.Name, "uid")
	text(&c.Attributes.Devices, "tandemDevices")
	text(&c.Attributes.Mail, "mail")
	text(&c.Attributes.Phone, "mobile")
	text(&c.Attributes.Groups, "memberOf")
	if len(c.Devices.Sources) == 0 {
		c.Devices.Sources = []Source{SourceAttribute}
	}
	text((*string)(&c.Devices.WriteTo), string(c.Devices.Sources[0]))
	text(&c.Devices.GluuAttribute, "oxExternalUid")
	text(&c.Groups.Filter, "(member=%d)")
	text(&c.Groups.NameAttribute, "cn")

	number := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	number(&c.SearchConnections, 64)
	number(&c.BindConnections, 64)

	duration := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	duration(&c.ConnectTimeout, 2*time.Second)
	duration(&c.OperationTimeout, 3*time.Second)
	duration(&c.RetryDown, 15*time.Second)

	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

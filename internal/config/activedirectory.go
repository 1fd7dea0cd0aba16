package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// activeDirectory is the one preset that there is.
const activeDirectory = "active-directory"

// IsActiveDirectory reports whether the servers are its domain controllers.
func (l *LDAP) IsActiveDirectory() bool { return l.Preset == activeDirectory }

// preset gives the keys that are not in the file the values that are usual for the kind of server.
func (c *checker) preset(l *LDAP) {
	if l.Preset == "" {
		return
	}
	c.oneOf("directory.ldap.preset", l.Preset, activeDirectory)
	if !l.IsActiveDirectory() {
		return
	}
	text := func(key string, field *string, value string) {
		if !c.has("directory.ldap." + key) {
			*field = value
		}
	}
	list := func(key string, field *[]string, value string) {
		if !c.has("directory.ldap."+key) && value != "" {
			*field = []string{value}
		}
	}
	// A name with its realm is looked for as it is too, since a userPrincipalName need not be made of the
	// sAMAccountName. If the two are different people's, there are two entries, and neither is let in.
	text("filter", &l.Filter, "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName=%u)(userPrincipalName=%n)))")
	text("attributes.id", &l.Attributes.ID, "objectGUID")
	text("attributes.name", &l.Attributes.Name, "sAMAccountName")
	domain, labels := domainOf(l.Base)
	if len(labels) > 0 {
		list("domains", &l.Domains, strings.ToUpper(labels[0]))
		list("realms", &l.Realms, strings.Join(labels, "."))
	}
	text("groups.base", &l.Groups.Base, domain)
	// LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS §3.1.1.3.4.4.3): groups of groups as well.
	text("groups.filter", &l.Groups.Filter, "(member:1.2.840.113556.1.4.1941:=%d)")
}

// domainOf finds the DN and the labels of the DNS domain that base stands in: all DC= at its end.
func domainOf(base string) (dn string, labels []string) {
	parsed, err := ldap.ParseDN(base)
	if err != nil {
		return "", nil
	}
	for _, rdn := range slices.Backward(parsed.RDNs) {
		if len(rdn.Attributes) != 1 || !strings.EqualFold(rdn.Attributes[0].Type, "dc") {
			break
		}
		labels = slices.Insert(labels, 0, rdn.Attributes[0].Value)
	}
	if len(labels) == 0 {
		return "", nil
	}
	rdns := make([]string, 0, len(labels))
	for _, l := range labels {
		rdns = append(rdns, "DC="+ldap.EscapeDN(l))
	}
	return strings.Join(rdns, ","), labels
}

// isPrincipal reports whether name is one by which Active Directory lets accounts log in that are no DNs.
func isPrincipal(name string) bool {
	return strings.ContainsAny(name, `@\`) && !strings.Contains(name, "=")
}

// qualifiers checks a list of domains or realms.
func (c *checker) qualifiers(key string, list []string) {
	for i, value := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case value == "":
			c.Errorf(at, "is empty: write a name, or leave it out")
		case strings.ContainsAny(value, `@\`) || strings.TrimSpace(value) != value:
			c.Errorf(at, "%.64q has more in it than a name: leave out \"@\", backslashes and spaces", value)
		case slices.ContainsFunc(list[:i], func(s string) bool { return strings.EqualFold(s, value) }):
			c.Errorf(at, "%.64q stands there twice: leave one out", value)
		}
	}
}

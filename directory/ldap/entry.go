package ldap

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// maxName is how long a typed name may be, in octets.
const maxName = 256

// checkName refuses what cannot be a user's name before a server is asked for it.
func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fmt.Errorf("%w: the name is empty", directory.ErrNoUser)
	case len(name) > maxName:
		return fmt.Errorf("%w: the name is longer than %d octets", directory.ErrNoUser, maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the name is not UTF-8", directory.ErrNoUser)
	}
	return nil
}

// userOf makes a User of an entry; its devices are left to written, and its groups to groupsOf.
func (d *Directory) userOf(e *goldap.Entry) (*directory.User, error) {
	names := d.config.Attributes
	if strings.TrimSpace(e.DN) == "" {
		return nil, fmt.Errorf("the server found an entry without a DN, which nobody can log in as: move Base %q down to where the users are", d.config.Base)
	}
	for _, name := range d.wanted {
		if err := checkComplete(e, name); err != nil {
			return nil, err
		}
	}
	id, err := identifier(e, names.ID)
	if err != nil {
		return nil, err
	}
	u := &directory.User{
		ID:         id,
		Name:       first(e, names.Name),
		DN:         e.DN,
		Mail:       first(e, names.Mail),
		Phone:      first(e, names.Phone),
		Attributes: map[string][]string{},
	}
	if u.Name == "" {
		return nil, fmt.Errorf("the entry %q shows no attribute %s to the service account: name the login name's attribute in Attributes.Name, and let the account read it", e.DN, names.Name)
	}
	for _, extra := range names.Extra {
		if a := attribute(e, extra); a != nil {
			u.Attributes[extra] = a.Values
		}
	}
	return u, nil
}

// maxID is how long an identifier may be, in octets: it becomes part of the store's keys.
const maxID = 128

// identifier reads the entry's own, which never changes. Without it nothing may be decided: state kept
// under a name that somebody typed would be another's tomorrow.
func identifier(e *goldap.Entry, name string) (string, error) {
	a := attribute(e, name)
	if a == nil || len(a.ByteValues) == 0 || len(a.ByteValues[0]) == 0 {
		return "", fmt.Errorf("the entry %q shows no attribute %s to the service account: let the account read it, or name another one that is unique and never changes in Attributes.ID", e.DN, name)
	}
	if len(a.ByteValues) > 1 {
		return "", fmt.Errorf("the entry %q has %d values of %s, so it has no one identifier: name an attribute with a single value in Attributes.ID", e.DN, len(a.ByteValues), name)
	}
	id, octets := a.Values[0], a.ByteValues[0]
	switch {
	case strings.EqualFold(name, "objectGUID") && len(octets) == 16:
		id = guid(octets)
	case isBinary(name, id):
		id = hex.EncodeToString(octets)
	}
	if len(id) > maxID {
		return "", fmt.Errorf("the entry %q has a %s of more than %d octets: name another attribute in Attributes.ID", e.DN, name, maxID)
	}
	return id, nil
}

// isBinary reports whether an identifier is octets rather than text: the known ones by name, since a GUID may
// happen to be printable.
func isBinary(name, value string) bool {
	switch strings.ToLower(name) {
	case "objectguid", "objectsid", "guid":
		return true
	}
	return !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
}

// attribute returns the attribute of that name in any case, or nil.
func attribute(e *goldap.Entry, name string) *goldap.EntryAttribute {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return nil
}

// checkComplete refuses an attribute that came under another description than was asked for: Active Directory
// sends a part of many values so ("memberOf;range=0-1499"), and a value with options ("tandemDevices;binary",
// RFC 4512 §2.5) would otherwise count as none at all.
func checkComplete(e *goldap.Entry, name string) error {
	for _, a := range e.Attributes {
		base, options, _ := strings.Cut(a.Name, ";")
		switch {
		case options == "" || !strings.EqualFold(base, name):
		case strings.HasPrefix(strings.ToLower(options), "range="):
			return fmt.Errorf("the entry %q has too many values of %s, and the server sent only some", e.DN, name)
		default:
			return fmt.Errorf("the entry %q has its %s as %q: remove the option, or name the attribute with it", e.DN, name, a.Name)
		}
	}
	return nil
}

func first(e *goldap.Entry, name string) string {
	if a := attribute(e, name); a != nil && len(a.Values) > 0 {
		return a.Values[0]
	}
	return ""
}

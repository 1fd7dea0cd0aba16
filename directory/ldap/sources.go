package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// written is what one server has about a user's devices: a place for each of the configured sources, in their order.
type written struct {
	places []directory.Place
	at     []location
}

// location is where in the tree a place is.
type location struct {
	source        Source
	dn, attribute string
	// class is the object class that the entry lacks; empty: none.
	class string
	// session is the ID of a session, whose entry may be missing yet.
	session string
	missing bool
}

// written reads what the sources hold for the user of an entry, which has been read already.
func (d *Directory) written(ctx context.Context, c *conn, e *goldap.Entry) (written, error) {
	sources := d.config.Devices.Sources
	w := written{places: make([]directory.Place, 0, len(sources)), at: make([]location, 0, len(sources))}
	for _, source := range sources {
		place, at := directory.Place{}, location{source: source, dn: e.DN}
		switch source {
		case SourceAttribute:
			at.class = d.lackedClass(e)
			at.attribute = d.config.Attributes.Devices
			place.Source = at.attribute
			place.Values = values(e, at.attribute)
		case SourceGluu:
			at.attribute = d.config.Devices.GluuAttribute
			place.Format, place.Source = directory.FormatGluu, "Gluu's "+at.attribute
			place.Values = values(e, at.attribute)
		case SourceSessions:
			at.session = directory.SessionID(first(e, d.config.Attributes.Name))
			at.dn = sessionName + "=" + goldap.EscapeDN(at.session) + "," + d.config.Devices.SessionsBase
			at.attribute = sessionContent
			place.Format, place.Source = directory.FormatSession, "LemonLDAP::NG's session "+at.session
			session, err := d.session(ctx, c, at.dn)
			if err != nil {
				return written{}, err
			}
			at.missing = session == nil
			if session != nil {
				place.Values = values(session, sessionContent)
			}
		}
		w.places, w.at = append(w.places, place), append(w.at, at)
	}
	return w, nil
}

// objectClass is the attribute of RFC 4512 §3.3.
const objectClass = "objectClass"

// lackedClass returns the object class that is to be added to an entry of which the classes were read.
func (d *Directory) lackedClass(e *goldap.Entry) string {
	class := d.config.Devices.ObjectClass
	a := attribute(e, objectClass)
	if class == "" || a == nil || slices.ContainsFunc(a.Values, func(v string) bool { return strings.EqualFold(v, class) }) {
		return ""
	}
	return class
}

func values(e *goldap.Entry, name string) [][]byte {
	if a := attribute(e, name); a != nil {
		return a.ByteValues
	}
	return nil
}

// How LemonLDAP::NG keeps sessions in LDAP (Apache::Session::LDAP): entries "cn=ID" of one class, all of the session
// in one attribute.
const (
	sessionClass   = "applicationProcess"
	sessionName    = "cn"
	sessionContent = "description"
)

// session reads the entry of a persistent session; nil: there is none, as before a user's first login at the portal.
func (d *Directory) session(ctx context.Context, c *conn, dn string) (*goldap.Entry, error) {
	entry, err := d.readEntry(ctx, c, dn, sessionContent)
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
		return nil, d.checkSessionsBase(ctx, c, err)
	case err != nil:
		return nil, failed(fmt.Sprintf("read the session %q", dn), err)
	}
	if err := checkComplete(entry, sessionContent); err != nil {
		return nil, err
	}
	if len(values(entry, sessionContent)) == 0 {
		return nil, fmt.Errorf("the session %q shows no attribute %s to the service account: let the account read it", dn, sessionContent)
	}
	return entry, nil
}

// checkSessionsBase tells a session that is not there from sessions that cannot be seen at all: the server's answer
// is the same, and the second is no reason to take the user for one without devices.
func (d *Directory) checkSessionsBase(ctx context.Context, c *conn, notThere error) error {
	base := d.config.Devices.SessionsBase
	var answer *answerError
	if errors.As(notThere, &answer) && sameDN(answer.answer.MatchedDN, base) {
		return nil
	}
	if _, err := d.readEntry(ctx, c, base, "1.1"); err != nil {
		return failed(fmt.Sprintf("read the base of the sessions, %q", base), err)
	}
	return nil
}

// readEntry reads one entry by its name.
func (d *Directory) readEntry(ctx context.Context, c *conn, dn string, attributes ...string) (*goldap.Entry, error) {
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN: dn, Scope: goldap.ScopeBaseObject, DerefAliases: goldap.NeverDerefAliases,
		TimeLimit: seconds(d.config.OperationTimeout), Filter: "(objectClass=*)", Attributes: attributes,
	})
	switch {
	case err != nil:
		return nil, err
	case len(entries) != 1: // what may not be read may be left out in silence
		return nil, fmt.Errorf("the entry %q is not shown to the service account: let the account read it", dn)
	}
	return entries[0], nil
}

func sameDN(a, b string) bool {
	x, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := goldap.ParseDN(b)
	return err == nil && len(strings.TrimSpace(a)) > 0 && x.EqualFold(y)
}

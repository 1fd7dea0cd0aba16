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

// written is what one server has about a user's devices: a place for each of the configured sources, in their order, and
// behind them the further sessions of a user who has more than one.
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
	// session is the ID of a session, whose entry may be missing yet, and login the name that it is made of.
	session, login string
	missing        bool
}

// written reads what the sources hold for the user of an entry, which has been read already.
func (d *Directory) written(ctx context.Context, c *conn, e *goldap.Entry) (written, error) {
	sources := d.config.Devices.Sources
	w := written{places: make([]directory.Place, 0, len(sources)), at: make([]location, 0, len(sources))}
	var further written
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
			first, more, err := d.sessions(ctx, c, e)
			if err != nil {
				return written{}, err
			}
			place, at = first.places[0], first.at[0]
			further = more
		}
		w.places, w.at = append(w.places, place), append(w.at, at)
	}
	w.places, w.at = append(w.places, further.places...), append(w.at, further.at...)
	return w, nil
}

// sessions reads the persistent sessions of the user of an entry: the first, which may be missing, and all others that
// are there.
//
// LemonLDAP::NG makes a session's name of the login name in small letters, unless its macro _whatToTrace says
// otherwise; and of whichever name the user typed, if the entry has several. A session that was overlooked would make
// somebody without a device of one who has one.
func (d *Directory) sessions(ctx context.Context, c *conn, e *goldap.Entry) (one, further written, err error) {
	seen := map[string]bool{}
	for _, name := range values(e, d.config.Attributes.Name) {
		for _, login := range []string{strings.ToLower(string(name)), string(name)} {
			if seen[login] {
				continue
			}
			seen[login] = true
			at := location{source: SourceSessions, attribute: sessionContent, login: login, session: directory.SessionID(login)}
			at.dn = sessionName + "=" + goldap.EscapeDN(at.session) + "," + d.config.Devices.SessionsBase
			session, err := d.session(ctx, c, at.dn)
			if err != nil {
				return written{}, written{}, err
			}
			at.missing = session == nil
			place := directory.Place{Format: directory.FormatSession, Source: "LemonLDAP::NG's session " + at.session}
			if session != nil {
				place.Values = values(session, sessionContent)
			}
			found := written{[]directory.Place{place}, []location{at}}
			switch {
			case one.at == nil, one.at[0].missing && !at.missing:
				one = found
			case !at.missing:
				further.places, further.at = append(further.places, place), append(further.at, at)
			}
		}
	}
	return one, further, nil
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

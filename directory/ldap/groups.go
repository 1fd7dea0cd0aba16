package ldap

import (
	"context"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// groupsOf returns the names of u's groups: those that its entry lists, and those that the group search finds.
func (d *Directory) groupsOf(ctx context.Context, c *conn, u *directory.User, entry *goldap.Entry) ([]string, error) {
	g := newGroups(u.DN)
	var level []string // the DNs whose groups are looked for next
	if listed := attribute(entry, d.config.Attributes.Groups); listed != nil {
		for _, value := range listed.Values {
			dn, err := goldap.ParseDN(value)
			switch {
			case err != nil || len(dn.RDNs) == 0: // some servers list plain names
				g.name(value)
			case d.holdsGroup(dn) && g.add(value):
				g.name(dn.RDNs[0].Attributes[0].Value)
				level = append(level, value)
			}
		}
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	if d.config.Groups.Base == "" {
		return g.names, nil
	}

	if !d.config.Groups.Nested {
		level = nil
	}
	level = append(level, u.DN)
	if d.config.ActiveDirectory {
		primary, err := d.primaryGroup(ctx, c, entry)
		if err != nil {
			return nil, err
		}
		if err := d.addPrimary(g, primary); err != nil {
			return nil, err
		}
		level = append(level, primary.DN)
	}
	for depth := 0; len(level) > 0; depth++ {
		found, err := d.findGroups(ctx, c, level, u.Name)
		if err != nil {
			return nil, err
		}
		level = nil
		for _, e := range found {
			if !g.add(e.DN) {
				continue // found before: groups may be members of each other
			}
			name, err := d.groupName(e)
			if err != nil {
				return nil, err
			}
			g.name(name)
			level = append(level, e.DN)
		}
		if err := g.check(); err != nil {
			return nil, err
		}
		if !d.config.Groups.Nested {
			break
		}
		if depth > MaxGroupDepth && len(level) > 0 {
			return nil, fmt.Errorf("the groups of %q are nested more than %d levels deep, so it is not known which ones they are", u.DN, MaxGroupDepth)
		}
	}
	return g.names, nil
}

// addPrimary notes the primary group, if it stands where groups count.
func (d *Directory) addPrimary(g *groups, primary *goldap.Entry) error {
	dn, err := goldap.ParseDN(primary.DN)
	if err != nil {
		return fmt.Errorf("the primary group has %q for a DN: %w", primary.DN, err)
	}
	if !d.holdsGroup(dn) || !g.add(primary.DN) {
		return nil
	}
	name, err := d.groupName(primary)
	if err != nil {
		return err
	}
	g.name(name)
	return nil
}

func (d *Directory) groupName(e *goldap.Entry) (string, error) {
	name := first(e, d.config.Groups.NameAttribute)
	if name == "" {
		return "", fmt.Errorf("the group %q shows no attribute %s to the service account: let the account read it, or name another one in Groups.NameAttribute", e.DN, d.config.Groups.NameAttribute)
	}
	return name, nil
}

// holdsGroup reports whether a listed group counts.
func (d *Directory) holdsGroup(group *goldap.DN) bool {
	if d.config.Groups.Base == "" {
		return true
	}
	base, err := goldap.ParseDN(d.config.Groups.Base)
	return err == nil && base.AncestorOfFold(group)
}

// findGroups searches for the groups that have one of members, in one go.
func (d *Directory) findGroups(ctx context.Context, c *conn, members []string, user string) ([]*goldap.Entry, error) {
	var filter strings.Builder
	for _, dn := range members {
		filter.WriteString(fill(d.config.Groups.Filter, "%d", dn, "%u", user))
	}
	text := filter.String()
	if len(members) > 1 {
		text = "(|" + text + ")"
	}
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN:       d.config.Groups.Base,
		Scope:        goldap.ScopeWholeSubtree,
		DerefAliases: goldap.NeverDerefAliases,
		SizeLimit:    MaxGroups + 1,
		TimeLimit:    seconds(d.config.OperationTimeout),
		Filter:       text,
		Attributes:   []string{d.config.Groups.NameAttribute},
	})
	if len(entries) > MaxGroups {
		return nil, errTooManyGroups
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("search for groups below %q", d.config.Groups.Base), err)
	}
	return entries, nil
}

var errTooManyGroups = fmt.Errorf("the user is in more than %d groups, so it is not known which ones they are", MaxGroups)

// groups collects groups, each once.
type groups struct {
	names []string
	dns   map[string]bool // in lower case
	known map[string]bool // names in lower case
}

// newGroups starts with the user's own DN as known, in case that it is a group as well.
func newGroups(user string) *groups {
	return &groups{dns: map[string]bool{strings.ToLower(user): true}, known: map[string]bool{}}
}

// add notes a group's DN; false if it was there.
func (g *groups) add(dn string) bool {
	key := strings.ToLower(dn)
	if g.dns[key] {
		return false
	}
	g.dns[key] = true
	return true
}

func (g *groups) name(name string) {
	if key := strings.ToLower(name); !g.known[key] {
		g.known[key] = true
		g.names = append(g.names, name)
	}
}

func (g *groups) check() error {
	if len(g.names) > MaxGroups || len(g.dns) > MaxGroups+1 {
		return errTooManyGroups
	}
	return nil
}

package ldap

import (
	"context"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"
)

// operation is one write: everything that changes in one entry, at once.
type operation struct {
	dn      string
	at      location // of the first of its changes, for messages
	create  bool     // the entry is to be made: a session
	changes []valueChange
}

// valueChange says which values of an attribute go, and which come.
type valueChange struct {
	attribute  string
	gone, come [][]byte
}

// plan finds what must be written: an operation for each entry, those of later sources first. A device that stands in
// several keeps the ID that it was asked for by until the last is done.
func plan(before, after written) []operation {
	var operations []operation
	for i := range before.places {
		at := before.at[i]
		gone, come := before.places[i].Edited(after.places[i])
		if len(gone) == 0 && len(come) == 0 {
			continue
		}
		n := slices.IndexFunc(operations, func(o operation) bool { return o.dn == at.dn })
		if n < 0 {
			n, operations = len(operations), append(operations, operation{dn: at.dn, at: at, create: at.missing})
		}
		operations[n].changes = append(operations[n].changes, at.coming(gone, come)...)
	}
	slices.Reverse(operations)
	return operations
}

// coming is what is written at a location: with the values, the object class that allows them.
func (at location) coming(gone, come [][]byte) []valueChange {
	values := valueChange{at.attribute, gone, come}
	if at.class == "" || len(come) == 0 {
		return []valueChange{values}
	}
	return []valueChange{{objectClass, nil, [][]byte{[]byte(at.class)}}, values}
}

// send writes on c.
func (o operation) send(ctx context.Context, c *conn) error {
	if o.create {
		return c.add(ctx, o.addition())
	}
	return c.modify(ctx, o.modification())
}

// addition makes a session's entry as LemonLDAP::NG does.
func (o operation) addition() *goldap.AddRequest {
	r := goldap.NewAddRequest(o.dn, nil)
	r.Attribute(objectClass, []string{"top", sessionClass})
	r.Attribute(sessionName, []string{o.at.session})
	for _, c := range o.changes {
		r.Attribute(c.attribute, texts(c.come))
	}
	return r
}

// modification removes before it adds, so that it fails if what it was made of is not there any more.
func (o operation) modification() *goldap.ModifyRequest {
	r := goldap.NewModifyRequest(o.dn, nil)
	for _, c := range o.changes {
		if len(c.gone) > 0 {
			r.Delete(c.attribute, texts(c.gone))
		}
		if len(c.come) > 0 {
			r.Add(c.attribute, texts(c.come))
		}
	}
	return r
}

func texts(values [][]byte) []string {
	all := make([]string, 0, len(values))
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

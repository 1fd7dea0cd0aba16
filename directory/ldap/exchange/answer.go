package exchange

import (
	"errors"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"
)

// operation is what a message of the server's carries: the protocolOp of RFC 4511 §4.1.1.
type operation struct{ value }

func (o operation) unexpected() error {
	return fmt.Errorf("%w: an operation with tag %#02x", errForeign, o.tag)
}

// result reads an LDAPResult (RFC 4511 §4.1.9): nil for success, else a *goldap.Error.
func (o operation) result() error {
	r := o.inside()
	code, err := r.integer(tagEnumerated)
	if err != nil {
		return err
	}
	matched, err := r.octets()
	if err != nil {
		return err
	}
	words, err := r.octets()
	if err != nil {
		return err
	}
	switch {
	case code == goldap.LDAPResultSuccess:
		return nil
	case code < 0 || code >= goldap.ErrorNetwork: // the library's own numbers begin there
		return fmt.Errorf("%w: result code %d", errMalformed, code)
	}
	return &goldap.Error{ResultCode: uint16(code), MatchedDN: string(matched), Err: errors.New(string(words))}
}

// entry reads a SearchResultEntry (RFC 4511 §4.5.2). Its values share the message's memory.
func (o operation) entry() (*goldap.Entry, error) {
	r := o.inside()
	dn, err := r.octets()
	if err != nil {
		return nil, err
	}
	list, err := r.expect(tagSequence)
	if err != nil {
		return nil, err
	}
	e := &goldap.Entry{DN: string(dn)}
	for r := list.inside(); !r.empty(); {
		a, err := r.expect(tagSequence)
		if err != nil {
			return nil, err
		}
		attribute, err := a.attribute()
		if err != nil {
			return nil, err
		}
		e.Attributes = append(e.Attributes, attribute)
	}
	return e, nil
}

// attribute reads a PartialAttribute (RFC 4511 §4.1.7).
func (v value) attribute() (*goldap.EntryAttribute, error) {
	r := v.inside()
	name, err := r.octets()
	if err != nil {
		return nil, err
	}
	set, err := r.expect(tagSet)
	if err != nil {
		return nil, err
	}
	a := &goldap.EntryAttribute{Name: string(name), Values: []string{}, ByteValues: [][]byte{}}
	for r := set.inside(); !r.empty(); {
		octets, err := r.octets()
		if err != nil {
			return nil, err
		}
		a.Values, a.ByteValues = append(a.Values, string(octets)), append(a.ByteValues, octets)
	}
	return a, nil
}

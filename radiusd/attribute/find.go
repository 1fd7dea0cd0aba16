package attribute

import (
	"fmt"
	"strconv"
	"strings"
)

// maxTag is the greatest tag (RFC 2868 §3.1).
const maxTag = 31

// Find returns the attribute of this name, in upper or lower case:
//
//	Filter-Id             a standard attribute
//	Tunnel-Type:1         one of RFC 2868, with a tag
//	Fortinet-Group-Name   a vendor's
//	12356:1               the same in numbers, VENDOR:TYPE
//	0:11                  a standard attribute in numbers: Filter-Id
//	4242:7                one that has no name here; its values are octets
//	4242:7:integer        likewise, with values of a type that the package's documentation lists
//
// The error says which name may have been meant, or why a policy may not set this attribute.
func Find(name string) (Attribute, error) {
	first, rest, colon := strings.Cut(name, ":")
	if colon && first != "" && strings.Trim(first, "0123456789") == "" {
		return findRaw(name, first, rest)
	}
	d := named(first)
	if d == nil {
		return Attribute{}, unknown(first)
	}
	if reason := refusal(d); reason != "" {
		return Attribute{}, refused(d, reason)
	}
	if !colon {
		return Attribute{definition: d}, nil
	}
	if !d.tagged {
		return Attribute{}, fmt.Errorf("attribute %s has no tags: leave out what follows the name", d.name)
	}
	tag, err := strconv.ParseUint(rest, 10, 8)
	if err != nil || tag > maxTag {
		return Attribute{}, fmt.Errorf("attribute %s has the tag %s: write a number from 1 to %d, or 0 for none (RFC 2868 §3.1)", d.name, quote(rest), maxTag)
	}
	return Attribute{definition: d, tag: byte(tag)}, nil
}

// named returns the definition of this name, or nil.
func named(name string) *definition {
	for i := range table {
		if strings.EqualFold(table[i].name, name) {
			return &table[i]
		}
	}
	return nil
}

// numbered returns the first definition of these numbers, or nil.
func numbered(vendor, number uint32) *definition {
	for i := range table {
		if table[i].vendor == vendor && table[i].number == number {
			return &table[i]
		}
	}
	return nil
}

func refused(d *definition, reason string) error {
	return fmt.Errorf("attribute %s is not for policies: %s", d.name, reason)
}

// unknown is the error for a name that is not in the table.
func unknown(name string) error {
	if n := nearest(name); n != "" {
		return fmt.Errorf("attribute %s is not known: did you mean %s?", quote(name), n)
	}
	return fmt.Errorf("attribute %s is not known: write one that has no name here in numbers, VENDOR:TYPE", quote(name))
}

package attribute

import (
	"slices"
	"strings"
)

// kind is the type of an attribute's values, which the package's documentation describes.
type kind uint8

const (
	// kindUnsupported is that of attributes which are in the table only to be refused.
	kindUnsupported kind = iota
	kindString
	kindOctets
	kindByte
	kindShort
	kindInteger
	kindInteger64
	kindIPv4
	kindIPv6
	kindIPv6Prefix
	kindInterfaceID
	kindEther
	kindDate
)

// kindNames are the names of kinds in FreeRADIUS's dictionaries and in raw attributes.
var kindNames = [...]string{
	kindString:      "string",
	kindOctets:      "octets",
	kindByte:        "byte",
	kindShort:       "short",
	kindInteger:     "integer",
	kindInteger64:   "integer64",
	kindIPv4:        "ipaddr",
	kindIPv6:        "ipv6addr",
	kindIPv6Prefix:  "ipv6prefix",
	kindInterfaceID: "ifid",
	kindEther:       "ether",
	kindDate:        "date",
}

// kindOf returns the kind of this name, or kindUnsupported.
func kindOf(name string) kind {
	if name == "" {
		return kindUnsupported // it has no name
	}
	return kind(max(0, slices.Index(kindNames[:], name)))
}

// kindList is all names, for error messages.
func kindList() string { return strings.Join(kindNames[1:], ", ") }

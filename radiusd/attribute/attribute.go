package attribute

import "strconv"

//go:generate go run ./generate

// Attribute is a kind of attribute that a reply may have. [Find] makes them; the zero value is of no use.
// It never changes, and may be used by several goroutines.
type Attribute struct {
	*definition
	// tag is from 1 to 31; 0 means none.
	tag byte
}

// definition is what a dictionary knows of an attribute.
type definition struct {
	name string
	// vendor is a private enterprise number of IANA's, 0 for a standard attribute.
	vendor uint32
	// number is the attribute's type, as RFC 2865 calls it, or the vendor's type.
	number uint32
	kind   kind
	// size is how many octets each value has, where that is fixed and does not follow from kind; else 0.
	size uint8
	// tagged: a tag may precede the value (RFC 2868 §3). sealed: the value is encrypted (RFC 2868 §3.5).
	tagged, sealed bool
	// values are names of integers.
	values []namedValue
}

// namedValue is a name for a value of an integer.
type namedValue struct {
	name  string
	value uint32
}

// Number returns the vendor, 0 for a standard attribute, and the type.
func (a Attribute) Number() (vendor, number uint32) { return a.vendor, a.number }

// Sealed reports whether the value is encrypted for one client (RFC 2868 §3.5).
func (a Attribute) Sealed() bool { return a.sealed }

// String returns the name as the dictionary spells it, with the tag: "Tunnel-Type:1".
func (a Attribute) String() string {
	if a.tag == 0 {
		return a.name
	}
	return a.name + ":" + strconv.Itoa(int(a.tag))
}

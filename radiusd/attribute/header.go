package attribute

import (
	"encoding/binary"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc4849"
)

// outerType is the attribute's type in the packet.
func (a Attribute) outerType() radius.Type {
	if a.vendor != 0 {
		return rfc2865.VendorSpecific_Type
	}
	return radius.Type(a.number)
}

// headerSize is how many octets of the attribute precede its content, after type and length: a vendor's
// header, a tag, a separator.
func (a Attribute) headerSize() int {
	size := 0
	if a.vendor != 0 {
		size += 4 + formatOf(a.vendor).headerSize()
	}
	if a.hasTagOctet() || a.isFilterRule() {
		size++
	}
	return size
}

// appendHeader appends what precedes content of size octets.
func (a Attribute) appendHeader(b []byte, size int, to *Reply) []byte {
	tagged := a.hasTagOctet()
	if tagged {
		size++
	}
	if a.vendor != 0 {
		b = binary.BigEndian.AppendUint32(b, a.vendor)
		b = formatOf(a.vendor).appendHeader(b, a.number, size)
	}
	if tagged {
		b = append(b, a.tag)
	}
	if a.isFilterRule() {
		b = to.appendSeparator(b)
	}
	return b
}

// hasTagOctet reports whether an octet for the tag is there. It always is in integers and encrypted values;
// strings without a tag do without (RFC 2868 §3).
func (a Attribute) hasTagOctet() bool {
	return a.tagged && (a.tag != 0 || a.kind == kindInteger || a.sealed)
}

// isFilterRule reports whether this is NAS-Filter-Rule, of which a packet's separate ones are one text.
func (a Attribute) isFilterRule() bool {
	return a.vendor == 0 && a.number == uint32(rfc4849.NASFilterRule_Type)
}

package attribute

import (
	"fmt"

	"layeh.com/radius"
)

// maxValue is how many octets the value of an attribute may have (RFC 2865 §5).
const maxValue = 253

// Encode returns the attribute with this value, for the packet to. Its errors are those of [Attribute.Check];
// besides that, an encrypted attribute cannot be made without a shared secret.
func (a Attribute) Encode(value string, to *Reply) (*radius.AVP, error) {
	var scratch [maxValue]byte
	content, err := a.content(scratch[:0], value)
	if err != nil {
		return nil, err
	}
	if a.sealed {
		if content, err = seal(content, to); err != nil {
			return nil, fmt.Errorf("attribute %v: %w", a, err)
		}
	}

	b := make([]byte, 0, a.headerSize()+len(content))
	b = a.appendHeader(b, len(content), to)
	return &radius.AVP{Type: a.outerType(), Attribute: append(b, content...)}, nil
}

// Check returns how many octets of a packet the attribute takes with this value, header and all, or why it
// cannot have it. A packet has [radius.MaxPacketLength] octets, of which 20 are its own header. Each NAS-Filter-Rule
// counts with a separator, which the first of a packet does without.
func (a Attribute) Check(value string) (size int, err error) {
	var scratch [maxValue]byte
	content, err := a.content(scratch[:0], value)
	if err != nil {
		return 0, err
	}
	size = len(content)
	if a.sealed {
		size = sealedSize(size)
	}
	return 2 + a.headerSize() + size, nil
}

// content appends to b what value is on the wire, without headers and before encryption.
func (a Attribute) content(b []byte, value string) ([]byte, error) {
	content, err := a.appendValue(b, value)
	if err != nil {
		return nil, fmt.Errorf("attribute %v: %w", a, err)
	}
	most := maxValue - a.headerSize()
	if a.sealed {
		most = maxSealed(most)
	}
	if len(content) > most {
		return nil, fmt.Errorf("attribute %v: the value has %d octets, at most %d are possible", a, len(content), most)
	}
	return content, nil
}

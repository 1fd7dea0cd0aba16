package exchange

import (
	"errors"
	"fmt"
	"io"
)

// The universal tags that LDAP uses (ITU-T X.690 §8; RFC 4511 §5.1 restricts them): lengths are definite, and tags have
// one octet.
const (
	tagBoolean    = 0x01
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagSet        = 0x31
)

var errMalformed = errors.New("the server sends something that is not LDAP")

// begin appends tag and room for a length of one octet; end is told where.
func begin(b []byte, tag byte) (next []byte, at int) {
	return append(b, tag, 0), len(b) + 2
}

// end writes the length of what stands behind at, and makes room where one octet is too little for it.
func end(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	length := appendLength(nil, n)
	b = append(b, length[1:]...)
	copy(b[at+len(length)-1:], b[at:at+n])
	copy(b[at-1:], length)
	return b
}

func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	var octets [8]byte
	i := len(octets)
	for ; n > 0; n >>= 8 {
		i--
		octets[i] = byte(n)
	}
	return append(append(b, 0x80|byte(len(octets)-i)), octets[i:]...)
}

func appendText(b []byte, tag byte, s string) []byte {
	return append(appendLength(append(b, tag), len(s)), s...)
}

func appendBoolean(b []byte, yes bool) []byte {
	if yes {
		return append(b, tagBoolean, 1, 0xff)
	}
	return append(b, tagBoolean, 1, 0)
}

// appendInteger appends n in as few octets as hold it in two's complement.
func appendInteger(b []byte, tag byte, n int64) []byte {
	octets := 1
	for rest := n; rest > 0x7f || rest < -0x80; rest >>= 8 {
		octets++
	}
	b = append(b, tag, byte(octets))
	for i := octets - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// value is one tag with its content.
type value struct {
	tag     byte
	content []byte
}

func (v value) inside() reader { return reader{v.content} }

// reader takes values from the front of what is left.
type reader struct{ left []byte }

func (r *reader) empty() bool { return len(r.left) == 0 }

// next takes the next value, whatever it is.
func (r *reader) next() (value, error) {
	if len(r.left) < 2 {
		return value{}, fmt.Errorf("%w: a value is missing", errMalformed)
	}
	tag := r.left[0]
	if tag&0x1f == 0x1f {
		return value{}, fmt.Errorf("%w: a tag of more than one octet", errMalformed)
	}
	n, used, err := length(r.left[1:])
	if err != nil {
		return value{}, err
	}
	from := 1 + used
	if n > len(r.left)-from {
		return value{}, fmt.Errorf("%w: a value of %d octets, and %d are left", errMalformed, n, len(r.left)-from)
	}
	v := value{tag, r.left[from : from+n : from+n]}
	r.left = r.left[from+n:]
	return v, nil
}

// expect takes the next value, which must have that tag.
func (r *reader) expect(tag byte) (value, error) {
	v, err := r.next()
	if err == nil && v.tag != tag {
		err = fmt.Errorf("%w: tag %#02x where %#02x belongs", errMalformed, v.tag, tag)
	}
	return v, err
}

func (r *reader) octets() ([]byte, error) {
	v, err := r.expect(tagOctets)
	return v.content, err
}

// integer takes an INTEGER or ENUMERATED of at most four octets: message IDs and result codes have no more.
func (r *reader) integer(tag byte) (int64, error) {
	v, err := r.expect(tag)
	if err != nil {
		return 0, err
	}
	if len(v.content) == 0 || len(v.content) > 4 {
		return 0, fmt.Errorf("%w: a number of %d octets", errMalformed, len(v.content))
	}
	n := int64(int8(v.content[0]))
	for _, octet := range v.content[1:] {
		n = n<<8 | int64(octet)
	}
	return n, nil
}

// maxLengthOctets is how many octets a length may have: four are 4 GiB.
const maxLengthOctets = 4

// length reads a length at the front of b, and says of how many octets it is.
func length(b []byte) (n, used int, err error) {
	first := b[0]
	if first < 0x80 {
		return int(first), 1, nil
	}
	octets := int(first & 0x7f)
	if octets == 0 || octets > maxLengthOctets || octets >= len(b) {
		return 0, 0, fmt.Errorf("%w: a length that begins with %#02x", errMalformed, first)
	}
	for _, octet := range b[1 : 1+octets] {
		n = n<<8 | int(octet)
	}
	return n, 1 + octets, nil
}

// readLength reads a length from a stream.
func readLength(r io.ByteReader) (int, error) {
	octets := make([]byte, 1, 1+maxLengthOctets)
	var err error
	if octets[0], err = r.ReadByte(); err != nil {
		return 0, err
	}
	if more := int(octets[0] & 0x7f); octets[0] >= 0x80 && more <= maxLengthOctets {
		for range more {
			octet, err := r.ReadByte()
			if err != nil {
				return 0, err
			}
			octets = append(octets, octet)
		}
	}
	n, _, err := length(octets)
	return n, err
}

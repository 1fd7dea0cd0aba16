package attribute

import (
	"encoding/binary"
	"math"
)

// format is how a vendor writes the header of an attribute inside of Vendor-Specific (RFC 2865 §5.26): a
// type of typeSize octets, a length of lengthSize octets, which counts the header, too, and an octet that
// says whether another attribute continues this one.
type format struct {
	typeSize, lengthSize int
	continuation         bool
}

// formatOf returns the format of a vendor's attributes: the recommended one, or that of FreeRADIUS's
// dictionaries, where it is another.
func formatOf(vendor uint32) format {
	switch vendor {
	case 429: // USR
		return format{typeSize: 4}
	case 637, 4846, 16445: // Alcatel-ESAM, Lucent, Kineto
		return format{typeSize: 2, lengthSize: 1}
	case 5323, 24757: // Telrad, WiMAX
		return format{typeSize: 1, lengthSize: 1, continuation: true}
	case 8164: // Starent
		return format{typeSize: 2, lengthSize: 2}
	}
	return format{typeSize: 1, lengthSize: 1}
}

// maxNumber is the greatest type that fits.
func (f format) maxNumber() uint32 {
	switch f.typeSize {
	case 1:
		return math.MaxUint8
	case 2:
		return math.MaxUint16
	}
	return math.MaxUint32
}

// headerSize is how many octets a header has.
func (f format) headerSize() int {
	size := f.typeSize + f.lengthSize
	if f.continuation {
		size++
	}
	return size
}

// appendHeader appends the header of an attribute of this number, which size octets follow.
func (f format) appendHeader(b []byte, number uint32, size int) []byte {
	size += f.headerSize()
	switch f.typeSize {
	case 1:
		b = append(b, byte(number))
	case 2:
		b = binary.BigEndian.AppendUint16(b, uint16(number))
	default:
		b = binary.BigEndian.AppendUint32(b, number)
	}
	switch f.lengthSize {
	case 1:
		b = append(b, byte(size))
	case 2:
		b = binary.BigEndian.AppendUint16(b, uint16(size))
	}
	if f.continuation {
		b = append(b, 0) // this is all of it
	}
	return b
}

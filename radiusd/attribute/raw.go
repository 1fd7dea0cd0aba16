package attribute

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxVendor is the greatest vendor number: the first of its four octets is 0 (RFC 2865 §5.26).
	maxVendor = 1<<24 - 1
	// maxStandard is the last type of the form that RFC 2865 defines; those from 241 on have others (RFC 6929).
	maxStandard = 240
)

// findRaw returns the attribute that name gives in numbers: vendor is what stands before the first colon,
// rest what follows it.
func findRaw(name, vendor, rest string) (Attribute, error) {
	v, err := strconv.ParseUint(vendor, 10, 32)
	if err != nil || v > maxVendor {
		return Attribute{}, fmt.Errorf("attribute %s: the vendor must be a number up to %d", quote(name), maxVendor)
	}
	d := definition{name: name, vendor: uint32(v), kind: kindOctets}
	highest := uint32(maxStandard)
	if d.vendor != 0 {
		highest = formatOf(d.vendor).maxNumber()
	}
	number, kind, hasKind := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n < 1 || n > uint64(highest) {
		return Attribute{}, fmt.Errorf("attribute %s: the type must be a number from 1 to %d", quote(name), highest)
	}
	d.number = uint32(n)
	if hasKind {
		if d.kind = kindOf(kind); d.kind == kindUnsupported {
			return Attribute{}, fmt.Errorf("attribute %s: %s is no type of values: choose one of %s", quote(name), quote(kind), kindList())
		}
	}

	known := numbered(d.vendor, d.number)
	if known == nil {
		return Attribute{definition: &d}, nil
	}
	if reason := refusal(known); reason != "" {
		return Attribute{}, refused(known, reason)
	}
	if !hasKind {
		return Attribute{definition: known}, nil
	}
	if known.tagged && d.kind == kindOctets && !known.sealed {
		return Attribute{definition: &d}, nil // as another server gave it: the octets begin with the tag
	}
	if known.tagged || known.sealed {
		return Attribute{}, fmt.Errorf("attribute %s is more than its value's type says: call it %s", quote(name), known.name)
	}
	return Attribute{definition: &d}, nil
}

package attribute

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Errors below say which value is wrong, but never repeat strings and octets: they may be keys.

// appendValue appends to b what value is on the wire, without tag and encryption.
func (a Attribute) appendValue(b []byte, value string) ([]byte, error) {
	if value == "" {
		return nil, errors.New("the value is empty: leave the attribute out instead (RFC 2865 §5)")
	}
	switch a.kind {
	case kindString:
		return a.appendString(b, value)
	case kindOctets:
		return a.appendOctets(b, value)
	case kindByte:
		n, err := a.integer(value, 8)
		return append(b, byte(n)), err
	case kindShort:
		n, err := a.integer(value, 16)
		return binary.BigEndian.AppendUint16(b, uint16(n)), err
	case kindInteger:
		if a.tagged { // the tag takes the first octet (RFC 2868 §3.1)
			n, err := a.integer(value, 24)
			return append(b, byte(n>>16), byte(n>>8), byte(n)), err
		}
		n, err := a.integer(value, 32)
		return binary.BigEndian.AppendUint32(b, uint32(n)), err
	case kindInteger64:
		n, err := a.integer(value, 64)
		return binary.BigEndian.AppendUint64(b, n), err
	case kindIPv4:
		return appendIPv4(b, value)
	case kindIPv6:
		return appendIPv6(b, value)
	case kindIPv6Prefix:
		return appendIPv6Prefix(b, value)
	case kindInterfaceID:
		return appendInterfaceID(b, value)
	case kindEther:
		return appendEther(b, value)
	case kindDate:
		return a.appendDate(b, value)
	case kindUnsupported: // Find refuses them
	}
	return nil, errors.New("values of this type cannot be written")
}

// appendString appends text (RFC 8044 §3.4). Control characters would end a line or a string too early
// somewhere; line ends stay, for banners. In attributes with tags they would be tags (RFC 2868 §3.3).
func (a Attribute) appendString(b []byte, value string) ([]byte, error) {
	if !utf8.ValidString(value) {
		return nil, errors.New("the value is not UTF-8")
	}
	allowed := "\t\r\n"
	if a.tagged {
		allowed = ""
	}
	for _, r := range value {
		if (r < ' ' || r == 0x7f) && !strings.ContainsRune(allowed, r) {
			return nil, fmt.Errorf("the value has the control character %U in it", r)
		}
	}
	return append(b, value...), nil
}

// appendOctets appends what hexadecimal digits mean, or the text itself.
func (a Attribute) appendOctets(b []byte, value string) ([]byte, error) {
	start := len(b)
	if digits, isHex := strings.CutPrefix(value, "0x"); isHex {
		var err error
		if b, err = hex.AppendDecode(b, []byte(digits)); err != nil || digits == "" {
			return nil, errors.New("the value begins with 0x, but no even number of hexadecimal digits follows")
		}
	} else {
		b = append(b, value...)
	}
	if size := len(b) - start; a.size != 0 && size != int(a.size) {
		return nil, fmt.Errorf("the value has %d octets, it must have %d", size, a.size)
	}
	return b, nil
}

// integer returns the number that value is, or has the name of, if it fits into so many bits.
func (a Attribute) integer(value string, bits int) (uint64, error) {
	for _, v := range a.values {
		if strings.EqualFold(v.name, value) {
			return uint64(v.value), nil
		}
	}
	digits, base := value, 10
	if after, isHex := strings.CutPrefix(value, "0x"); isHex {
		digits, base = after, 16
	}
	n, err := strconv.ParseUint(digits, base, bits)
	if err != nil {
		return 0, fmt.Errorf("%s is no number from 0 to %d%s", quote(value), uint64(math.MaxUint64)>>(64-bits), a.valueHint())
	}
	return n, nil
}

// valueHint tells the first names that values have, to be appended to an error.
func (a Attribute) valueHint() string {
	const most = 12
	if len(a.values) == 0 {
		return ""
	}
	names := make([]string, 0, most)
	for _, v := range a.values[:min(most, len(a.values))] {
		names = append(names, v.name)
	}
	hint := ", nor a name such as " + strings.Join(names, ", ")
	if len(a.values) > most {
		hint += " …"
	}
	return hint
}

func appendIPv4(b []byte, value string) ([]byte, error) {
	ip, err := netip.ParseAddr(value)
	if err != nil || !ip.Is4() {
		return nil, fmt.Errorf("%s is no IPv4 address such as 192.0.2.1", quote(value))
	}
	return append(b, ip.AsSlice()...), nil
}

func appendIPv6(b []byte, value string) ([]byte, error) {
	ip, err := netip.ParseAddr(value)
	if err != nil || !ip.Is6() || ip.Zone() != "" {
		return nil, fmt.Errorf("%s is no IPv6 address such as 2001:db8::1", quote(value))
	}
	return append(b, ip.AsSlice()...), nil
}

// appendIPv6Prefix appends a prefix in its long form, which all readers of RFC 3162 §2.3 know.
func appendIPv6Prefix(b []byte, value string) ([]byte, error) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is6() {
		return nil, fmt.Errorf("%s is no IPv6 prefix such as 2001:db8::/64", quote(value))
	}
	if prefix != prefix.Masked() {
		return nil, fmt.Errorf("%s has bits beyond the prefix: write %v", quote(value), prefix.Masked())
	}
	b = append(b, 0, byte(prefix.Bits()))
	return append(b, prefix.Addr().AsSlice()...), nil
}

// appendInterfaceID appends the lower half of an IPv6 address (RFC 3162 §2.2).
func appendInterfaceID(b []byte, value string) ([]byte, error) {
	ip, err := netip.ParseAddr("::" + value)
	if err != nil || strings.Count(value, ":") != 3 || strings.ContainsAny(value, "%.") {
		return nil, fmt.Errorf("%s is no interface identifier such as 0000:0000:0000:0001", quote(value))
	}
	return append(b, ip.AsSlice()[8:]...), nil
}

func appendEther(b []byte, value string) ([]byte, error) {
	mac, err := net.ParseMAC(value)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%s is no hardware address such as 02:00:00:00:00:01", quote(value))
	}
	return append(b, mac...), nil
}

func (a Attribute) appendDate(b []byte, value string) ([]byte, error) {
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		t, err := time.Parse(time.RFC3339, value)
		if err != nil || t.Unix() < 0 || t.Unix() > math.MaxUint32 {
			return nil, fmt.Errorf("%s is no time such as 2026-01-31T12:00:00Z, nor seconds since 1970", quote(value))
		}
		seconds = uint64(t.Unix())
	}
	return binary.BigEndian.AppendUint32(b, uint32(seconds)), nil
}

// quote returns what was given, escaped and cut, for an error.
func quote(given string) string {
	const most = 64
	if len(given) > most {
		return strconv.Quote(given[:most]) + "…"
	}
	return strconv.Quote(given)
}

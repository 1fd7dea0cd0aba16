package attribute

import (
	"bytes"
	"testing"

	"layeh.com/radius"
)

// Whatever stands in the configuration or the directory: no panic, attributes of a length that a packet can
// hold, Check foretells what Encode does, and what was encoded can be parsed.
func FuzzEncode(f *testing.F) {
	for i := range table {
		f.Add(table[i].name, "1")
	}
	for _, seed := range [][2]string{
		{"Tunnel-Private-Group-Id:1", "42"},
		{"Tunnel-Password:31", "pw"},
		{"Framed-IP-Address", "192.0.2.1"},
		{"Framed-IPv6-Prefix", "2001:db8::/32"},
		{"Framed-Interface-Id", "1:2:3:4"},
		{"Fortinet-WirelessController-Device-MAC", "02-00-00-00-00-01"},
		{"Fortinet-WirelessController-Assoc-Time", "2026-01-31T12:00:00Z"},
		{"Class", "0x00ff"},
		{"9:1:string", "a=b"},
		{"429:36864:integer", "7"},
		{"8164:300:ipaddr", "192.0.2.1"},
		{"24757:1:integer64", "0xffffffffffffffff"},
		{"0:200:byte", "300"},
		{"::", ":"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		a, err := Find(name)
		if err != nil {
			return
		}
		if again, err := Find(a.String()); err != nil || again.String() != a.String() {
			t.Fatalf("%q is called %q, which is found as %q (%v)", name, a, again, err)
		}
		size, checkErr := a.Check(value)
		reply := testReply()
		reply.appendSeparator(nil) // as if there was a NAS-Filter-Rule before
		avp, err := a.Encode(value, reply)
		if (err == nil) != (checkErr == nil) {
			t.Fatalf("%s = %q: Encode says %v, Check says %v", name, value, err, checkErr)
		}
		if err != nil {
			return
		}
		raw := wire(t, avp)
		if len(raw) != size || size < 3 || size > 255 {
			t.Fatalf("%s = %q has %d octets, Check says %d", name, value, len(raw), size)
		}
		parsed, err := radius.ParseAttributes([]byte(raw))
		if err != nil || len(parsed) != 1 || parsed[0].Type != avp.Type || !bytes.Equal(parsed[0].Attribute, avp.Attribute) {
			t.Fatalf("%s = %q: % x is parsed as %v (%v)", name, value, raw, parsed, err)
		}
		if a.vendor == 0 {
			return
		}
		vendor, inner, err := radius.VendorSpecific(parsed[0].Attribute)
		if err != nil || vendor != a.vendor {
			t.Fatalf("%s = %q: vendor %d (%v) in % x", name, value, vendor, err, raw)
		}
		if f := formatOf(a.vendor); f.typeSize == 1 && (uint32(inner[0]) != a.number || int(inner[1]) != len(inner)) {
			t.Fatalf("%s = %q: % x has another type or length", name, value, inner)
		}
	})
}

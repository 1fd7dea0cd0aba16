package attribute

import (
	"crypto/rand"
	"testing"

	"tandem/internal/secret"
)

// Five attributes of a usual reply, one of them encrypted.
func BenchmarkEncode(b *testing.B) {
	five := []struct {
		attribute Attribute
		value     string
	}{
		{mustFind(b, "Filter-Id"), "vpn-users"},
		{mustFind(b, "Framed-IP-Address"), "192.0.2.17"},
		{mustFind(b, "Tunnel-Type:1"), "VLAN"},
		{mustFind(b, "Fortinet-Group-Name"), "vpn-users"},
		{mustFind(b, "Tunnel-Password:1"), "a password"},
	}
	shared := secret.New(testSecret)
	b.ReportAllocs()
	for b.Loop() {
		reply := Reply{Secret: shared, Random: rand.Reader}
		for _, f := range five {
			if _, err := f.attribute.Encode(f.value, &reply); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// What the configuration does once: the table is looked through from its beginning.
func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, err := Find("pfSense-Max-Total-Octets"); err != nil {
			b.Fatal(err)
		}
	}
}

package attribute

import (
	"encoding/hex"
	"strings"
	"testing"

	"layeh.com/radius"

	"tandem/internal/secret"
)

const testSecret = "a shared secret"

// testReply has salts that a test can foresee: 0x8001 and what follows.
func testReply() *Reply {
	return &Reply{
		Secret:               secret.New(testSecret),
		RequestAuthenticator: [16]byte([]byte("an authenticator")),
		Random:               strings.NewReader("\x80\x00"),
	}
}

func mustFind(t testing.TB, name string) Attribute {
	t.Helper()
	a, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wire returns the octets of an attribute in a packet.
func wire(t testing.TB, avp *radius.AVP) string {
	t.Helper()
	packet, err := (&radius.Packet{Code: radius.CodeAccessAccept, Secret: []byte("s"), Attributes: radius.Attributes{avp}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(packet[20:])
}

func TestEncode(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        string // hexadecimal
	}{
		{"Filter-Id", "vpn", "0b05 76706e"},
		{"Filter-Id", "zoë", "0b06 7a6fc3ab"},
		{"ASA-Banner1", "a\nb", "1a0b 00000c04 0f05 610a62"},
		{"Filter-Id", "0x61", "0b06 30783631"},
		{"Class", "ou=vpn", "1908 6f753d76706e"},
		{"Class", "0xDEADbeef", "1906 deadbeef"},
		{"Class", "\x00\xff", "1904 00ff"},
		{"WLAN-Venue-Language", "eng", "b705 656e67"},
		{"Session-Timeout", "28800", "1b06 00007080"},
		{"Session-Timeout", "010", "1b06 0000000a"},
		{"Session-Timeout", "0x10", "1b06 00000010"},
		{"Session-Timeout", "4294967295", "1b06 ffffffff"},
		{"Service-Type", "Framed-User", "0606 00000002"},
		{"Service-Type", "framed-user", "0606 00000002"},
		{"Service-Type", "4000000000", "0606 ee6b2800"},
		{"Framed-IP-Address", "192.0.2.1", "0806 c0000201"},
		{"Framed-IPv6-Address", "2001:db8::1", "a812 20010db8000000000000000000000001"},
		{"Framed-IPv6-Prefix", "2001:db8::/56", "6114 0038 20010db8000000000000000000000000"},
		{"Delegated-IPv6-Prefix", "::/0", "7b14 0000 00000000000000000000000000000000"},
		{"Framed-Interface-Id", "1:22:333:4444", "600a 0001002203334444"},
		{"Tunnel-Type", "VLAN", "4006 00 00000d"},
		{"Tunnel-Type:1", "VLAN", "4006 01 00000d"},
		{"Tunnel-Medium-Type:31", "IEEE-802", "4106 1f 000006"},
		{"Tunnel-Private-Group-Id", "42", "5104 3432"},
		{"Tunnel-Private-Group-Id:1", "42", "5105 01 3432"},
		{"Cisco-AVPair", "shell:priv-lvl=15", "1a19 00000009 0113 7368656c6c3a707269762d6c766c3d3135"},
		{"ASA-Group-Policy", "gp", "1a0a 00000c04 1904 6770"},
		{"Mikrotik-Recv-Limit", "1", "1a0c 00003a8c 0106 00000001"},
		{"Fortinet-WirelessController-Device-MAC", "02:00:00:00:00:01", "1a0e 00003044 1708 020000000001"},
		{"Fortinet-WirelessController-Assoc-Time", "1970-01-02T00:00:00+01:00", "1a0c 00003044 1906 00014370"},
		{"Fortinet-WirelessController-Assoc-Time", "82800", "1a0c 00003044 1906 00014370"},
		{"0:11", "vpn", "0b05 76706e"},
		{"0:200:string", "a", "c803 61"},
		{"4242:7", "0x0102", "1a0a 00001092 0704 0102"},
		{"4242:7:byte", "255", "1a09 00001092 0703 ff"},
		{"4242:7:short", "65535", "1a0a 00001092 0704 ffff"},
		{"4242:7:integer64", "18446744073709551615", "1a10 00001092 070a ffffffffffffffff"},
		{"4846:258:string", "a", "1a0a 000012ee 010204 61"},
		{"8164:258:string", "a", "1a0b 00001fe4 01020005 61"},
		{"24757:2:string", "a", "1a0a 000060b5 020400 61"},
		{"429:36864:string", "a", "1a0b 000001ad 00009000 61"},
	} {
		a := mustFind(t, test.name)
		avp, err := a.Encode(test.value, testReply())
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		got, want := hex.EncodeToString([]byte(wire(t, avp))), strings.ReplaceAll(test.want, " ", "")
		if got != want {
			t.Errorf("%s = %s: got %s, want %s", test.name, test.value, got, want)
		}
		if size, err := a.Check(test.value); err != nil || size != len(want)/2 {
			t.Errorf("%s = %s: size %d (%v), want %d", test.name, test.value, size, err, len(want)/2)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	const noNumber = "is no number from 0 to "
	for _, test := range []struct {
		name, value string
		want        string // part of the error
	}{
		{"Filter-Id", "", "the value is empty"},
		{"Class", "", "the value is empty"},
		{"Filter-Id", "a\x00b", "control character U+0000"},
		{"Filter-Id", "a\x7f", "control character U+007F"},
		{"Filter-Id", "\xff", "is not UTF-8"},
		{"Tunnel-Private-Group-Id", "\t1", "control character U+0009"},
		{"Tunnel-Private-Group-Id:1", "1\n", "control character U+000A"},
		{"Class", "0x", "hexadecimal"},
		{"Class", "0x123", "hexadecimal"},
		{"Class", "0xgg", "hexadecimal"},
		{"WLAN-Venue-Language", "en", "the value has 2 octets, it must have 3"},
		{"Session-Timeout", "4294967296", noNumber + "4294967295"},
		{"Session-Timeout", "-1", noNumber},
		{"Session-Timeout", "+1", noNumber},
		{"Session-Timeout", " 1", noNumber},
		{"Session-Timeout", "1_000", noNumber},
		{"Session-Timeout", "8h", `"8h" ` + noNumber},
		{"Session-Timeout", "0x", noNumber},
		{"Service-Type", "Framed", "nor a name such as Login-User, Framed-User, "},
		{"Tunnel-Type", "16777216", noNumber + "16777215"},
		{"4242:7:byte", "256", noNumber + "255"},
		{"4242:7:short", "65536", noNumber + "65535"},
		{"4242:7:integer64", "18446744073709551616", noNumber + "18446744073709551615"},
		{"Framed-IP-Address", "192.0.2", "is no IPv4 address"},
		{"Framed-IP-Address", "192.0.2.1/24", "is no IPv4 address"},
		{"Framed-IP-Address", "2001:db8::1", "is no IPv4 address"},
		{"Framed-IPv6-Address", "192.0.2.1", "is no IPv6 address"},
		{"Framed-IPv6-Address", "fe80::1%eth0", "is no IPv6 address"},
		{"Framed-IPv6-Prefix", "2001:db8::", "is no IPv6 prefix"},
		{"Framed-IPv6-Prefix", "192.0.2.0/24", "is no IPv6 prefix"},
		{"Framed-IPv6-Prefix", "2001:db8::/129", "is no IPv6 prefix"},
		{"Framed-IPv6-Prefix", "2001:db8::1/64", "write 2001:db8::/64"},
		{"Framed-Interface-Id", "1:2:3", "is no interface identifier"},
		{"Framed-Interface-Id", "1:2:3:4:5", "is no interface identifier"},
		{"Framed-Interface-Id", "1::2:3", "is no interface identifier"},
		{"Framed-Interface-Id", ":1:2:3", "is no interface identifier"},
		{"Framed-Interface-Id", "1:2:3:", "is no interface identifier"},
		{"Framed-Interface-Id", "1:2:3:1.2.3.4", "is no interface identifier"},
		{"Framed-Interface-Id", "1:2:3:4%a", "is no interface identifier"},
		{"Fortinet-WirelessController-Device-MAC", "02:00", "is no hardware address"},
		{"Fortinet-WirelessController-Device-MAC", "02:00:00:00:00:00:00:01", "is no hardware address"},
		{"Fortinet-WirelessController-Assoc-Time", "yesterday", "is no time"},
		{"Fortinet-WirelessController-Assoc-Time", "1969-12-31T23:59:59Z", "is no time"},
		{"Fortinet-WirelessController-Assoc-Time", "2106-02-07T06:28:16Z", "is no time"},
		{"Session-Timeout", strings.Repeat("9", 1000), `9"… ` + noNumber},
	} {
		a := mustFind(t, test.name)
		_, err := a.Encode(test.value, testReply())
		if err == nil {
			t.Errorf("%s = %q was encoded", test.name, test.value)
			continue
		}
		if got := err.Error(); !strings.Contains(got, test.want) || !strings.HasPrefix(got, "attribute "+a.String()+": ") {
			t.Errorf("%s = %q: got %q, want %q in it", test.name, test.value, got, test.want)
		}
		if _, check := a.Check(test.value); check == nil || check.Error() != err.Error() {
			t.Errorf("%s = %q: Check says %v, Encode %v", test.name, test.value, check, err)
		}
	}
}

// The longest value that is possible fills the attribute as far as its form allows; one more is an error.
func TestLongestValues(t *testing.T) {
	for _, test := range []struct {
		name string
		most int // octets of a value
		size int // of the attribute with it
	}{
		{"Filter-Id", 253, 255},
		{"Class", 253, 255},
		{"Tunnel-Private-Group-Id", 253, 255},
		{"Tunnel-Private-Group-Id:1", 252, 255},
		{"Tunnel-Password", 239, 2 + 1 + 2 + 240},
		{"Tunnel-Password:1", 239, 2 + 1 + 2 + 240},
		{"Cisco-AVPair", 247, 255},
		{"MS-MPPE-Send-Key", 239, 2 + 6 + 2 + 240},
		{"Aruba-MPSK-Passphrase", 239, 2 + 6 + 2 + 240},
		{"4846:1", 246, 255},
		{"8164:1", 245, 255},
		{"24757:1", 246, 255},
		{"429:1", 245, 255},
	} {
		a := mustFind(t, test.name)
		longest := strings.Repeat("x", test.most)
		avp, err := a.Encode(longest, testReply())
		if err != nil {
			t.Error(err)
			continue
		}
		if size := len(wire(t, avp)); size != test.size {
			t.Errorf("%s takes %d octets, want %d", test.name, size, test.size)
		}
		if size, err := a.Check(longest); size != test.size {
			t.Errorf("%s is said to take %d octets (%v), want %d", test.name, size, err, test.size)
		}
		if _, err := a.Encode(longest+"x", testReply()); err == nil || !strings.Contains(err.Error(), "octets, at most") {
			t.Errorf("%s with one octet too many: %v", test.name, err)
		}
		if _, err := a.Check(longest + "x"); err == nil {
			t.Errorf("%s with one octet too many passes the check", test.name)
		}
	}
}

// RFC 4849 §2: a NAS puts the NAS-Filter-Rules of a packet together before it looks for NULs between rules.
func TestFilterRulesAreSeparated(t *testing.T) {
	rule, other := mustFind(t, "NAS-Filter-Rule"), mustFind(t, "Filter-Id")
	for range 2 { // packets
		reply := testReply()
		for _, step := range []struct {
			attribute   Attribute
			value, want string
		}{
			{rule, "permit in ip from any to 192.0.2.1", "permit in ip from any to 192.0.2.1"},
			{other, "x", "x"},
			{rule, "permit in ip from any to 192.0.2.2", "\x00permit in ip from any to 192.0.2.2"},
			{rule, "deny in ip from any to any", "\x00deny in ip from any to any"},
		} {
			avp, err := step.attribute.Encode(step.value, reply)
			if err != nil || string(avp.Attribute) != step.want {
				t.Errorf("got %q (%v), want %q", avp.Attribute, err, step.want)
			}
		}
	}
	if size, err := rule.Check("deny"); err != nil || size != 7 {
		t.Errorf("size %d (%v), want 7: with the separator", size, err)
	}
	if _, err := rule.Check(strings.Repeat("x", 253)); err == nil {
		t.Error("there is no room left for the separator")
	}
}

// Strings and octets may be keys: no error may show them.
func TestRow50_ErrorsDoNotRepeatKeys(t *testing.T) {
	for _, name := range []string{"Tunnel-Password", "MS-MPPE-Send-Key", "Mikrotik-Wireless-PSK", "Aruba-MPSK-Passphrase", "4242:7", "4242:7:string"} {
		a := mustFind(t, name)
		for _, value := range []string{"hunter2\x00", "hunter2\xff", "0xhunter2", "0x68756e74657232h", strings.Repeat("hunter2", 50)} {
			for _, to := range []*Reply{testReply(), {}, {Secret: secret.New("hunter2"), Random: strings.NewReader("")}} {
				_, err := a.Encode(value, to)
				_, check := a.Check(value)
				for _, err := range []error{err, check} {
					if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "6875")) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
	}
}

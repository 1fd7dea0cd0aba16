package attribute

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name string
		want string // as the dictionary spells it
	}{
		{"Framed-IP-Address", "Framed-IP-Address"},
		{"framed-ip-ADDRESS", "Framed-IP-Address"},
		{"Class", "Class"},
		{"Reply-Message", "Reply-Message"},
		{"Tunnel-Private-Group-Id:1", "Tunnel-Private-Group-Id:1"},
		{"tunnel-type:31", "Tunnel-Type:31"},
		{"Tunnel-Type:0", "Tunnel-Type"},
		{"Tunnel-Type", "Tunnel-Type"},
		{"Cisco-AVPair", "Cisco-AVPair"},
		{"ASA-Group-Policy", "ASA-Group-Policy"},
		{"CVPN3000-IPSec-Group-Name", "CVPN3000-IPSec-Group-Name"},
		{"Altiga-Access-Hours-G/U", "Altiga-Access-Hours-G/U"},
		{"PaloAlto-User-Group", "PaloAlto-User-Group"},
		{"NS-User-Group", "NS-User-Group"},
		{"9:1", "Cisco-AVPair"},
		{"0:11", "Filter-Id"},
		{"0:200", "0:200"},
		{"0:240:integer64", "0:240:integer64"},
		{"9:1:octets", "9:1:octets"},
		{"4242:7", "4242:7"},
		{"16777215:255:short", "16777215:255:short"},
		{"429:4294967295", "429:4294967295"},
		{"8164:65535:ipaddr", "8164:65535:ipaddr"},
	} {
		a, err := Find(test.name)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if a.String() != test.want {
			t.Errorf("%s is called %s, want %s", test.name, a, test.want)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		want string // part of the error
	}{
		{"", `attribute "" is not known`},
		{"Framed-IP-Address-", "did you mean Framed-IP-Address?"},
		{"fortinet-groupname", "did you mean Fortinet-Group-Name?"},
		{"Cisco-AV-Pair", "did you mean Cisco-AVPair?"},
		{"Tunnel-Private-Group-ID-1:1", "did you mean Tunnel-Private-Group-Id?"},
		{"Vendor-9-Attr-1", "VENDOR:TYPE"},
		{strings.Repeat("x", 100), `"…`},
		{"User-Pasword", "did you mean User-Password?"},
		{"Filter-Id:1", "has no tags"},
		{"Tunnel-Type:32", `the tag "32"`},
		{"Tunnel-Type:", `the tag ""`},
		{"Tunnel-Type:+1", `the tag "+1"`},
		{"Tunnel-Type:1:2", `the tag "1:2"`},
		{":1", "is not known"},
		{"16777216:1", "the vendor must be a number up to 16777215"},
		{"99999999999999999999:1", "the vendor must be"},
		{"9:0", "the type must be a number from 1 to 255"},
		{"9:256", "the type must be a number from 1 to 255"},
		{"9:", "the type must be"},
		{"9:0x01", "the type must be"},
		{"0:241", "from 1 to 240"},
		{"4846:65536", "from 1 to 65535"},
		{"429:4294967296", "from 1 to 4294967295"},
		{"4242:7:text", `"text" is no type of values: choose one of string, octets,`},
		{"4242:7:", `"" is no type`},
		{"4242:7:string:1", `"string:1" is no type`},
		{"0:69:string", "call it Tunnel-Password"},
		{"0:81:string", "call it Tunnel-Private-Group-Id"},
		{"311:16:octets", "call it MS-MPPE-Send-Key"},
		{"0:26", "Vendor-Specific is not for policies: name the vendor's attribute"},
		{"0:2:octets", "User-Password is not for policies"},
		{"311:25", "MS-CHAP2-Response is not for policies"},
	} {
		if a, err := Find(test.name); err == nil {
			t.Errorf("%s was found: %s", test.name, a)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %q, want %q in it", test.name, err, test.want)
		}
	}
}

func wantRefused(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := Find(name); err == nil || !strings.Contains(err.Error(), "is not for policies: Tandem ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRow01_NoPolicySetsMessageAuthenticator(t *testing.T) {
	wantRefused(t, "Message-Authenticator", "message-authenticator", "0:80", "0:80:octets", "00:080")
}

func TestRow08_NoPolicySetsState(t *testing.T) {
	wantRefused(t, "State", "0:24", "0:24:string")
}

func TestRow11_NoPolicySetsProxyState(t *testing.T) {
	wantRefused(t, "Proxy-State", "0:33", "0:33:octets")
}

// A refusal must hold for all names and for the number of an attribute.
func TestRefusalsAreInTheTable(t *testing.T) {
	for _, r := range refusals {
		for _, name := range r.names {
			d := named(name)
			if d == nil || d.name != name {
				t.Errorf("%s is refused, but the table has no such name", name)
				continue
			}
			for i := range table {
				if other := &table[i]; other.vendor == d.vendor && other.number == d.number && refusal(other) == "" {
					t.Errorf("%s is refused, but %s, which is the same, is not", name, other.name)
				}
			}
		}
	}
}

// What the table has only in order to refuse it must be refused.
func TestUnsupportedAttributesAreRefused(t *testing.T) {
	for i := range table {
		if d := &table[i]; d.kind == kindUnsupported && refusal(d) == "" {
			t.Errorf("%s cannot be encoded, but is not refused", d.name)
		}
	}
}

package attribute

import (
	"encoding/hex"
	"strings"
	"testing"

	"layeh.com/radius"

	"tandem/internal/secret"
)

// What is encrypted can be read again with the secret and the request's authenticator.
func TestSealed(t *testing.T) {
	for _, test := range []struct {
		name, value string
		header      string // hexadecimal: what precedes the salt
	}{
		{"Tunnel-Password", "pw", "00"},
		{"Tunnel-Password:3", "sixteen octets..", "03"},
		{"MS-MPPE-Send-Key", "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "0000013710" + "34"},
		{"Aruba-MPSK-Passphrase", strings.Repeat("k", 239), "000039e72c" + "f4"},
	} {
		reply := testReply()
		avp, err := mustFind(t, test.name).Encode(test.value, reply)
		if err != nil {
			t.Error(err)
			continue
		}
		got := string(avp.Attribute)
		header, err := hex.DecodeString(test.header)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got, string(header)) {
			t.Errorf("%s: % x does not begin with % x", test.name, got, header)
			continue
		}
		plain, salt, err := radius.TunnelPassword(radius.Attribute(got[len(header):]), []byte(testSecret), reply.RequestAuthenticator[:])
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		want := test.value
		if digits, isHex := strings.CutPrefix(want, "0x"); isHex {
			b, _ := hex.DecodeString(digits)
			want = string(b)
		}
		if string(plain) != want {
			t.Errorf("%s: %q came out as %q", test.name, test.value, plain)
		}
		if hex.EncodeToString(salt) != "8001" {
			t.Errorf("%s: the salt is % x", test.name, salt)
		}
	}
}

// RFC 2868 §3.5: the first bit of a salt is set, and no two attributes of a packet have the same.
func TestSalts(t *testing.T) {
	for _, first := range []string{"\x00\x00", "\x7f\xff", "\x80\x00", "\xff\xff", "\x12\x34"} {
		reply := &Reply{Random: strings.NewReader(first)}
		seen := map[string]bool{}
		for range 1 << 15 {
			salt, err := reply.nextSalt()
			if err != nil {
				t.Fatal(err)
			}
			if salt[0]&0x80 == 0 || seen[string(salt)] {
				t.Fatalf("drawn % x: the salt % x comes after %d others", first, salt, len(seen))
			}
			seen[string(salt)] = true
		}
	}
}

func TestSaltsAreRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 64 {
		salt, err := new(Reply).nextSalt()
		if err != nil {
			t.Fatal(err)
		}
		seen[string(salt)] = true
	}
	if len(seen) < 32 {
		t.Errorf("64 packets begin with %d different salts", len(seen))
	}
}

func TestSealRefuses(t *testing.T) {
	a := mustFind(t, "Tunnel-Password")
	if _, err := a.Encode("pw", &Reply{}); err == nil || !strings.Contains(err.Error(), "empty secret") {
		t.Errorf("without a shared secret: %v", err)
	}
	if _, err := a.Encode("pw", &Reply{Secret: secret.New("s"), Random: strings.NewReader("")}); err == nil || !strings.Contains(err.Error(), "draw a salt") {
		t.Errorf("without randomness: %v", err)
	}
}

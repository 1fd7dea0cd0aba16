package radiusd

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"layeh.com/radius"

	"tandem/verify"
)

// lemonldapPacket is an Access-Request of LemonLDAP::NG 2.16.1's Radius second factor, as recorded,
// with the password in clear.
type lemonldapPacket struct {
	ID             byte   `json:"id"`
	Length         int    `json:"length"`
	Authenticator  string `json:"authenticator"`
	User           string `json:"user"`
	PaddedPassword string `json:"padded_password"`
	NASIPAddress   string `json:"nas_ip_address"`
}

// lemonldapPackets reads the recorded packets.
func lemonldapPackets(t testing.TB) []lemonldapPacket {
	t.Helper()
	b, err := os.ReadFile("testdata/lemonldap-radius.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Packets []lemonldapPacket `json:"packets"`
	}
	if err := json.Unmarshal(b, &recorded); err != nil {
		t.Fatal(err)
	}
	return recorded.Packets
}

// bytes makes the packet as it was on the wire.
func (l lemonldapPacket) bytes(t testing.TB) []byte {
	t.Helper()
	p := &radius.Packet{Code: radius.CodeAccessRequest, Identifier: l.ID, Secret: []byte(testSecret)}
	if n, err := hex.Decode(p.Authenticator[:], []byte(l.Authenticator)); n != 16 || err != nil {
		t.Fatalf("authenticator %q: %v", l.Authenticator, err)
	}
	p.Add(1, radius.Attribute(l.User))
	if l.PaddedPassword == "" {
		p.Add(2, nil)
	} else {
		p.Add(2, hide(t, l.PaddedPassword, p.Authenticator))
	}
	p.Add(4, netip.MustParseAddr(l.NASIPAddress).AsSlice())
	raw, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != l.Length {
		t.Fatalf("the packet has %d octets, the recorded one %d", len(raw), l.Length)
	}
	return raw
}

// LemonLDAP::NG sends no Message-Authenticator, no NAS-Identifier, and an empty attribute for an
// empty password.
func TestLemonldapIsServed(t *testing.T) {
	packets := lemonldapPackets(t)
	if len(packets) == 0 {
		t.Fatal("no packets")
	}
	for _, recorded := range packets {
		t.Run(fmt.Sprint(recorded.ID), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, nil)
				raw := recorded.bytes(t)
				b.put(raw, fromLenient)
				wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
				got := b.core.calls()[0].attempt
				password := got.Secret.Reveal()
				got.Secret = verify.Attempt{}.Secret
				want := verify.Attempt{Door: "radius", Client: "lenient", NAS: "127.0.0.1", User: recorded.User, Policy: "old"}
				if got.User != want.User || got.NAS != want.NAS || got.Client != want.Client || got.Policy != want.Policy || got.Door != want.Door {
					t.Errorf("the core was given %+v, want %+v", got, want)
				}
				if want := strings.TrimRight(recorded.PaddedPassword, "\x00"); password != want {
					t.Errorf("the password is %q, want %q", password, want)
				}
			})
		})
	}
}

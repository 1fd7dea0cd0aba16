package msgauth

import (
	"encoding/hex"
	"errors"
	"testing"

	"layeh.com/radius"
)

// The Status-Server of RFC 5997 §6.1, secret "xyzzy5461".
func TestRFC5997Example(t *testing.T) {
	raw, err := hex.DecodeString("0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3")
	if err != nil {
		t.Fatal(err)
	}
	if !Valid(raw, 22, [16]byte(raw[4:20]), []byte("xyzzy5461")) {
		t.Error("the RFC's Message-Authenticator is called wrong")
	}
	for i := range raw {
		forged := append([]byte(nil), raw...)
		forged[i] ^= 1
		if Valid(forged, 22, [16]byte(forged[4:20]), []byte("xyzzy5461")) && i != 20 && i != 21 {
			t.Errorf("a change of octet %d goes unnoticed", i)
		}
	}
	if Valid(raw, 22, [16]byte(raw[4:20]), []byte("xyzzy5462")) {
		t.Error("another secret is as good")
	}

	p := &radius.Packet{Code: radius.CodeStatusServer, Identifier: raw[1], Authenticator: [16]byte(raw[4:20]), Secret: []byte("xyzzy5461")}
	if got, err := Encode(p); err != nil || hex.EncodeToString(got) != hex.EncodeToString(raw) {
		t.Errorf("encoded %x (%v), want the RFC's %x", got, err, raw)
	}
	if len(p.Attributes) != 0 {
		t.Error("Encode changed the packet it was given")
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	p := &radius.Packet{Code: radius.CodeAccessAccept, Secret: []byte("s")}
	for range 15 {
		p.Add(33, make([]byte, 253))
	}
	p.Add(33, make([]byte, 231)) // with header and Message-Authenticator 4096 octets
	if b, err := Encode(p); err != nil || len(b) != radius.MaxPacketLength {
		t.Errorf("%d octets, %v", len(b), err)
	}
	p.Add(33, nil)
	if _, err := Encode(p); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := Encode(&radius.Packet{Code: 99, Secret: []byte("s")}); err == nil {
		t.Error("an unknown code was encoded")
	}
}

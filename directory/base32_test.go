package directory

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"testing"
)

func TestDecodeBase32JudgesAsLemonLDAP(t *testing.T) {
	judged := 0
	for _, v := range loadVectors(t).VerifyEdge {
		if v.StoredSecret == nil {
			continue // about codes, not secrets
		}
		judged++
		_, err := DecodeBase32(*v.StoredSecret)
		if usable := *v.Result != -1; usable != (err == nil) {
			t.Errorf("%q: LemonLDAP::NG says usable=%v, we say %v", *v.StoredSecret, usable, err)
		}
	}
	if judged < 14 {
		t.Errorf("only %d vectors were judged", judged)
	}
	for _, s := range loadVectors(t).NewSecretSamples {
		if key, err := DecodeBase32(s); err != nil || len(key) != 20 {
			t.Errorf("%q: %x, %v", s, key, err)
		}
	}
}

func TestDecodeBase32(t *testing.T) {
	for _, c := range []struct{ in, hex, err string }{
		{in: "me", hex: "61"},
		{in: "MFRGG", hex: "616263"},
		{in: "mFrGgZdF", hex: "6162636465"},
		{in: "a", err: "some of it is missing"},
		{in: "aaa", err: "some of it is missing"},
		{in: "aaaaaa", err: "some of it is missing"},
		{in: "mf", err: "bits that are not zero"},
		{in: "", err: "empty"},
		{in: "ME======", err: "remove the = signs"},
		{in: "M E", err: "white space"},
		{in: "M1", err: "only the letters"},
		{in: "meſs", err: "only the letters"}, // upper-cases to S
		{in: "meıa", err: "only the letters"}, // upper-cases to I
		{in: "me\x00", err: "only the letters"},
	} {
		got, err := DecodeBase32(c.in)
		switch {
		case c.err == "" && (err != nil || hex.EncodeToString(got) != c.hex):
			t.Errorf("%q: %x, %v; want %s", c.in, got, err, c.hex)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %x, %v; want an error with %q", c.in, got, err, c.err)
		}
	}
}

// FuzzDecodeBase32 holds the decoder against the standard library's: what it accepts has one
// spelling but for case, and that spelling is the standard library's.
func FuzzDecodeBase32(f *testing.F) {
	for _, v := range loadVectors(f).VerifyEdge {
		if v.StoredSecret != nil {
			f.Add(*v.StoredSecret)
		}
	}
	f.Add("meſs")
	f.Add("aaaaaaaaaaaaaaaab")
	std := base32.StdEncoding.WithPadding(base32.NoPadding)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := DecodeBase32(s)
		if err != nil {
			if got != nil {
				t.Fatalf("%q: an error and %x", s, got)
			}
			// What the standard library encodes must be accepted.
			if raw := []byte(s); len(raw) > 0 {
				if back, err := DecodeBase32(std.EncodeToString(raw)); err != nil || !bytes.Equal(back, raw) {
					t.Fatalf("%x does not survive: %x, %v", raw, back, err)
				}
			}
			return
		}
		if again := std.EncodeToString(got); !strings.EqualFold(again, s) {
			t.Fatalf("%q decodes to %x, which is spelt %q", s, got, again)
		}
	})
}

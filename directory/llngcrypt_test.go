package directory

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"tandem/internal/secret"
)

func TestDecryptLLNGVectors(t *testing.T) {
	vectors := loadVectors(t)
	if len(vectors.Encrypted) != 5 || len(vectors.DecryptEdge) != 3 {
		t.Fatalf("%d and %d vectors were read", len(vectors.Encrypted), len(vectors.DecryptEdge))
	}
	for _, v := range vectors.Encrypted {
		want := v.Cleartext
		if want == "" {
			raw, err := hex.DecodeString(v.CleartextHex)
			if err != nil {
				t.Fatal(err)
			}
			want = string(raw)
		}
		got, err := DecryptLLNG(v.Stored, secret.New(v.Key))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", v.Kind, got, err, want)
		}
		escaped := strings.NewReplacer("+", "%2B", "/", "%2f", "=", "%3D%0A").Replace(v.Stored)
		if got, err := DecryptLLNG(escaped, secret.New(v.Key)); err != nil || string(got) != want {
			t.Errorf("%s, escaped: %q, %v; want %q", v.Kind, got, err, want)
		}
		if v.IVHex == "" {
			continue
		}
		iv, err := hex.DecodeString(v.IVHex)
		if err != nil {
			t.Fatal(err)
		}
		if sealed, err := EncryptLLNG([]byte(want), secret.New(v.Key), bytes.NewReader(iv)); err != nil || sealed != v.Stored {
			t.Errorf("%s: sealed to %s, %v; LemonLDAP::NG has %s", v.Kind, sealed, err, v.Stored)
		}
	}
	for _, v := range vectors.DecryptEdge {
		if got, err := DecryptLLNG(v.Stored, secret.New(v.Key)); err == nil {
			t.Errorf("%s: decrypted to %q", v.Case, got)
		}
	}
}

func TestLLNGErrorsAndRoundTrips(t *testing.T) {
	key := secret.New("changeme")
	for n := range 50 {
		plain := bytes.Repeat([]byte("x"), n)
		sealed, err := EncryptLLNG(plain, key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecryptLLNG(sealed, key); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d octets: %q, %v", n, got, err)
		}
	}
	for name, c := range map[string]struct {
		stored, key, err string
	}{
		"no key":         {"{llngcrypt}AAAA", "", "no devices.llngcrypt_key is configured"},
		"not base64":     {"{llngcrypt}****", "k", "not base64"},
		"no content":     {"{llngcrypt}", "k", "0 octets"},
		"no whole block": {"{llngcrypt}" + strings.Repeat("A", 67), "k", "50 octets"},
		"wrong key":      {"{llngcrypt}" + strings.Repeat("A", 64), "k", "not the key"},
	} {
		if _, err := DecryptLLNG(c.stored, secret.New(c.key)); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := EncryptLLNG([]byte("x"), secret.String{}, rand.Reader); err == nil {
		t.Error("encrypted without a key")
	}
	if _, err := EncryptLLNG([]byte("x"), key, strings.NewReader("short")); err == nil {
		t.Error("encrypted without a whole IV")
	}
}

func FuzzDecryptLLNG(f *testing.F) {
	vectors := loadVectors(f)
	for _, v := range vectors.Encrypted {
		f.Add(v.Stored, v.Key)
	}
	for _, v := range vectors.DecryptEdge {
		f.Add(v.Stored, v.Key)
	}
	f.Fuzz(func(t *testing.T, stored, key string) {
		plain, err := DecryptLLNG(stored, secret.New(key))
		if err != nil {
			return
		}
		sealed, err := EncryptLLNG(plain, secret.New(key), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := DecryptLLNG(sealed, secret.New(key)); err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("%q came back as %q, %v", plain, again, err)
		}
	})
}

package xmlenc_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"

	"tandem/directory/tokens/xmlenc"
)

const xmlencSpace = "http://www.w3.org/2001/04/xmlenc#"

func octets(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyWrap: the vectors of RFC 3394 §4.
func TestKeyWrap(t *testing.T) {
	for name, v := range map[string]struct{ algorithm, key, wrapped, plain string }{
		"4.1": {"kw-aes128", "000102030405060708090A0B0C0D0E0F", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5", "00112233445566778899AABBCCDDEEFF"},
		"4.2": {"kw-aes192", "000102030405060708090A0B0C0D0E0F1011121314151617", "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D", "00112233445566778899AABBCCDDEEFF"},
		"4.3": {"kw-aes256", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7", "00112233445566778899AABBCCDDEEFF"},
		"4.6": {"kw-aes256", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"},
	} {
		wrapped := octets(t, v.wrapped)
		plain, err := xmlenc.Decrypt(xmlencSpace+v.algorithm, octets(t, v.key), wrapped)
		if err != nil || !bytes.Equal(plain, octets(t, v.plain)) {
			t.Errorf("§%s: %x, %v", name, plain, err)
		}
		wrapped[len(wrapped)-1] ^= 1
		if _, err := xmlenc.Decrypt(xmlencSpace+v.algorithm, octets(t, v.key), wrapped); !errors.Is(err, xmlenc.ErrCorrupt) {
			t.Errorf("§%s, changed: %v", name, err)
		}
	}
}

func TestCBC(t *testing.T) {
	for _, length := range []int{16, 24, 32} {
		for size := range 40 {
			key, plain := make([]byte, length), bytes.Repeat([]byte{7}, size)
			algorithm, data, err := xmlenc.Encrypt(rand.Reader, key, plain)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := xmlenc.Decrypt(algorithm, key, data); err != nil || !bytes.Equal(back, plain) {
				t.Errorf("%d octets with %s: %x, %v", size, algorithm, back, err)
			}
			if _, err := xmlenc.Decrypt(algorithm, key, data[:len(data)-1]); !errors.Is(err, xmlenc.ErrCorrupt) {
				t.Errorf("cut off: %v", err)
			}
			if _, err := xmlenc.Decrypt(algorithm, key[1:], data); err == nil {
				t.Error("a key of another length")
			}
		}
	}
	if _, err := xmlenc.Decrypt("tripledes-cbc", nil, nil); !errors.Is(err, xmlenc.ErrUnknown) {
		t.Errorf("%v", err)
	}
	if xmlenc.ChecksItself(xmlencSpace+"aes128-cbc") || !xmlenc.ChecksItself(xmlencSpace+"kw-aes128") {
		t.Error("CBC notices nothing by itself, key wrap does")
	}
}

// TestMAC: the second test case of RFC 2202 §3 and of RFC 4231 §4.3.
func TestMAC(t *testing.T) {
	key, data := []byte("Jefe"), []byte("what do ya want for nothing?")
	for algorithm, want := range map[string]string{
		"http://www.w3.org/2000/09/xmldsig#hmac-sha1": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		xmlenc.HMACSHA256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"http://www.w3.org/2001/04/xmldsig-more#hmac-sha512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
	} {
		mac, err := xmlenc.MAC(algorithm, key, data)
		if err != nil || hex.EncodeToString(mac) != want {
			t.Errorf("%s: %x, %v", algorithm, mac, err)
		}
		if err := xmlenc.CheckMAC(algorithm, key, data, mac); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		for _, wrong := range [][]byte{nil, mac[:len(mac)-1], append([]byte{mac[0] ^ 1}, mac[1:]...)} {
			if err := xmlenc.CheckMAC(algorithm, key, data, wrong); !errors.Is(err, xmlenc.ErrCorrupt) {
				t.Errorf("%s: %v", algorithm, err)
			}
		}
	}
	if _, err := xmlenc.MAC("hmac-md5", key, data); !errors.Is(err, xmlenc.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// TestDerivation: RFC 6070, test case 5, and the bounds.
func TestDerivation(t *testing.T) {
	d := xmlenc.Derivation{Salt: []byte("saltSALTsaltSALTsaltSALTsaltSALTsalt"), Iterations: 4096, Length: 25}
	key, err := d.Key("passwordPASSWORDpassword")
	if err != nil || hex.EncodeToString(key) != "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038" {
		t.Errorf("%x, %v", key, err)
	}
	for name, change := range map[string]func(*xmlenc.Derivation){
		"no rounds":       func(d *xmlenc.Derivation) { d.Iterations = 0 },
		"too many rounds": func(d *xmlenc.Derivation) { d.Iterations = xmlenc.MaxIterations + 1 },
		"too short a key": func(d *xmlenc.Derivation) { d.Length = 8 },
		"too long a key":  func(d *xmlenc.Derivation) { d.Length = 65 },
		"no salt":         func(d *xmlenc.Derivation) { d.Salt = nil },
		"too long a salt": func(d *xmlenc.Derivation) { d.Salt = make([]byte, 1025) },
		"another PRF":     func(d *xmlenc.Derivation) { d.PRF = "hmac-md5" },
	} {
		wrong := d
		change(&wrong)
		if key, err := wrong.Key("x"); err == nil {
			t.Errorf("%s: %x", name, key)
		}
	}
	if !xmlenc.Derives(xmlenc.PBKDF2) || xmlenc.Derives("http://www.w3.org/2009/xmlenc11#ConcatKDF") {
		t.Error("PBKDF2 is the only one")
	}
}

// TestRow22_RoundsAreBounded: a file cannot keep Tandem busy for hours.
func TestRow22_RoundsAreBounded(t *testing.T) {
	d := xmlenc.Derivation{Salt: []byte("salt"), Iterations: xmlenc.MaxIterations + 1, Length: 16}
	if key, err := d.Key("x"); err == nil {
		t.Errorf("%x", key)
	}
}

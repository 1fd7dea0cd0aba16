package radiusd

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"layeh.com/radius"
)

// hide hides plain, which is padded with NULs to blocks of 16, without any of layeh's limits.
func hide(t testing.TB, plain string, authenticator [16]byte) []byte {
	t.Helper()
	plain += strings.Repeat("\x00", -len(plain)&15)
	hidden, err := radius.NewUserPassword([]byte(plain), []byte(testSecret), authenticator[:])
	if err != nil {
		t.Fatal(err)
	}
	return hidden
}

// What reaches the core is what was typed, or something that it rejects: never what stands before a NUL.
func TestRow10_NULsAndBadLengthsAreNotCutToAPassword(t *testing.T) {
	var authenticator [16]byte
	long := strings.Repeat("0123456789abcdef", 8)
	for _, test := range []struct {
		name   string
		hidden []byte
		want   string
	}{
		{"padded", hide(t, "right", authenticator), "right"},
		{"no padding needed", hide(t, "exactly 16 bytes", authenticator), "exactly 16 bytes"},
		{"a block of padding too many", hide(t, "right"+strings.Repeat("\x00", 20), authenticator), "right"},
		{"128 octets", hide(t, long, authenticator), long},
		{"only padding", hide(t, strings.Repeat("\x00", 16), authenticator), ""},
		{"no octets", []byte{}, ""},
		{"NUL inside", hide(t, "right\x00wrong", authenticator), "right\x00wrong"},
		{"NUL first", hide(t, "\x00right", authenticator), "\x00right"},
		{"NUL inside, next block", hide(t, "exactly 16 bytes\x00x", authenticator), "exactly 16 bytes\x00x"},
		{"15 octets", hide(t, "right", authenticator)[:15], undecipherable},
		{"17 octets", append(hide(t, "right", authenticator), 0), undecipherable},
		{"144 octets", append(hide(t, long, authenticator), make([]byte, 16)...), undecipherable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, nil)
				b.put(ask{hidden: test.hidden}.bytes(t), fromStrict)
				b.wantCalls(1)
				if got := b.core.calls()[0].attempt.Secret.Reveal(); got != test.want {
					t.Errorf("the core was given %q, want %q", got, test.want)
				}
			})
		})
	}
}

func FuzzUserPassword(f *testing.F) {
	f.Add([]byte("password123456"), []byte(testSecret), []byte("0123456789abcdef"))
	f.Add([]byte(""), []byte("s"), []byte("0123456789abcdef"))
	f.Add([]byte("a\x00b"), []byte("s"), []byte("0123456789abcdef"))
	f.Add(bytes.Repeat([]byte{0xff}, 128), []byte("s"), make([]byte, 16))
	f.Add(bytes.Repeat([]byte{'x'}, 129), []byte("s"), make([]byte, 16))
	f.Fuzz(func(t *testing.T, text, key, auth []byte) {
		if len(key) == 0 || len(auth) < 16 {
			return
		}
		authenticator := [16]byte(auth[:16])

		// As an attribute: whatever the text is, the answer is a password or an error.
		plain, err := revealPassword(text, key, authenticator)
		if possible := len(text)%16 == 0 && len(text) <= maxPassword; possible != (err == nil) {
			t.Fatalf("%d octets: %v", len(text), err)
		}
		if oracle, oracleErr := radius.UserPassword(text, key, authenticator[:]); oracleErr == nil {
			if before, _, _ := strings.Cut(plain, "\x00"); before != string(oracle) {
				t.Fatalf("revealed %q, layeh %q", plain, oracle)
			}
		}

		// As a password: hidden and revealed it is itself, but for trailing NULs.
		hidden, err := radius.NewUserPassword(text, key, authenticator[:])
		if err != nil {
			return
		}
		plain, err = revealPassword(hidden, key, authenticator)
		if want := strings.TrimRight(string(text), "\x00"); err != nil || plain != want {
			t.Fatalf("revealed %q (%v), want %q", plain, err, want)
		}
	})
}

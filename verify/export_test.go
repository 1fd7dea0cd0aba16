package verify

import (
	"testing"

	"tandem/verify/policy"
)

// CheckSplit checks, for any input, what split promises.
func CheckSplit(t *testing.T, typed string, first bool, delimiter string) {
	t.Helper()
	p := &policy.Policy{CodeFirst: first, Delimiter: delimiter}
	for length := 6; length <= 8; length++ {
		password, code, ok := split(typed, Shape{Length: length, Alphabet: Digits}, p)
		if !ok {
			continue
		}
		joined := password + delimiter + code
		if first {
			joined = code + delimiter + password
		}
		if joined != typed {
			t.Fatalf("split(%q) = %q, %q: something was lost", typed, password, code)
		}
		if len(code) != length {
			t.Fatalf("split(%q): code %q of %d octets", typed, code, length)
		}
		for _, c := range []byte(code) {
			if c < '0' || c > '9' {
				t.Fatalf("split(%q): code %q", typed, code)
			}
		}
	}
}

// UserKey is userKey.
func UserKey(id string) string { return userKey(id) }

package file

import (
	"strings"
	"testing"
	"unicode"
)

// FuzzFold wants a folded name to be its own folded form: only then is it the one key of its user.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Alice", "ａｌｉｃｅ", "ΟΔΟΣ", "İ", "zoe\u0308", "bob@Example.org", "al ice", "א1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		once, err := fold(name)
		if err != nil {
			return
		}
		if twice, err := fold(once); err != nil || twice != once {
			t.Fatalf("%q folds to %q, and that to %q, %v", name, once, twice, err)
		}
		if strings.ContainsFunc(once, unicode.IsSpace) || strings.ContainsFunc(once, unicode.IsControl) {
			t.Fatalf("%q folds to %q", name, once)
		}
	})
}

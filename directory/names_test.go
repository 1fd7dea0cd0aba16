package directory_test

import (
	"strings"
	"testing"

	"tandem/directory"
)

func TestRow16_OnlyWhatIsListedIsTakenOff(t *testing.T) {
	n := directory.Names{Domains: []string{"CORP", "LAB"}, Realms: []string{"corp.example.com"}}
	for typed, want := range map[string]string{
		"alice":                          "alice",
		`CORP\alice`:                     "alice",
		`corp\Alice`:                     "Alice",
		`lab\alice`:                      "alice",
		"alice@corp.example.com":         "alice",
		"ALICE@Corp.Example.COM":         "ALICE",
		"a@b@corp.example.com":           "a@b",
		`CORP\`:                          "",
		"@corp.example.com":              "",
		`OTHER\alice`:                    `OTHER\alice`,
		"alice@example.com":              "alice@example.com",
		"alice@xcorp.example.com":        "alice@xcorp.example.com",
		"alice@corp.example.com.":        "alice@corp.example.com.",
		`\alice`:                         `\alice`,
		"alice@":                         "alice@",
		`OTHER\alice@corp.example.com`:   `OTHER\alice@corp.example.com`,
		`CORP\alice@corp.example.com`:    "alice@corp.example.com",
		`CORP\CORP\alice`:                `CORP\alice`,
		`CORP \alice`:                    `CORP \alice`,
		"CORP/alice":                     "CORP/alice",
		"":                               "",
		"corp.example.com":               "corp.example.com",
		`alice@corp.example.com\mallory`: `alice@corp.example.com\mallory`,
	} {
		if got := n.Plain(typed); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
		if got := (directory.Names{}).Plain(typed); got != typed {
			t.Errorf("without a list, %q is %q", typed, got)
		}
	}
}

// FuzzPlainNames: whatever is typed, what is left is a part of it, and only something listed has gone.
func FuzzPlainNames(f *testing.F) {
	for _, seed := range []string{"alice", `CORP\alice`, "alice@corp.example.com", `\`, "@", `CORP\@corp.example.com`, "\xff@\\"} {
		f.Add(seed)
	}
	n := directory.Names{Domains: []string{"CORP"}, Realms: []string{"corp.example.com"}}
	f.Fuzz(func(t *testing.T, typed string) {
		plain := n.Plain(typed)
		before, isAfter := strings.CutSuffix(typed, plain)
		after, isBefore := strings.CutPrefix(typed, plain)
		switch {
		case plain == typed:
		case isAfter && strings.EqualFold(before, `CORP\`):
		case isBefore && strings.EqualFold(after, "@corp.example.com"):
		default:
			t.Errorf("%q became %q", typed, plain)
		}
	})
}

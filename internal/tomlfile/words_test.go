package tomlfile_test

import (
	"slices"
	"testing"

	"tandem/internal/tomlfile"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		`"/bin/send --to $mobile"`:      {"/bin/send", "--to", "$mobile"},
		"\"  /bin/send\\t 'a  b' \\n\"": {"/bin/send", "'a", "b'"},
		`["/bin/send", "a  b", ""]`:     {"/bin/send", "a  b", ""},
		`""`:                            {},
		`[]`:                            {},
	} {
		var into struct {
			Run tomlfile.Words `toml:"run"`
		}
		f := read("run = " + text)
		if !f.Decode(&into) || f.Err() != nil || !slices.Equal(into.Run, want) {
			t.Errorf("%s: %q, %v", text, into.Run, f.Err())
		}
	}
	for text, want := range map[string]string{
		`3`:                `1: run: wants an array, not an integer: put it in brackets, […]`,
		`["/bin/send", 3]`: `1: run[1]: wants a text, not an integer: put it in quotes`,
	} {
		var into struct {
			Run tomlfile.Words `toml:"run"`
		}
		f := read("run = " + text)
		f.Decode(&into)
		if got := errorsOf(f); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

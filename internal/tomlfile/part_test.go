package tomlfile_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"tandem/internal/tomlfile"
)

func TestParts(t *testing.T) {
	text := "\xef\xbb\xbf# top\ntitle = 'x' # c\n[[users]] # first\n  \"name\" . a = 1  \nlist = [ # two\n  { type = \"A\", 'n' = 1 },\n  {},\n]\n[[users]]\n"
	f := tomlfile.FromText("file.toml", []byte(text))
	var got []string
	show := func(p tomlfile.Part) {
		got = append(got, fmt.Sprintf("%d %s %v %q %q", p.Line, p.Key, p.Header, text[p.Start:p.End], text[p.Value:p.End]))
	}
	f.Parts(func(p tomlfile.Part) {
		show(p)
		if !p.Header {
			f.Inside(p, show)
		}
	})
	want := []string{
		`2 title false "title = 'x'" "'x'"`,
		`3 users[0] true "[[users]]" ""`,
		`4 users[0].name.a false "\"name\" . a = 1" "1"`,
		`5 users[0].list false "list = [ # two\n  { type = \"A\", 'n' = 1 },\n  {},\n]" "[ # two\n  { type = \"A\", 'n' = 1 },\n  {},\n]"`,
		`6 users[0].list[0].type false "type = \"A\"" "\"A\""`,
		`6 users[0].list[0].n false "'n' = 1" "1"`,
		`6 users[0].list[0] false "{ type = \"A\", 'n' = 1 }" "{ type = \"A\", 'n' = 1 }"`,
		`7 users[0].list[1] false "{}" "{}"`,
		`9 users[1] true "[[users]]" ""`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzParts cuts TOML into parts. Each must be TOML by itself, and what is between them nothing but white space and
// comments.
func FuzzParts(f *testing.F) {
	for _, seed := range []string{
		"a = 1", "[a.b]\nc = 'd' # e\n", "[[a]]\n[[a.b]]\n[[a]]\nb = [{c = 1}]", "a = \"\"\"\n\\\"\"\"\"\"\nb = '''''x'''''",
		"a = [ # ]\n1, ]\n", "\"a\\u0062\".c = {d = {e = []}}", "[ a . 'b]' ] # ]\r\n", "a.b=1\r\na.c=2\r\n", "a = 1979-05-27 07:32:00 # x\nb = inf",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil {
			return
		}
		end := len(text) - len(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\xff\xfe"), "\xfe\xff"))
		gap := func(to int) {
			for line := range strings.SplitSeq(text[end:to], "\n") {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					t.Fatalf("%q is between two parts of %q", line, text)
				}
			}
		}
		tomlfile.FromText("file.toml", []byte(text)).Parts(func(p tomlfile.Part) {
			gap(p.Start)
			if _, err := toml.Decode(text[p.Start:p.End], &map[string]any{}); err != nil {
				t.Fatalf("part %q of %q: %v", text[p.Start:p.End], text, err)
			}
			end = p.End
		})
		gap(len(text))
	})
}

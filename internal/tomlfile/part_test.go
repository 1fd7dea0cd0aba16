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

// FuzzPieces cuts text wherever it may be cut. If every piece can be decoded, so can the whole, to the same elements.
func FuzzPieces(f *testing.F) {
	for _, seed := range []string{
		"[[a]]\nb = 1\n[[a.c]]\nd = 2\n [[a]] # x\nb = 3", "\xef\xbb\xbf# top\r\n[[a]]\r\n[[a]]\r\n", "[[a]]\nb = '''\n[[a]]\n'''\n[[a]]\n",
		"[[a]]\nb = [ # [[a]]\n[[1]],\n]\n[[a]]\n", "a = [{b = 1}]\n[[a]]\n", "[[a]]\n[a]\nb = 1\n[[a]]\n", "b = 1\n[[a]]\n[[a]]\n", "[[a]]\n[b]\n[[a]]\n",
		"[[a.c]]\n[[a]]\n[[a]]\n", "[[\"a\"]]\nb = \"\"\"\"\n[[a]]\n\"\"\"\n[[ a ]]\nb = 2\n", "[[a]]\n[a.b]\n[[a]]\n[a.b]\n", "[[a]]\nb = \"x\n[[a]]\n\"\n",
	} {
		f.Add(seed)
	}
	type element = map[string]any
	decoded := func(text string) ([]element, error) {
		var tree struct{ A []element }
		of, err := toml.Decode(text, &tree)
		if err == nil && len(of.Keys()) > 0 && of.Keys()[0][0] != "a" { // as File.Decode, which minds the case
			err = fmt.Errorf("%s", of.Keys()[0])
		}
		return tree.A, err
	}
	f.Fuzz(func(t *testing.T, text string) {
		pieces := tomlfile.FromText("file.toml", []byte(text)).Pieces("a", 1)
		var all []element
		joined := ""
		for _, p := range pieces {
			joined += string(p.Text())
			found, err := decoded(string(p.Text()))
			if err != nil {
				return
			}
			all = append(all, found...)
		}
		if joined != text {
			t.Fatalf("%q became %q", text, joined)
		}
		want, err := decoded(text)
		if err != nil || len(all) != len(want) || fmt.Sprint(all) != fmt.Sprint(want) {
			t.Errorf("%d pieces of %q are %v, and the whole is %v, %v", len(pieces), text, all, want, err)
		}
	})
}

func TestPieces(t *testing.T) {
	const users = "# all\n[[users]]\na = 1\n[[users.devices]]\n  [[users]]\n[users.b]\n[[users]]\n"
	for _, tt := range []struct {
		text string
		size int
		want []string
	}{
		{users, 1, []string{"# all\n", "[[users]]\na = 1\n[[users.devices]]\n  ", "[[users]]\n[users.b]\n", "[[users]]\n"}},
		{users, 40, []string{"# all\n[[users]]\na = 1\n[[users.devices]]\n  ", "[[users]]\n[users.b]\n[[users]]\n"}},
		{users, 100, []string{users}},
		{"other = 1\n" + users, 1, []string{"other = 1\n" + users}},
		{users + "[other]\n", 1, []string{users + "[other]\n"}},
		{"[[users]]\nb = '''\n[[users]]\n'''\n", 1, []string{"[[users]]\nb = '''\n[[users]]\n'''\n"}},
		{"", 1, []string{""}},
	} {
		var got []string
		for _, p := range tomlfile.FromText("file.toml", []byte(tt.text)).Pieces("users", tt.size) {
			got = append(got, string(p.Text()))
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%d: %q, want %q", tt.size, got, tt.want)
		}
	}
}

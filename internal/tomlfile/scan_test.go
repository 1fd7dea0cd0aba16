package tomlfile_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestLines(t *testing.T) {
	text := `# a comment = 1
title = "x"
a.b . "c.d" = 1 # [not.a.table]
multi = """
fake = 1
[fake]
\""""""
literal = '''
fake = 1
'''''
list = [
  "one", # , ]
  "two",
  { in = 1, list = [ "x",
      "y" ] },
]
inline = { x = 1, y.z = { w = "}" } }
"k\ne\u0079" = 1

[log]   # level = "no"
level = "info"
  [ radius . "odd name" ]
  x = 1

[[users]]
name = "a"
[users.extra]
k = 1
[[users.devices]]
type = 1
[[users.devices]]
type = 2
[users.devices.sub]
deep = 1
[[users]]
name = "b"
[[users.devices]]
type = 3
`
	want := map[string]int{
		`title`: 2, `a`: 3, `a.b`: 3, `a.b."c.d"`: 3, `multi`: 4, `literal`: 8, `fake`: 0,
		`list`: 11, `list[0]`: 12, `list[1]`: 13, `list[2]`: 14, `list[2].in`: 14, `list[2].list[1]`: 15, `list[3]`: 0,
		`inline`: 17, `inline.x`: 17, `inline.y.z.w`: 17, `"k\ney"`: 18,
		`log`: 20, `log.level`: 21, `radius`: 22, `radius."odd name"`: 22, `radius."odd name".x`: 23,
		`users`: 25, `users[0]`: 25, `users[0].name`: 26, `users[0].extra`: 27, `users[0].extra.k`: 28,
		`users[0].devices`: 29, `users[0].devices[0].type`: 30, `users[0].devices[1]`: 31, `users[0].devices[1].type`: 32,
		`users[0].devices[1].sub.deep`: 34,
		`users[1]`:                     35, `users[1].name`: 36, `users[1].devices[0]`: 37, `users[1].devices[0].type`: 38,
		`users[1].devices[1]`: 0, `users[2]`: 0, ``: 0,
	}
	for _, newline := range []string{"\n", "\r\n"} {
		f := read(strings.ReplaceAll(text, "\n", newline))
		lines := f.Lines()
		for key, line := range want {
			if got := lines[key]; got != line {
				t.Errorf("%s: line %d, want %d", key, got, line)
			}
		}
	}
}

// TestLinesAgreeWithTheParser checks that the scanner sees the keys that the parser sees.
func TestLinesAgreeWithTheParser(t *testing.T) {
	checkAgainstParser(t, "\xef\xbb\xbfa = 1\n[b]\nc = [1, 2.5, 1979-05-27 07:32:00, [true], {d=1}]\n'e\"f' = \"\"\"x\"\"\"\n[[g.h]]\ni={}\n[[g.h]]\n")
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"a = 1", "[a.b]\nc = 'd'", "[[a]]\n[[a.b]]\n[[a]]\nb = [{c = 1}]", "a = \"\"\"\n\\\"\"\"\"\"\nb = '''''x'''''",
		"a = [ # ]\n1, ]\n", "\"a\\u0062\".c = {d = {e = []}}", "a={\n#}\n}", "[ a . 'b' ]", "a.b=1\r\na.c=2\r\n", "a = \"\\\\\"\nb=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(checkAgainstParser)
}

// checkAgainstParser: in TOML that parses, each key of the tree has a line, and the line holds the
// key's last name.
func checkAgainstParser(t *testing.T, text string) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		return
	}
	found := read(text).Lines()
	lines := strings.Split(text, "\n")
	keys := keysOf("", tree)
	sort.Strings(keys)
	for _, key := range keys {
		line := found[key]
		if line < 1 || line > len(lines) {
			t.Fatalf("key %s has line %d of %d in %q", key, line, len(lines), text)
		}
		name := key[strings.LastIndexAny(key, ".")+1:]
		if !strings.ContainsAny(name, `"\[`) && !strings.ContainsAny(lines[line-1], `\`) && !strings.Contains(lines[line-1], name) {
			t.Fatalf("line %d does not hold key %s in %q", line, key, text)
		}
	}
}

// keysOf lists the keys of a parsed tree whose names need no quotes.
func keysOf(prefix string, value any) []string {
	var keys []string
	switch v := value.(type) {
	case map[string]any:
		for name, under := range v {
			if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				continue
			}
			keys = append(keys, keysOf(strings.TrimPrefix(prefix+"."+name, "."), under)...)
		}
	case []any:
		for i, under := range v {
			keys = append(keys, keysOf(fmt.Sprintf("%s[%d]", prefix, i), under)...)
		}
	case []map[string]any:
		for i, under := range v {
			keys = append(keys, keysOf(fmt.Sprintf("%s[%d]", prefix, i), under)...)
		}
	}
	if prefix != "" {
		keys = append(keys, prefix)
	}
	return keys
}

// TestLargeFile: the line of an error at the end of a large file is found without an index of all keys.
func TestLargeFile(t *testing.T) {
	const one = "[[users]]\nname = \"somebody\"\npassword = \"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaqf\"\n"
	n := 16 << 20 / len(one)
	f := read(strings.Repeat(one, n))
	f.Errorf(fmt.Sprintf("users[%d].password", n-1), "wrong")
	start := time.Now()
	if got, want := errorsOf(f), fmt.Sprintf("%d: users[%d].password: wrong", 3*n, n-1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("finding one line took %s", took)
	}
}

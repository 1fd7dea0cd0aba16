package tomlfile_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// list is a struct with everything that Decode knows.
type list struct {
	Title   string              `toml:"title"`
	On      bool                `toml:"on"`
	Wait    time.Duration       `toml:"wait"`
	Small   int8                `toml:"small"`
	Count   uint                `toml:"count"`
	Ratio   float64             `toml:"ratio"`
	Key     secret.String       `toml:"key"`
	Tags    []string            `toml:"tags"`
	Extra   map[string][]string `toml:"extra"`
	Block   block               `toml:"block"`
	Maybe   *block              `toml:"maybe"`
	Users   []user              `toml:"users"`
	NotAKey string
}

type block struct {
	Size  int `toml:"size"`
	Depth int `toml:"depth"`
}

func (b *block) SetDefaults() { b.Size = 7 }

type user struct {
	Name    string  `toml:"name"`
	Digits  int     `toml:"digits"`
	Devices []block `toml:"devices"`
}

func (u *user) SetDefaults() { u.Digits = 6 }

func read(text string) *tomlfile.File { return tomlfile.FromBytes([]byte(text)) }

// errorsOf are those of f, without the folder of its path.
func errorsOf(f *tomlfile.File) string {
	err := f.Err()
	if err == nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		_, after, _ := strings.Cut(line, "file.toml:")
		lines = append(lines, strings.TrimSpace(after))
	}
	return strings.Join(lines, "\n")
}

func TestDecodeFillsEveryKind(t *testing.T) {
	f := read(`
title = "x"
on = true
wait = "1h30m"
small = -5
count = 3
ratio = 2
key = "k"
tags = ["a", "b"]
extra = { "odd name" = ["v"] }
block.depth = 2
maybe = {}
[[users]]
name = "alice"
devices = [{ depth = 1 }, { size = 2 }]
[[users]]
digits = 8
`)
	got := list{Tags: []string{"kept?", "no", "no"}, Block: block{Size: 9}, NotAKey: "kept"}
	if !f.Decode(&got) || f.Err() != nil {
		t.Fatal(f.Err())
	}
	if got.Key.Reveal() != "k" {
		t.Errorf("key = %q", got.Key.Reveal())
	}
	got.Key = secret.String{}
	want := list{
		Title: "x", On: true, Wait: 90 * time.Minute, Small: -5, Count: 3, Ratio: 2,
		Tags: []string{"a", "b"}, Extra: map[string][]string{"odd name": {"v"}},
		Block: block{Size: 9, Depth: 2}, Maybe: &block{Size: 7},
		Users: []user{
			{Name: "alice", Digits: 6, Devices: []block{{Size: 7, Depth: 1}, {Size: 2}}},
			{Digits: 8},
		},
		NotAKey: "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeReportsEverythingAtOnce(t *testing.T) {
	var l list
	f := read(`title = 5
Title = "keys have one case"
on = "yes"
wait = 5
small = 300
count = -1
ratio = true
key = 123
tags = "a"
extra = [1]

[[block]]
size = 1

[users]
dgiits = 8
`)
	if !f.Decode(&l) {
		t.Fatal("nothing decoded")
	}
	want := `1: title: wants a text, not an integer: put it in quotes
2: Title: unknown key: did you mean title?
3: on: wants true or false, not a text
4: wait: a length of time needs a unit: write "5s" if 5 means seconds
5: small: 300 is too large or too small
6: count: -1 is too large or too small
7: ratio: wants a number, not a boolean
8: key: wants a text, not an integer: put it in quotes
9: tags: wants an array, not a text: put it in brackets, […]
10: extra: wants a table, not an array
12: block: wants a table, not an array of tables: write [block] with single brackets
15: users: wants an array of tables, not a table: write [[users]] with double brackets`
	if got := errorsOf(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDecodeKeepsWhatItCanRead(t *testing.T) {
	f := read("[[users]]\nname = 1\n[[users]]\nname = 'bob'\ndigts = 7\n  [[users.devices]]\n  [[users.devices]]\n  size = 'x'\n")
	var l list
	if !f.Decode(&l) {
		t.Fatal("nothing decoded")
	}
	if len(l.Users) != 2 || l.Users[1].Name != "bob" || l.Users[1].Digits != 6 {
		t.Errorf("%+v", l.Users)
	}
	f.Errorf("users[0].name", "is missing")                // a second error of a key whose first stands
	f.Errorf("users[1].devices[1].size.deep", "is absurd") // below a value that was not read
	f.Errorf("users[1].devices[0].depth", "is missing")    // has the line of the table it is missing from
	f.Errorf("title", "is missing")                        // no line at all
	want := `title: is missing
2: users[0].name: wants a text, not an integer: put it in quotes
5: users[1].digts: unknown key: did you mean digits?
6: users[1].devices[0].depth: is missing
8: users[1].devices[1].size: wants an integer, not a text`
	if got := errorsOf(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnknownKeyFarFromAllListsThem(t *testing.T) {
	f := read("[block]\npassword = 'x'\n")
	f.Decode(&list{})
	if got, want := errorsOf(f), "2: block.password: unknown key: known here are size, depth"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRow50_SyntaxErrorDoesNotRepeatSecrets(t *testing.T) {
	for _, line := range []string{
		`key = hunter2`, `key = 12hunter2`, `key = 2020-hunter2`, `key = "hunter2`, `key = "hun\qter2"`,
		`key = "x" hunter2`, `hunter2`, `"hunter2`, `key = truehunter2`, `key = [1 hunter2]`, `key = -hunter2`,
		`key = 0xhunter2`, `key = 1.2.3hunter2`, `key = 4711471147114711471147114711`, `key = 0o4711hunter2`,
		`key = 4711.`, `key = 4711e`, `key = 04711`, `key = "\xhunter2"`, `key = "\ud800hunter2"`, `key = 4711-13-13`,
		`key = '''hunter2`, `key = """hunter2`, `key = 47_11_`, `key = +0x4711`,
	} {
		f := read("title = 'x'\n" + line + "\n")
		if f.Decode(&list{}) {
			t.Errorf("%s: decoded", line)
			continue
		}
		got := errorsOf(f)
		if strings.Contains(got, "unt") || strings.Contains(got, "471") || strings.Contains(got, "2020") {
			t.Errorf("%s: the error shows the value: %s", line, got)
		}
		if !strings.HasPrefix(got, "2: ") && !strings.HasPrefix(got, "3: ") {
			t.Errorf("%s: the error has no line: %s", line, got)
		}
	}
}

func TestDuplicateKeyIsNamed(t *testing.T) {
	f := read("title = 'x'\ntitle = 'y'\n")
	f.Decode(&list{})
	if got, want := errorsOf(f), "2: title: Key 'title' has already been defined."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"arrays": "\ntags = " + strings.Repeat("[", 1<<20),
		"tables": "\nextra = " + strings.Repeat("{a=", 1<<20),
		"closed": "\ntags = " + strings.Repeat("[", 50) + strings.Repeat("]", 50),
	} {
		f := read(text)
		if f.Decode(&list{}) {
			t.Errorf("%s: decoded", name)
		}
		if got, want := errorsOf(f), "2: values stand more than 32 deep in each other: is a bracket missing?"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	f := read(strings.Repeat("[[users]]\ndgiits = 8\n", 1000))
	f.Decode(&list{})
	lines := strings.Split(errorsOf(f), "\n")
	if len(lines) != 101 || lines[99] != "200: users[99].dgiits: unknown key: did you mean digits?" {
		t.Errorf("%d lines, the hundredth %q", len(lines), lines[min(99, len(lines)-1)])
	}
	if !strings.HasSuffix(f.Err().Error(), "file.toml: and 900 more") {
		t.Errorf("the last line does not count the rest: %q", f.Err())
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"5s": "5s", "2m": "2m0s", "1h30m": "1h30m0s", "0s": "0s", "250ms": "250ms",
		"":        `"" is not a length of time: write it like "5s", "2m" or "1h30m"`,
		"5":       `a length of time needs a unit: write "5s" if 5 means seconds`,
		"0.5":     `a length of time needs a unit: write "0.5s" if 0.5 means seconds`,
		"-5":      `"-5" is not a length of time: write it like "5s", "2m" or "1h30m"`,
		"1h5":     `a length of time needs a unit: write "1h5s" if 1h5 means seconds`,
		"-5s":     `a length of time cannot be negative: write it like "5s", "2m" or "1h30m"`,
		"5 weeks": `"5 weeks" is not a length of time: write it like "5s", "2m" or "1h30m"`,
	} {
		f := read("wait = '" + text + "'")
		var l list
		f.Decode(&l)
		got := strings.TrimPrefix(errorsOf(f), "1: wait: ")
		if got == "" {
			got = l.Wait.String()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	f := read("title = 'x'\non = true\n")
	f.Warnf("on", "%s", "b")
	f.Warnf("title", "a")
	got := f.Warnings()
	if len(got) != 2 || !strings.HasSuffix(got[0], "file.toml:1: title: a") || !strings.HasSuffix(got[1], "file.toml:2: on: b") {
		t.Errorf("warnings %q", got)
	}
	if f.Err() != nil {
		t.Errorf("a warning became an error: %v", f.Err())
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "title = 5", "[[users]]\nname = 'x'\n[[users.devices]]\nsize = 1\n", "extra = { a = ['b'] }",
		"tags = [[[[", "\xff\xfe", "wait = 5", "a.\"b\\\"c\".d = '''x\n'''", "[a]\n[a.b]\n[[a.c]]",
		"x = {a=1,\n#c\nb=2}", "\"", "a = \"\"\"\\", "[[", "[]", "= =", "a = }", "a = [}", "'\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := read(text)
		var l list
		file.Decode(&l)
		file.Errorf("users[0].name", "x")
		if file.Err() == nil {
			t.Error("an error was lost")
		}
	})
}

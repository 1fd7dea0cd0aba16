package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The smallest project with a defence: a lock, a test that tries it, and one that does not.
var tinyModule = map[string]string{
	"go.mod": "module tiny\n\ngo 1.24\n",
	"door/door.go": `package door

func Open(key string) bool {
	if key == "" {
		return false
	}
	return key == "sesame"
}
`,
	"door/door_test.go": `package door

import (
	"os"
	"testing"
)

func TestEmptyKey(t *testing.T) {
	if Open("") {
		t.Fatal("opened without a key")
	}
}

func TestRightKey(t *testing.T) {
	if !Open("sesame") {
		t.Fatal("did not open")
	}
}

func TestRed(t *testing.T) { t.Fatal("always") }

func TestSkipped(t *testing.T) { t.Skip("needs the moon") }

func TestSecondLook(t *testing.T) {
	if Open("wrong") && os.Mkdir("seen", 0o700) != nil {
		t.Fatal("opened with a wrong key, again")
	}
}
`,
}

const template = `[[mutant]]
row = 7
name = "any key opens"
file = "door/door.go"
find = 'return key == "sesame"'
replace = 'return key != "sesame"'
package = "./door"
run = "TestRightKey"
`

// inTinyModule makes the module, with mutants as its test/mutants/tiny.toml, and goes there.
func inTinyModule(t *testing.T, mutants string) {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range tinyModule {
		write(name, content)
	}
	write("test/mutants/tiny.toml", mutants)
	t.Chdir(filepath.Join(root, "door"))
	t.Setenv("GOFLAGS", "")
}

func TestRun(t *testing.T) {
	const edit = `'return key != "sesame"'`
	tests := []struct {
		name     string
		old, new string // an edit of template
		args     []string
		code     int
		want     string
	}{
		{name: "caught", want: "caught    row  7  any key opens  (TestRightKey, "},
		{name: "survived", old: "TestRightKey", new: "TestEmptyKey", code: 1, want: "survived: tiny.toml: row 7, \"any key opens\"\n  go test -run TestEmptyKey ./door passes"},
		{name: "caught late", old: "TestRightKey", new: "TestSecondLook", want: "only at try 2: make that test surer"},
		{name: "a panic is a catch", old: edit, new: `'panic(key)'`, want: "1 caught, 0 not"},
		{name: "a hang is a catch", old: edit, new: `'select {}'`, args: []string{"-timeout=1s"}, want: "1 caught, 0 not"},
		{name: "does not compile", old: edit, new: `'return key'`, code: 1, want: "the mutant does not compile\n"},
		{name: "vet is not asked", old: edit, new: `'return key == key && key != "sesame"'`, want: "1 caught, 0 not"},
		{name: "nothing to find", old: `find = 'return`, new: `find = 'goto`, code: 1, want: "occurs 0 times, want exactly 1"},
		{name: "found twice", old: `find = 'return key == "sesame"'`, new: `find = 'return'`, code: 1, want: "occurs 2 times, want exactly 1"},
		{name: "no such test", old: "TestRightKey", new: "TestWindow", code: 1, want: "no test in ./door matches -run TestWindow"},
		{name: "no such package", old: `"./door"`, new: `"./window"`, code: 1, want: "BROKEN: tiny.toml"},
		{name: "red without the mutant", old: "TestRightKey", new: "TestRed", code: 1, want: "fails even without the mutant"},
		{name: "skipped", old: "TestRightKey", new: "TestSkipped", code: 1, want: "needs the moon"},
		{name: "unknown key", old: "run =", new: "runs =", code: 1, want: `unknown key "mutant.runs"`},
		{name: "missing key", old: "row = 7", new: "", code: 1, want: `mutant 1 "any key opens": row is missing`},
		{name: "outside the project", old: "door/door.go", new: "../door.go", code: 1, want: "file is missing or makes no sense"},
		{name: "bad TOML", old: "row = 7", new: "row 7", code: 1, want: "tiny.toml:2: "},
		{name: "no such file", args: []string{"-file=x.toml"}, code: 1, want: "x.toml"},
		{name: "one file", args: []string{"-file=tiny.toml"}, want: "1 mutants, 1 caught"},
		{name: "no such row", args: []string{"-row=8"}, code: 1, want: "no mutants"},
		{name: "list", args: []string{"-list"}, want: "| 7 | any key opens | `TestRightKey` in `./door` |"},
		{name: "verbose", args: []string{"-v"}, want: "did not open"},
		{name: "usage", args: []string{"-jobs=0"}, code: 2, want: "-jobs at least 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.old != "" && !strings.Contains(template, tt.old) {
				t.Fatalf("template has no %q", tt.old)
			}
			inTinyModule(t, strings.Replace(template, tt.old, tt.new, 1))
			var out bytes.Buffer
			code := run(t.Context(), tt.args, &out, &out)
			if code != tt.code || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit status %d, want %d; output:\n%s\nwant in it:\n%s", code, tt.code, &out, tt.want)
			}
		})
	}
}

// The tree must be as it was, whatever happened to a mutant.
func TestTreeIsNotTouched(t *testing.T) {
	inTinyModule(t, template)
	var out bytes.Buffer
	if code := run(t.Context(), nil, &out, &out); code != 0 {
		t.Fatalf("exit status %d:\n%s", code, &out)
	}
	got, err := os.ReadFile("door.go")
	if err != nil || string(got) != tinyModule["door/door.go"] {
		t.Errorf("door.go changed (%v):\n%s", err, got)
	}
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/internal/cmdline"
	"tandem/internal/config"
)

const root = "../../.."

// pages makes the pages, once for all tests, where man(1) looks for them: in man1, man5 and man8 of a folder.
func pages(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := generate(root, folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestPages(t *testing.T) {
	folder := pages(t)
	t.Run("lint", func(t *testing.T) { lint(t, folder) })
	t.Run("man", func(t *testing.T) { man(t, folder) })
	t.Run("keys", func(t *testing.T) { everyKey(t, page(t, folder, "tandem.toml.5")) })
	t.Run("reproducible", func(t *testing.T) {
		again, err := keys(root+"/internal/config", "Config")
		if err != nil || !strings.Contains(page(t, folder, "tandem.toml.5"), again) {
			t.Errorf("the keys are described differently the second time (%v)", err)
		}
	})
}

func names(t *testing.T, folder string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 5 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			list = append(list, e.Name())
		}
	}
	return list
}

func page(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func program(t *testing.T, name, of string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, of)
	}
	return path
}

// lint: mandoc finds no fault, and every page that is referred to is there. Those of other packages are stood in for.
func lint(t *testing.T, folder string) {
	tree := t.TempDir()
	elsewhere := []string{"pam.8", "pam_exec.8", "sshd_config.5", "systemd.exec.5"}
	for _, name := range slices.Concat(names(t, folder), elsewhere) {
		section := filepath.Join(tree, "man"+name[len(name)-1:])
		if err := os.MkdirAll(section, 0o755); err != nil {
			t.Fatal(err)
		}
		text := []byte(".\\\" elsewhere\n")
		if !slices.Contains(elsewhere, name) {
			text = []byte(page(t, folder, name))
		}
		if err := os.WriteFile(filepath.Join(section, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names(t, folder) {
		c := exec.Command(program(t, "mandoc", "mandoc"), "-T", "lint", "-W", "style", filepath.Join(folder, name))
		c.Env = []string{"MANPATH=" + tree, "PATH=" + os.Getenv("PATH")}
		if out, err := c.Output(); err != nil || len(out) > 0 { // on stderr it misses a data base of the pages
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// man: what the other manual reader, man-db, warns of; lintian looks the same way.
func man(t *testing.T, folder string) {
	for _, name := range names(t, folder) {
		c := exec.Command(program(t, "man", "man-db"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", filepath.Join(folder, name))
		c.Env = []string{"MANROFFSEQ=", "MANWIDTH=80", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
		var stderr strings.Builder
		c.Stderr = &stderr
		if err := c.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s", name, err, stderr.String())
		}
	}
}

// item is a key in a list, table the title of one.
var (
	item  = regexp.MustCompile(`^\.It Ic (\S+) No = Ar `)
	table = regexp.MustCompile(`^\.Ss \[+([a-z_.]+)\]+`)
)

// everyKey compares the page with the types, by reflection.
func everyKey(t *testing.T, text string) {
	_, keys, found := strings.Cut(text, ".Sh KEYS\n")
	keys, _, _ = strings.Cut(keys, "\n.Sh ")
	if !found {
		t.Fatal("there is no section KEYS")
	}
	var got []string
	at := ""
	for line := range strings.Lines(keys) {
		if m := table.FindStringSubmatch(line); m != nil {
			at = m[1]
		}
		if m := item.FindStringSubmatch(line); m != nil {
			got = append(got, at+"."+m[1])
		}
	}
	want := keysOf("", reflect.TypeFor[config.Config]())
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 100 || !slices.Equal(got, want) {
		t.Errorf("the page has %d keys, the code %d:\n%s", len(got), len(want), difference(got, want))
	}
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, key := range got {
		if !slices.Contains(want, key) {
			fmt.Fprintln(&b, "only in the page:", key)
		}
	}
	for _, key := range want {
		if !slices.Contains(got, key) {
			fmt.Fprintln(&b, "only in the code:", key)
		}
	}
	return b.String()
}

func keysOf(prefix string, of reflect.Type) (keys []string) {
	for _, field := range reflect.VisibleFields(of) {
		name := field.Tag.Get("toml")
		if name == "" {
			continue
		}
		under := field.Type
		for under.Kind() == reflect.Pointer || under.Kind() == reflect.Slice {
			under = under.Elem()
		}
		if under.Kind() == reflect.Struct {
			if below := keysOf(prefix+name+".", under); below != nil {
				keys = append(keys, below...)
				continue
			}
		}
		keys = append(keys, prefix+name)
	}
	return keys
}

// TestUsersFile: the keys of a users file are described by hand.
func TestUsersFile(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/man/tandem.toml.5")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), ".Sh THE USERS FILE\n")
	if !found {
		t.Fatal("the page has no section of the users file")
	}
	all, err := blocks(root + "/directory/file")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, name := range []string{"userEntry", "deviceEntry"} {
		if all[name] == nil {
			t.Fatalf("directory/file has no type %s", name)
		}
		for _, k := range all[name].keys {
			if k.table == "" {
				want = append(want, k.name)
			}
		}
	}
	for line := range strings.Lines(section) {
		if m := item.FindStringSubmatch(line); m != nil {
			got = append(got, m[1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has %q, the code %q", got, want)
	}
}

// literal is an example.
var literal = regexp.MustCompile(`(?s)\n\.Bd -literal -offset indent\n(.*?)\n\.Ed\n`)

func examples(t *testing.T, name string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/man", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	if len(all) < 2 {
		t.Fatalf("%s has %d examples", name, len(all))
	}
	return all
}

func TestExamplesOfTheConfigurationLoad(t *testing.T) {
	for _, text := range examples(t, "tandem.toml.5") {
		dir := t.TempDir()
		for name, content := range map[string]string{"config.toml": text, "radius.secret": "a long shared secret\n", "ldap.password": "x\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := config.Load(filepath.Join(dir, "config.toml"))
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		} else if len(c.Warnings) > 0 {
			t.Errorf("%q\n%s", c.Warnings, text)
		}
	}
}

// TestOptionsOfTheModule: pam_tandem(8) and docs/ssh.md list what src/options.c knows, and the examples use nothing else.
func TestOptionsOfTheModule(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:\{|value\(word, )"([a-z_]+)"`).FindAllStringSubmatch(read("pamhelper/module/src/options.c"), -1) {
		known[m[1]] = true
	}
	if len(known) < 12 {
		t.Fatalf("only %d options were found", len(known))
	}
	for file, listed := range map[string]*regexp.Regexp{
		"docs/man/pam_tandem.8": regexp.MustCompile(`(?m)^\.It Cm (\S+?)(?:=.*? , Cm (\w+))?(?:=.*)?$`),
		"docs/ssh.md":           regexp.MustCompile("(?m)^\\| `([a-z_]+)(?:=[A-Z]+)?`(?: `([a-z_]+)(?:=[A-Z]+)?`)? \\|"),
	} {
		documented := map[string]bool{}
		for _, m := range listed.FindAllStringSubmatch(read(file), -1) {
			documented[m[1]] = true
			if m[2] != "" {
				documented[m[2]] = true
			}
		}
		if !reflect.DeepEqual(documented, known) {
			t.Errorf("%s lists %v, the module knows %v", file, documented, known)
		}
	}
	for _, example := range examples(t, "pam_tandem.8") {
		for line := range strings.Lines(example) {
			_, options, ours := strings.Cut(line, "pam_tandem.so")
			for _, o := range strings.Fields(options) {
				if name, _, _ := strings.Cut(o, "="); ours && !known[name] {
					t.Errorf("%q uses %s", line, o)
				}
			}
		}
	}
}

func TestProse(t *testing.T) {
	names := map[string]string{"LookAhead": "look_ahead", "LDAPGroups.Base": "directory.ldap.groups.base"}
	for _, tt := range []struct{ text, want string }{
		{"One. Two.", "One.\nTwo.\n"},
		{"See RFC 2865 §5.1. Then (really). 5 of them.", "See RFC 2865 \\[u00A7]5.1.\nThen (really).\n5 of them.\n"},
		{"Beyond LookAhead, with LDAPGroups.Base.", "Beyond \\fBlook_ahead\\fR, with \\fBdirectory.ldap.groups.base\\fR.\n"},
		{"CORP\\alice, `tandem check`.", "CORP\\ealice, \\fBtandem check\\fR.\n"},
		{".Sh is no macro", "\\&.Sh is no macro\n"},
		{"'quoted' is none either", "\\&'quoted' is none either\n"},
		{"a - b --flag ^x ~y", "a \\- b \\-\\-flag \\(hax \\(tiy\n"},
		{strings.Repeat("long ", 20), strings.Repeat("long ", 14) + "long\nlong long long long long\n"},
	} {
		if got := prose(tt.text, names); got != tt.want {
			t.Errorf("%q becomes\n%q, want\n%q", tt.text, got, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	got := describe(cmdline.Command{
		Name: "tandem", Flags: []cmdline.Flag{{Name: "config", Short: "c", Value: "FILE", Help: "The file."}},
		Commands: []cmdline.Command{{Name: "store", Commands: []cmdline.Command{{
			Name: "migrate", Help: "Move it.", Args: []cmdline.Arg{{Name: "USER"}},
			Flags: []cmdline.Flag{{Name: "to", Value: "FILE", Required: true, Help: "Where."}, {Name: "json", Help: "As JSON."}},
		}}}},
	})
	want := `.Bl -tag -width Ds
.It Fl c , Fl \-config Ar file
The file.
.El
.Ss Commands
.Bl -tag -width Ds
.It Ic store migrate Fl \-to Ar file Oo Ar option ... Oc Ar user
Move it.
.Pp
.Bl -tag -width Ds -compact
.It Fl \-to Ar file
Where.
.It Fl \-json
As JSON.
.El
.El
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestMistakes: what the generator refuses to make a page of.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("silent/silent.go", "package silent\n\ntype T struct {\n\tA int `toml:\"a\"`\n}\n")
	write("told/main.go", "package main\n\nconst usage = `  --config FILE   the file\n  --gone   not there`\n\nfunc f() { flags.String(\"config\", \"\", \"\") }\n")
	for wish, want := range map[string]string{
		"@keys silent T":         "T.A has no comment",
		"@keys silent U":         "no type U",
		"@options told":          `tells of the options ["config" "gone"], and the code defines ["config"]`,
		"@commands nothing":      "nothing",
		"@please do something":   "nobody knows",
		"@options nowhere at al": "nobody knows",
	} {
		if page, err := expand(dir, ".\\\" "+wish+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q; %s", wish, err, want, page)
		}
	}
	if err := generate(dir, dir); err == nil || !strings.Contains(err.Error(), "no pages") {
		t.Errorf("no sources: %v", err)
	}
}

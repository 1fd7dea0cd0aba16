package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"tandem/internal/cmdline"
)

// model is the command line as kong sees it.
func model(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(new(cli), kong.Name("tandem"))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// TestManual: tandem(1) has every command, argument and flag.
func TestManual(t *testing.T) {
	out := t.TempDir()
	make := exec.Command("go", "run", "./docs/man/generate", "-out", out)
	make.Dir = "../.."
	if text, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	text, err := os.ReadFile(filepath.Join(out, "tandem.1"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.ReplaceAll(string(text), `\-`, "-"), "\n")
	flags := 0
	for _, leaf := range model(t).Model.Leaves(true) {
		name := ".It Ic " + strings.TrimPrefix(leaf.FullPath(), "tandem ")
		from := slices.IndexFunc(lines, func(l string) bool { return l == name || strings.HasPrefix(l, name+" ") })
		if from < 0 {
			t.Errorf("no %q", name)
			continue
		}
		rest := lines[from+1:]
		if to := slices.IndexFunc(rest, func(l string) bool { return strings.HasPrefix(l, ".It Ic ") }); to >= 0 {
			rest = rest[:to]
		}
		for _, f := range leaf.Flags {
			flags++
			flag := "Fl -" + f.Name // Fl writes one of the two dashes
			if !slices.ContainsFunc(rest, func(l string) bool {
				return strings.HasPrefix(l, ".It ") && (strings.HasSuffix(l, flag) || strings.Contains(l, flag+" Ar "))
			}) {
				t.Errorf("%q has no %q", name, flag)
			}
		}
		for _, a := range leaf.Positional {
			if arg := " Ar " + strings.ToLower(a.Name); !strings.Contains(lines[from], arg) {
				t.Errorf("%q does not take%s", lines[from], arg)
			}
		}
	}
	if flags < 30 {
		t.Errorf("only %d flags were found", flags)
	}
}

// TestManualExamples: the command lines of tandem(1) and docs/admin.md are command lines.
func TestManualExamples(t *testing.T) {
	count := 0
	for file, shown := range map[string]*regexp.Regexp{
		"../../docs/man/tandem.1": regexp.MustCompile(`(?m)^(tandem .*)$`),
		"../../docs/admin.md":     regexp.MustCompile("(?m)(?:^|[`&|;] ?|-- )(tandem [a-z-][^`|;&>#\n)]*)"),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shown.FindAllStringSubmatch(strings.ReplaceAll(string(text), "$(date +%F)", "today"), -1) {
			count++
			args := strings.Fields(m[1])[1:]
			for i := range args {
				args[i] = strings.Trim(args[i], `"'`)
			}
			if _, err := model(t).Parse(args); err != nil {
				t.Errorf("%s: %s: %v", file, m[1], err)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d command lines were found", count)
	}
}

// TestDaemonsOptions: what completes tandemd is what it takes.
func TestDaemonsOptions(t *testing.T) {
	source, err := os.ReadFile("../tandemd/main.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"help"} // the package flag's own
	for _, m := range regexp.MustCompile(`flags\.\w+\("([a-z-]+)"`).FindAllSubmatch(source, -1) {
		want = append(want, string(m[1]))
	}
	var got []string
	for _, f := range daemon().Flags {
		got = append(got, f.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) < 3 {
		t.Errorf("completed are %q, tandemd has %q", got, want)
	}
}

// TestCompletion: bash completes the real commands; how each shell does is for package cmdline to test.
func TestCompletion(t *testing.T) {
	script := filepath.Join(t.TempDir(), "tandem")
	text := cmdline.Bash(cmdline.Of(model(t).Model), daemon())
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"tandem st":                          "store",
		"tandem store res":                   "restore",
		"tandem completion ":                 "bash fish json zsh",
		"tandem passwd --algorithm bc":       "bcrypt",
		"tandem -c x policy test --via r":    "radius",
		"tandem report --j":                  "--json",
		"tandem store accept-restore --marg": "--margin",
		"tandemd --c":                        "--config",
	} {
		words := strings.Split(line, " ")
		c := exec.Command("bash", append([]string{
			"-uc", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; printf '%s\n' "${COMPREPLY[@]}" | sort | xargs`, "bash", script,
		}, words...)...)
		out, err := c.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
}

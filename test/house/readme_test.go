package house

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/BurntSushi/toml"

	"tandem/internal/config"
)

var update = flag.Bool("update", false, "rewrite the last column of docs/threat-model.md")

const root = "../.."

// block returns the first block of that language in the README.
func block(t *testing.T, language string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n *```" + language + "\n(.*?)\n *```").FindSubmatch(readme)
	if m == nil {
		t.Fatalf("the README has no block of %s", language)
	}
	return string(m[1])
}

// TestFirstLogin runs the README's first login as it stands, in a copy of what it needs.
func TestFirstLogin(t *testing.T) {
	clone := t.TempDir()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-r", filepath.Join(top, "packaging"), clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(clone, "bin")+"/", "tandem/cmd/tandemd", "tandem/cmd/tandem")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script := strings.Replace(block(t, "sh"), "make build && make deps", ":", 1)
	if !strings.Contains(script, "tandemd") {
		t.Fatalf("the first block logs nobody in:\n%s", script)
	}
	c := exec.Command("bash", "-m", "-c", "set -u\n"+script+"\nwait")
	c.Dir = clone
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"ok    users file", "and can decide", "ACCEPT", "REJECT (replayed-code)"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in what the README's commands print:\n%s", want, out)
		}
	}
}

// TestOwnLDAP loads the README's configuration for LDAP.
func TestOwnLDAP(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.toml": block(t, "toml"), "ldap.password": "secret\n", "vpn.secret": "a long shared secret\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

// TestThreatModelSaysWhatIsTested: the last column of docs/threat-model.md is what test/mutants proves, no
// more and no less. `go test ./test/house -update` rewrites it.
func TestThreatModelSaysWhatIsTested(t *testing.T) {
	path := filepath.Join(root, "docs/threat-model.md")
	model, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	proven := mutantsByRow(t)
	seen := map[int]bool{}
	row := regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\| ([^|]*) \|$`)
	is := row.ReplaceAllStringFunc(string(model), func(line string) string {
		m := row.FindStringSubmatch(line)
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		seen[n] = true
		var packages []string
		for _, p := range slices.Sorted(maps.Keys(proven[n])) {
			packages = append(packages, fmt.Sprintf("`%s` (%d)", p, proven[n][p]))
		}
		cell := strings.Join(packages, ", ")
		if cell == "" {
			cell = "not yet"
		}
		return fmt.Sprintf("| %d |%s| %s |", n, m[2], cell)
	})
	if len(seen) != 51 {
		t.Errorf("the table has %d rows, not 51", len(seen))
	}
	for n := range proven {
		if !seen[n] {
			t.Errorf("there are mutants of row %d, which the table does not have", n)
		}
	}
	if is == string(model) {
		return
	}
	if !*update {
		t.Fatal("docs/threat-model.md is not what the mutants prove: go test ./test/house -update")
	}
	if err := os.WriteFile(path, []byte(is), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mutantsByRow counts the mutants of each row by the package of their test.
func mutantsByRow(t *testing.T) map[int]map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "test/mutants/*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	rows := map[int]map[string]int{}
	for _, f := range files {
		var content struct {
			Mutant []struct {
				Row     int
				Package string
			}
		}
		if _, err := toml.DecodeFile(f, &content); err != nil {
			t.Fatal(err)
		}
		for _, m := range content.Mutant {
			if rows[m.Row] == nil {
				rows[m.Row] = map[string]int{}
			}
			rows[m.Row][strings.TrimPrefix(m.Package, "./")]++
		}
	}
	return rows
}

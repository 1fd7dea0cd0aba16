package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tandem/internal/config"
)

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

// TestRowsOfTheThreatModel: every row that says it is defended has a mutant, and the other way round.
func TestRowsOfTheThreatModel(t *testing.T) {
	model, err := os.ReadFile(filepath.Join(root, "docs/threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	defended := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|.*\| (\S.*) \|$`).FindAllStringSubmatch(string(model), -1) {
		if m[2] != "not yet" {
			defended[m[1]] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "test/mutants/*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	mutated := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^row = (\d+)`).FindAllStringSubmatch(string(text), -1) {
			mutated[m[1]] = true
		}
	}
	for row := range defended {
		if !mutated[row] {
			t.Errorf("row %s is called defended, but no mutant proves its test", row)
		}
	}
	for row := range mutated {
		if !defended[row] {
			t.Errorf("row %s has mutants, but docs/threat-model.md does not call it defended", row)
		}
	}
	if len(defended) < 30 {
		t.Errorf("only %d rows were found in the table", len(defended))
	}
}

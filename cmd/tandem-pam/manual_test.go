package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestManualExamples loads the configuration that tandem-pam(8) shows.
func TestManualExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/tandem-pam.8")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?s)\n\.Bd -literal -offset indent\n(.*?)\n\.Ed\n`).FindAllSubmatch(page, -1)
	if len(examples) == 0 {
		t.Fatal("the page has no example")
	}
	for _, example := range examples {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"pam.toml": example[1], "radius.secret": []byte("a shared secret\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := loadSettings(filepath.Join(dir, "pam.toml")); err != nil {
			t.Error(err)
		}
	}
}

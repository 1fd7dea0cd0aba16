package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestFactorsInTheDocs loads the blocks of configuration that docs/factors.md shows, one by one.
func TestFactorsInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/factors.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 3 {
		t.Fatalf("only %d blocks were found", len(blocks))
	}
	for _, b := range blocks {
		block := string(b[1])
		name, _, _ := strings.Cut(block, "\n")
		if c := mustLoad(t, block+client+ldap); len(c.Warnings) > 0 {
			t.Errorf("%s: %q", name, c.Warnings)
		}
	}
}

package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tandem/internal/config"
	policyrule "tandem/verify/rule"
)

// policiesHead is what stands around the blocks of docs/policies.md.
const policiesHead = `
[directory]
type = "file"
[directory.file]
path = "users.toml"
[[radius.clients]]
name = "vpn"
networks = ["192.0.2.1"]
secret = "a long shared secret"
[[radius.clients]]
name = "wlan"
networks = ["192.0.2.2"]
secret = "a long shared secret"
`

// blocksOf returns the blocks of that language in a page, without what they are indented by.
func blocksOf(t *testing.T, page, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n( *)```"+language+"\n(.*?)\n *```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"))
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return blocks
}

// TestPoliciesPage loads each configuration of docs/policies.md, compiles each of its rules, and looks whether tandem
// prints what it shows.
func TestPoliciesPage(t *testing.T) {
	const page = "docs/policies.md"
	path := filepath.Join(t.TempDir(), "config.toml")
	for _, block := range blocksOf(t, page, "toml") {
		if err := os.WriteFile(path, []byte(policiesHead+block), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if err != nil {
			t.Errorf("%s\n%v", block, err)
			continue
		}
		for _, w := range c.Warnings {
			t.Errorf("%s\n%s", block, w)
		}
	}
	for _, block := range blocksOf(t, page, "expr") {
		for line := range strings.Lines(strings.TrimSpace(block)) {
			if _, err := policyrule.Compile(strings.TrimSpace(line)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	golden, err := os.ReadFile(filepath.Join(root, "cmd/tandem/testdata/policy/golden.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocksOf(t, page, "console") {
		if !strings.Contains(string(golden), block+"\nexit status") {
			t.Errorf("nothing in golden.txt of cmd/tandem looks like\n%s", block)
		}
	}
}

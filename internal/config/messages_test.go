package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/config"
)

var update = flag.Bool("update", false, "write what Load says into testdata/messages.txt")

// TestMessages loads the files of testdata/messages.txt and compares what Load says about them. Each
// case there is
//
//	=== its name [+client] [+users] [+ldap]
//	the file, to which the named blocks are appended
//	---
//	what Load says: the error, or the warnings
//
// go test ./internal/config -run TestMessages -update writes the last part anew.
func TestMessages(t *testing.T) {
	const golden = "testdata/messages.txt"
	all, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t)
	t.Chdir(dir)
	t.Setenv("CREDENTIALS_DIRECTORY", "") // as outside of systemd

	head, cases, _ := strings.Cut(string(all), "=== ")
	rewritten := head
	count := 0
	for text := range strings.SplitSeq(cases, "\n=== ") {
		name, rest, _ := strings.Cut(text, "\n")
		file, want, ok := strings.Cut("\n"+rest+"\n", "\n---\n")
		if !ok {
			t.Fatalf("%s: case %q has no line ---", golden, name)
		}
		file = strings.TrimPrefix(file, "\n")
		if file != "" {
			file += "\n"
		}
		count++
		got := message(t, dir, withBlocks(name, file))
		rewritten += "=== " + name + "\n" + file + "---\n"
		if got != "" {
			rewritten += got + "\n"
		}
		t.Run(name, func(t *testing.T) {
			if want = strings.TrimRight(want, "\n"); got != want && !*update {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is shown: %s", got)
			}
		})
	}
	if count < 40 {
		t.Errorf("only %d cases were found", count)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(sourceFolder, golden), []byte(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sourceFolder is this package's folder, where tests start.
var sourceFolder, _ = os.Getwd()

func withBlocks(name, file string) string {
	for _, block := range []struct{ flag, text string }{{"+client", client}, {"+users", users}, {"+ldap", ldap}} {
		if strings.Contains(name, block.flag) {
			file += block.text
		}
	}
	return file
}

// message is what Load says about a file.
func message(t *testing.T, dir, text string) string {
	t.Helper()
	writeFile(t, "config.toml", text, 0o600)
	c, err := config.Load("config.toml")
	if err != nil {
		return strings.ReplaceAll(err.Error(), dir, "/DIR")
	}
	return strings.ReplaceAll(strings.Join(c.Warnings, "\n"), dir, "/DIR")
}

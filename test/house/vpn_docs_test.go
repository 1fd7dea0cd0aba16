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
	"tandem/radiusd/attribute"
)

// vpnPages are the pages of docs/vpn by their names, README.md among them.
func vpnPages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs/vpn/*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	pages := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(f)] = string(text)
	}
	return pages
}

// TestVPNPages holds together what the pages of docs/vpn promise about each other and about Tandem: each says whether it was
// run, stands in the table, and has a configuration that can be loaded, with attributes that there are.
func TestVPNPages(t *testing.T) {
	pages := vpnPages(t)
	origin := regexp.MustCompile(`(?m)^\*\*(Run here with version|From the vendor's documents, not run here)`)
	blocks := regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")
	index := pages["README.md"]
	delete(pages, "README.md")
	for name, text := range pages {
		t.Run(name, func(t *testing.T) {
			if !origin.MatchString(text) {
				t.Error("no line says whether it was run here or is from the vendor's documents")
			}
			if !strings.Contains(index, "]("+name+")") {
				t.Error("docs/vpn/README.md has no link to it")
			}
			for _, row := range []string{"mode", "time-outs", "Message-Authenticator", "groups", "who it is", "cannot"} {
				if !strings.Contains(text, "\n| "+row) {
					t.Errorf("no row says %q", row)
				}
			}
			found := blocks.FindAllStringSubmatch(text, -1)
			if len(found) == 0 {
				t.Error("no configuration of Tandem's")
			}
			for _, block := range found {
				loadBlock(t, block[1])
			}
		})
	}
}

// loadBlock loads a configuration with stand-ins for the files that it names.
func loadBlock(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	files := map[string]string{path: text}
	for _, m := range regexp.MustCompile(`(?m)_file = "([^"]+)"`).FindAllStringSubmatch(text, -1) {
		files[filepath.Join(dir, m[1])] = "a long shared secret\n"
	}
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q\n%s", c.Warnings, text)
	}
	for _, p := range c.Policies {
		for _, r := range p.Reply {
			a, err := attribute.Find(r.Attribute)
			if err != nil {
				t.Error(err)
			} else if !strings.Contains(r.Value, "{") {
				if _, err := a.Check(r.Value); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestFirstVPN runs "The first VPN in ten minutes" as it stands.
func TestFirstVPN(t *testing.T) {
	m := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindStringSubmatch(vpnPages(t)["README.md"])
	if m == nil {
		t.Fatal("docs/vpn/README.md has no block of sh")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/", "tandem/cmd/tandemd", "tandem/cmd/tandem")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command("bash", "-m", "-c", "set -u\n"+m[1]+"\nwait")
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("apt-get install oathtool freeradius-utils? %v\n%s", err, out)
	}
	at := 0
	for _, want := range []string{"and can decide", "ACCEPT", "Received Access-Challenge", `Reply-Message = "Code: "`, "Received Access-Accept", `"outcome":"accept"`} {
		i := strings.Index(string(out[at:]), want)
		if i < 0 {
			t.Fatalf("no %q, or not in its place, in what the commands print:\n%s", want, out)
		}
		at += i
	}
}

package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tandem/test/netns"
)

// image is what the last stage of the Containerfile says.
type image struct {
	user               string // UID:GID
	volumes            []string
	health, entrypoint []string
	root, builtBy      string
}

func containerfile(t *testing.T) image {
	t.Helper()
	text := strings.ReplaceAll(read(t, top+"/packaging/container/Containerfile"), "\\\n", " ")
	build, last, ok := strings.Cut(text, "\nFROM scratch\n")
	if !ok {
		t.Fatal("the image does not begin from scratch")
	}
	word := func(of, pattern string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringSubmatch(of)
		if m == nil {
			t.Fatalf("the Containerfile has no line %s", pattern)
		}
		return m[1]
	}
	list := func(text string) (words []string) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%s: %v: without a shell in the image, only the JSON form runs", text, err)
		}
		return words
	}
	word(last, `COPY --from=build (/image/ /)`)
	return image{
		user:       word(last, `USER (\d+:\d+)`),
		volumes:    list(word(last, `VOLUME (.*)`)),
		health:     list(word(last, `HEALTHCHECK .*CMD (.*)`)),
		entrypoint: list(word(last, `ENTRYPOINT (.*)`)),
		builtBy:    word(build, `RUN (make .*) ROOT=/image`),
	}
}

// inside runs a program as the container's runtime would: on a root that cannot be written to, with volumes, and as the
// image's user.
const inside = `set -e
root=$1 user=$2 volumes=$3; shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
for v in $volumes; do mount --bind "$root.volumes$v" "$root$v"; done
mount --bind "$root.config" "$root/etc/tandem"
exec chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"`

// TestContainerImage assembles the image's root by the steps of the Containerfile, since a runtime for containers is more than
// tests may ask for, and lets it serve.
func TestContainerImage(t *testing.T) {
	needRoot(t)
	i := containerfile(t)
	dir, err := os.MkdirTemp("", "tandem-image-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	i.root = filepath.Join(dir, "image")
	run(t, "sh", "-c", i.builtBy+" -s -C "+top+" ROOT="+i.root)

	doc := filepath.Join(i.root, "usr/share/doc/tandem")
	run(t, "gzip", "-t", filepath.Join(doc, "THIRD-PARTY.gz"))
	if bom := read(t, filepath.Join(doc, "sbom.cdx.json")); !strings.Contains(bom, "CycloneDX") || !strings.Contains(read(t, filepath.Join(doc, "copyright")), "CC-BY-4.0") {
		t.Errorf("the image does not say what is in it, and whose: %s", bom)
	}

	const id = 10001
	if i.user != "10001:10001" {
		t.Fatalf("the image's user is %s", i.user)
	}
	for _, v := range i.volumes { // a new volume begins as what the image has in its place
		run(t, "mkdir", "-p", filepath.Dir(i.root+".volumes"+v))
		run(t, "cp", "-a", i.root+v, i.root+".volumes"+v)
	}
	config := i.root + ".config"
	write(t, filepath.Join(config, "config.toml"), 0o640, strings.Replace(read(t, top+"/packaging/container/config.toml"), "192.0.2.1", "127.0.0.1", 1))
	write(t, filepath.Join(config, "radius.secret"), 0o640, "a shared secret of the tests\n")
	write(t, filepath.Join(config, "users.toml"), 0o640, users(t))
	give(t, config, id)

	network := netns.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	command := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, need(t, "unshare", "util-linux"), append([]string{
			"--mount", "--propagation", "private",
			"sh", "-c", inside, "sh", i.root, i.user, strings.Join(i.volumes, " "),
		}, args...)...)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		return c
	}
	say := func(input string, args ...string) (string, error) {
		c := command(args...)
		c.Stdin = strings.NewReader(input)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := network.Start(c); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		return out.String(), err
	}

	d := command(i.entrypoint...)
	var audit, log bytes.Buffer
	d.Stdout, d.Stderr = &audit, &log
	if err := network.Start(d); err != nil {
		t.Fatal(err)
	}
	var health string
	waitFor(t, "the health check to be content", func() bool {
		health, err = say("", i.health...)
		return err == nil && strings.Contains(health, "and can decide")
	})
	if strings.Contains(health, "warn") {
		t.Errorf("the health check says %s", health)
	}
	for _, step := range []struct{ want, code string }{{"ACCEPT", code(t, "alice", 0)}, {"REJECT", "000000"}} {
		if out, _ := say(password+step.code, "/usr/bin/tandem", "try", "alice", "--radius"); !strings.HasPrefix(out, step.want) {
			t.Errorf("a login, want %s: %s", step.want, out)
		}
	}

	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Fatalf("it did not end well: %v\n%s", err, &log)
	}
	if n := strings.Count(audit.String(), "\n"); n != 2 {
		t.Errorf("%d lines of audit on standard output: %s", n, &audit)
	}
}

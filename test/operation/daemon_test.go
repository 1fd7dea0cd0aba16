// Package operation tests what an administrator does with a running tandemd: the commands of docs/admin.md, and the
// rotation of its audit.
package operation

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/test/freeport"
)

// bin holds the programs under test.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tandem-operation-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	compile := exec.Command("go", "build", "-o", dir, "tandem/cmd/tandemd", "tandem/cmd/tandem")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const sharedSecret = "a shared secret of this test"

// daemon is a tandemd in a folder of its own.
type daemon struct {
	t       *testing.T
	dir     string
	radius  string
	pages   string
	process *exec.Cmd
	log     lockedBuffer
}

// lockedBuffer is written to by the process's output, and read by the test.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const configuration = `
[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[admin]
socket = "admin.sock"
[metrics]
listen = "%s"
[radius]
listen = ["%s"]
reject_delay = "100ms"
[[radius.clients]]
name = "vpn"
networks = ["127.0.0.1"]
secret_file = "radius.secret"
%s
`

// usersFile is the directory of most tests.
const usersFile = `
[directory]
type = "file"
[directory.file]
path = "users.toml"
`

// alice has a token by counter, so that codes can be known without a clock.
const (
	aliceKey      = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	alicePassword = "correct horse"
	users         = `[[users]]
name = "alice"
password = "$6$rounds=1000$saltsaltsaltsalt$90PYBEdNthW.s1MdBAGmZzUlBcO3THQlu3cLQCSmKwwDU4eOztdiNqFHvvjbULR8htwd7bcG6QXZbqiJ2JtSh."
devices = [{ type = "HOTP", name = "token", secret = "` + aliceKey + `" }]
`
)

// newDaemon makes the folder and starts a tandemd in it. The files are written beside the configuration.
func newDaemon(t *testing.T, directory string, files map[string]string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir()}
	for _, address := range []*string{&d.radius, &d.pages} {
		var err error
		if *address, err = freeport.Address(); err != nil {
			t.Fatal(err)
		}
	}
	d.write("config.toml", fmt.Sprintf(configuration, d.pages, d.radius, directory))
	d.write("users.toml", users)
	d.write("radius.secret", sharedSecret+"\n")
	for name, text := range files {
		d.write(name, text)
	}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *daemon) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) start() {
	d.t.Helper()
	d.process = exec.Command(filepath.Join(bin, "tandemd"), "--config", d.path("config.toml"))
	d.process.Stderr = &d.log
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.eventually("tandemd serves", func() bool { return d.page("/healthz") == "ok\n" })
}

func (d *daemon) stop() {
	if d.process == nil {
		return
	}
	_ = d.process.Process.Signal(syscall.SIGTERM)
	if err := d.process.Wait(); err != nil {
		d.t.Errorf("tandemd ended with %v\n%s", err, d.log.String())
	}
	d.process = nil
}

// reload waits until it has happened, or was refused.
func (d *daemon) reload() (done bool) {
	d.t.Helper()
	count := func() (done, refused int) {
		log := d.log.String()
		return strings.Count(log, "msg=reloaded"), strings.Count(log, "reload refused")
	}
	before, beforeRefused := count()
	if err := d.process.Process.Signal(syscall.SIGHUP); err != nil {
		d.t.Fatal(err)
	}
	d.eventually("the reload ends", func() bool {
		now, refused := count()
		done = now > before
		return done || refused > beforeRefused
	})
	return done
}

func (d *daemon) eventually(what string, is func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("it was not to be seen that %s\n%s", what, d.log.String())
		}
	}
}

// page is what the daemon's page of that name says; empty if it cannot be had.
func (d *daemon) page(name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.pages+name, http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer reply.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(reply.Body)
	return text.String()
}

// sh runs a shell line in the daemon's folder, with tandem's configuration in the place of the usual one.
func (d *daemon) sh(line string) (out string, ok bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", "tandem() { command tandem -c config.toml \"$@\"; }\n"+line)
	c.Dir = d.dir
	c.Env = append(os.Environ(), "PATH="+bin+":/usr/sbin:"+os.Getenv("PATH"), "TZ=UTC")
	text, err := c.CombinedOutput()
	return string(text), err == nil
}

// hotp is alice's code of that counter, as oathtool has it.
func hotp(t *testing.T, counter int) string {
	t.Helper()
	out, err := exec.Command("oathtool", "--hotp", "--base32", "--counter", fmt.Sprint(counter), aliceKey).Output()
	if err != nil {
		t.Fatalf("oathtool: %v (apt-get install oathtool)", err)
	}
	return strings.TrimSpace(string(out))
}

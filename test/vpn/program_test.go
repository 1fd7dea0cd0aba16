package vpn

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/test/netns"
)

// patience bounds every wait; a loaded machine is slow.
const patience = 30 * time.Second

// find returns the path of a program, and fails the test naming the Debian package where there is none.
func find(t testing.TB, name, debianPackage string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join("/usr/sbin", name)
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, debianPackage)
	}
	return path
}

// program is a process in a network, and what it says.
type program struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs c in n until the end of the test.
func start(t testing.TB, n *netns.Network, c *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(c.Path), cmd: c, ended: make(chan struct{})}
	c.Stdout, c.Stderr = p, p
	c.WaitDelay = time.Second // children that outlive it may hold its output
	if err := n.Start(c); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which stop ends
		defer close(p.ended)
		_ = c.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the program as a service manager does, and if that does not help, by force.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Write collects what the program says.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// running reports whether the program has not ended yet.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// waitFor waits until the program has said text.
func (p *program) waitFor(text string) {
	p.t.Helper()
	eventually(p.t, p.name+" says "+text, p.said, func() bool {
		said := strings.Contains(p.said(), text) // before it is asked whether it still runs: its last words count
		if !said && !p.running() {
			p.t.Fatalf("%s ended before it said %s\n%s", p.name, text, p.said())
		}
		return said
	})
}

// eventually waits for something, and if it does not come, fails with what tell tells.
func eventually(t testing.TB, what string, tell func() string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s\n%s", what, tell())
		}
	}
}

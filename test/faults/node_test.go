package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
)

const sharedSecret = "a shared secret of the tests"

// A node is one tandemd in a folder of its own.
type node struct {
	name, dir, addr string
	// kills counts the times it was ended with SIGKILL.
	kills atomic.Int64

	mu      sync.Mutex // guards what follows
	process *os.Process
	ended   chan struct{} // closed when process has ended
}

// start runs tandemd, and does not wait until it serves.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	log, err := os.OpenFile(n.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	c := exec.Command(filepath.Join(bin, "tandemd"), "--config", n.path("config.toml"))
	c.Stderr = log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.process, n.ended = c.Process, make(chan struct{})
	go func(ended chan<- struct{}) { // ends with the process, which stop or kill ends
		_ = c.Wait()
		close(ended)
	}(n.ended)
	return nil
}

// kill is kill -9. It returns when the process has gone.
func (n *node) kill() {
	if n.running() {
		n.kills.Add(1)
	}
	n.end(syscall.SIGKILL)
}

// stop ends the process as a service manager does, and with SIGKILL if it takes too long, which is the error.
func (n *node) stop() error {
	if n.end(syscall.SIGTERM) {
		return nil
	}
	n.end(syscall.SIGKILL)
	return fmt.Errorf("%s did not end on SIGTERM\n%s", n.name, n.said())
}

// end sends the process a signal that ends it, and reports whether it has gone after some time.
func (n *node) end(s syscall.Signal) (gone bool) {
	ended := n.signal(s)
	if ended == nil {
		return true
	}
	select {
	case <-ended:
		return true
	case <-time.After(patience):
		return false
	}
}

// signal sends the process a signal, if it was ever started, and returns what tells its end.
func (n *node) signal(s syscall.Signal) (ended <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	_ = n.process.Signal(s) // it may have ended meanwhile
	return n.ended
}

// pause stops the process in its tracks, resume ends that.
func (n *node) pause()  { n.signal(syscall.SIGSTOP) }
func (n *node) resume() { n.signal(syscall.SIGCONT) }

// reload has the process read its configuration anew and begin a new audit file, as logrotate does.
func (n *node) reload() {
	_ = os.Remove(n.path("audit.jsonl"))
	n.signal(syscall.SIGHUP)
}

func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// patience bounds every wait for a process that is to do something; a loaded machine is slow.
const patience = 30 * time.Second

// waitReady waits until the node answers Status-Server, and so says itself that it can decide. One that could not open its
// state, because the members were being killed just then, has ended, and is started again, as by a service manager.
func (n *node) waitReady() error {
	return n.wait("it to be ready", func() bool {
		if !n.running() {
			if err := n.start(); err != nil {
				return false
			}
		}
		return n.ready(200 * time.Millisecond)
	})
}

func (n *node) ready(patience time.Duration) bool {
	_, err := radiusclient.Status(context.Background(), n.client(patience, 0))
	return err == nil
}

// wait polls until done, or until the node ends.
func (n *node) wait(what string, done func() bool) error {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		switch {
		case !n.running():
			return fmt.Errorf("%s ended while waiting for %s\n%s", n.name, what, n.said())
		case time.Now().After(deadline):
			return fmt.Errorf("%s: waited %v in vain for %s\n%s", n.name, patience, what, n.said())
		}
	}
	return nil
}

func (n *node) client(timeout time.Duration, retries int) radiusclient.Config {
	return radiusclient.Config{Addr: n.addr, Secret: secret.New(sharedSecret), Timeout: timeout, Retries: retries}
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// said is the end of what the node has logged.
func (n *node) said() string {
	b, _ := os.ReadFile(n.path("log"))
	lines := bytes.Split(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// logged is how often the node has logged a text.
func (n *node) logged(text string) int {
	b, _ := os.ReadFile(n.path("log"))
	return bytes.Count(b, []byte(text))
}

// auditLine is what the tests look at of a line of the audit.
type auditLine struct{ NAS, Reason string }

func (n *node) audit(t testing.TB) (lines []auditLine) {
	t.Helper()
	f, err := os.Open(n.path("audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for d := json.NewDecoder(f); ; {
		var l auditLine
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return lines
		case err != nil:
			t.Fatalf("%s: %v", f.Name(), err)
		}
		lines = append(lines, l)
	}
}

// healthy asks /healthz.
func (n *node) healthy() bool {
	r, err := http.Get("http://" + n.addr + "/healthz")
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// usage is what a process holds.
type usage struct{ descriptors, goroutines, rss int }

func (u usage) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %.1f MB resident", u.descriptors, u.goroutines, float64(u.rss)/1e6)
}

// usage reads the node's own metrics.
func (n *node) usage() (u usage, err error) {
	r, err := http.Get("http://" + n.addr + "/metrics")
	if err != nil {
		return u, err
	}
	defer func() { _ = r.Body.Close() }()
	wanted := map[string]*int{
		"process_open_fds": &u.descriptors, "go_goroutines": &u.goroutines, "process_resident_memory_bytes": &u.rss,
	}
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if into := wanted[name]; into != nil {
			value, convErr := strconv.ParseFloat(text, 64)
			err = errors.Join(err, convErr)
			*into = int(value)
		}
	}
	if u.descriptors == 0 || u.goroutines == 0 || u.rss == 0 {
		err = errors.Join(err, fmt.Errorf("%s: figures are missing in /metrics: %v", n.name, u))
	}
	return u, err
}

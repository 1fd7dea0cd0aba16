// Package e2e tests Tandem from outside: the real tandemd, real LDAP servers, and radclient or our own client
// as the VPN.
package e2e

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/freeport"
	"tandem/verify/oath"
)

const sharedSecret = "a shared secret of the tests"

// bin holds the programs under test, as `make build` makes them.
var bin string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tandem-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	compile := exec.Command("go", "build", "-trimpath", "-o", dir, "tandem/cmd/tandemd", "tandem/cmd/tandem")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-o", dir, "tandem/cmd/tandem-pam").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build tandem-pam (apt-get install gcc libpam0g-dev): %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// token is what a user holds.
type token struct {
	key     string
	counter uint64 // of a HOTP token: the next code
}

func newToken(name string) *token {
	return &token{key: (name + " has a key of 20 octets or more")[:20]}
}

func (k *token) base32() string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(k.key)))
}

func (k *token) at(t testing.TB, counter uint64) string {
	t.Helper()
	code, err := oath.Settings{Digits: 6, Algorithm: "SHA1"}.Code(directory.Device{Secret: secret.New(k.key)}, counter)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// totp is the code of the step that is n away from now's.
func (k *token) totp(t testing.TB, n int64) string {
	t.Helper()
	return k.at(t, uint64(time.Now().Unix()/30+n))
}

// press is the next code of a HOTP token.
func (k *token) press(t testing.TB) string {
	t.Helper()
	k.counter++
	return k.at(t, k.counter-1)
}

// wrong is a code that is right nowhere near now.
func (k *token) wrong(t testing.TB) string {
	t.Helper()
	right := map[string]bool{}
	for n := int64(-4); n <= 4; n++ {
		right[k.totp(t, n)] = true
	}
	for i := 0; ; i++ {
		if c := fmt.Sprintf("%06d", i); !right[c] {
			return c
		}
	}
}

// steady waits until the present time step has at least the given time left, for a test whose steps
// must all fall into one time step.
func steady(t testing.TB, need time.Duration) {
	t.Helper()
	if left := time.Duration(30-time.Now().Unix()%30) * time.Second; left < need {
		time.Sleep(left + 100*time.Millisecond)
	}
}

// daemon is one tandemd in a folder of its own.
type daemon struct {
	t       testing.TB
	dir     string
	addr    string
	process *exec.Cmd
	mu      sync.Mutex
	log     bytes.Buffer
	ended   chan error
	inherit *os.File // the PAM socket, as systemd would pass it on; nil: none
}

// Write collects what the daemon says.
func (d *daemon) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// head is the part of the configuration that all tests share.
const head = `
[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[metrics]
listen = "METRICS"
[admin]
socket = "admin.sock"
[radius]
listen = ["ADDR"]
reject_delay = "100ms"
`

// newDaemon writes the configuration and starts tandemd. ADDR in it becomes the RADIUS address.
func newDaemon(t testing.TB, config string, files map[string]string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir(), addr: freeUDP(t)}
	for name, text := range files {
		d.write(name, text)
	}
	d.write("config.toml", head+config)
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) write(name, text string) {
	d.t.Helper()
	text = strings.NewReplacer("ADDR", d.addr, "METRICS", d.addr).Replace(text)
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func freeUDP(t testing.TB) string {
	t.Helper()
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// start runs tandemd and waits until it says that it can decide.
func (d *daemon) start() {
	d.t.Helper()
	d.run()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err := radiusclient.Status(ctx, d.client(100*time.Millisecond, 0))
		cancel()
		if err == nil {
			return
		}
		select {
		case end := <-d.ended:
			d.t.Fatalf("tandemd ended: %v\n%s", end, d.said())
		default:
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("tandemd does not answer: %v\n%s", err, d.said())
		}
	}
}

// run starts tandemd and does not wait.
func (d *daemon) run() {
	d.t.Helper()
	d.process = exec.Command(filepath.Join(bin, "tandemd"), "--config", filepath.Join(d.dir, "config.toml"))
	if d.inherit != nil {
		d.process = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pam exec "$0" "$@"`}, d.process.Args...)...)
		d.process.ExtraFiles = []*os.File{d.inherit}
	}
	d.process.Stderr = d
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.ended = make(chan error, 1)
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func(p *exec.Cmd, ended chan error) {
		ended <- p.Wait()
		close(ended)
	}(d.process, d.ended)
}

// stop ends tandemd as a service manager does.
func (d *daemon) stop() {
	_ = d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		_ = d.process.Process.Kill()
		d.t.Errorf("tandemd did not end on SIGTERM\n%s", d.said())
	}
}

// kill is kill -9.
func (d *daemon) kill() {
	_ = d.process.Process.Kill()
	<-d.ended
}

func (d *daemon) client(timeout time.Duration, retries int) radiusclient.Config {
	return radiusclient.Config{Addr: d.addr, Secret: secret.New(sharedSecret), Timeout: timeout, Retries: retries}
}

// login sends one Access-Request from 127.0.0.1. A nil reply is silence.
func (d *daemon) login(r radiusclient.Request) *radiusclient.Reply {
	d.t.Helper()
	if r.CallingStation == "" {
		r.CallingStation = "198.51.100.7"
	}
	return d.exchangeFrom("127.0.0.1", 8*time.Second, r)
}

func (d *daemon) try(user, typed string, state ...byte) *radiusclient.Reply {
	d.t.Helper()
	return d.login(radiusclient.Request{User: user, Password: secret.New(typed), State: state})
}

// want fails the test unless reply has that code, and tells what the daemon said.
func (d *daemon) want(reply *radiusclient.Reply, code radius.Code, what string) {
	d.t.Helper()
	switch {
	case reply == nil:
		d.t.Fatalf("%s: no reply, want %v\n%s", what, code, d.said())
	case reply.Code != code:
		d.t.Fatalf("%s: %v (%s), want %v\n%s", what, reply.Code, reply.Message, code, d.said())
	}
}

// line is an audit line.
type line struct {
	ID, Step, User, Account, Outcome, Reason, Client, NAS, Source, Policy string
	Factors                                                               []string
	Action, By                                                            string
}

func (d *daemon) audit() []line {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil {
		d.t.Fatal(err)
	}
	var lines []line
	for _, text := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			d.t.Fatalf("audit line %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func (d *daemon) lastReason() string {
	d.t.Helper()
	lines := d.audit()
	return lines[len(lines)-1].Reason
}

// hangUp sends SIGHUP and waits until the daemon says text.
func (d *daemon) hangUp(text string) {
	d.t.Helper()
	before := len(d.said())
	if err := d.process.Process.Signal(syscall.SIGHUP); err != nil {
		d.t.Fatal(err)
	}
	d.waitFor("a line with "+text, func() bool { return strings.Contains(d.said()[before:], text) })
}

func (d *daemon) waitFor(what string, done func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain for %s\n%s", what, d.said())
		}
	}
}

// tandem runs the admin's command and returns what it printed and its exit status.
func (d *daemon) tandem(stdin string, args ...string) (out string, status int) {
	d.t.Helper()
	c := exec.Command(filepath.Join(bin, "tandem"), append([]string{"--config", filepath.Join(d.dir, "config.toml")}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	b, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

// exchangeFrom asks from an address of this host; a nil reply is silence.
func (d *daemon) exchangeFrom(addr string, patience time.Duration, r radiusclient.Request) *radiusclient.Reply {
	d.t.Helper()
	if r.NASIdentifier == "" {
		r.NASIdentifier = "vpn1"
	}
	c := d.client(patience, 0)
	c.LocalAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 0)
	reply, err := radiusclient.Exchange(context.Background(), c, r)
	if errors.Is(err, radiusclient.ErrNoReply) {
		return nil
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return reply
}

// newDaemonThatCannotDecide is newDaemon for a configuration whose directory is out of reach.
func newDaemonThatCannotDecide(t testing.TB, config string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir(), addr: freeUDP(t)}
	d.write("config.toml", head+config)
	d.run()
	t.Cleanup(d.stop)
	d.waitFor("tandemd to serve", func() bool { return strings.Contains(d.said(), "tandemd serves") })
	return d
}

// page reads one of the daemon's pages.
func (d *daemon) page(path string) (status int, body string) {
	d.t.Helper()
	r, err := http.Get("http://" + d.addr + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

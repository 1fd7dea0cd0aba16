package pamhelper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"tandem/verify"
	"tandem/verify/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCore asks for a code once and takes "123456".
type fakeCore struct {
	mode policy.Mode
	// gate, if set, holds every step until it can be received from, or the step's time is over.
	gate chan struct{}

	mu       sync.Mutex
	attempts []verify.Attempt
}

func (f *fakeCore) Asks(_ context.Context, a verify.Attempt) (string, policy.Mode, error) {
	switch a.Policy {
	case "":
		return "", f.mode, nil
	case "elsewhere":
		return "", "", verify.ErrNoPolicyHolds
	}
	return "", "", verify.ErrNoSuchPolicy
}

func (f *fakeCore) Start(ctx context.Context, a verify.Attempt) verify.Verdict {
	if v, ok := f.step(ctx, a); !ok {
		return v
	}
	return verify.Verdict{Outcome: verify.Challenge, Message: "Code: ", State: []byte("state"), Echo: true, Plain: true}
}

func (f *fakeCore) Resume(ctx context.Context, _ []byte, a verify.Attempt) verify.Verdict {
	v, ok := f.step(ctx, a)
	switch {
	case !ok:
		return v
	case a.Secret.Reveal() == "123456":
		return verify.Verdict{Outcome: verify.Accept, Level: 2, Factor: "totp"}
	}
	return verify.Verdict{Message: "No.", Hold: true}
}

func (f *fakeCore) step(ctx context.Context, a verify.Attempt) (verify.Verdict, bool) {
	f.mu.Lock()
	f.attempts = append(f.attempts, a)
	f.mu.Unlock()
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return verify.Verdict{Outcome: verify.Unavailable, Reason: verify.ReasonTooLate}, false
		}
	}
	return verify.Verdict{}, true
}

func (f *fakeCore) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.attempts)
}

// desk is a running server.
type desk struct {
	path string
	core *fakeCore
	stop func()
}

func open(t *testing.T, change func(*Config)) *desk {
	t.Helper()
	dir, err := os.MkdirTemp("", "pam")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &desk{path: filepath.Join(dir, "pam.sock"), core: &fakeCore{mode: policy.Challenge}}
	c := Config{Path: d.path, Door: Door{Core: d.core, Log: slog.New(slog.DiscardHandler)}}
	if change != nil {
		change(&c)
	}
	s, err := Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(d.path); err == nil {
			t.Error("the socket was left behind")
		}
	})
	t.Cleanup(d.stop)
	return d
}

// client is a PAM module of the test's own.
type client struct {
	t    *testing.T
	conn *net.UnixConn
}

func (d *desk) dial(t *testing.T) *client {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t, conn}
}

func (c *client) say(kind frameType, payload string) {
	c.t.Helper()
	if err := writeFrame(c.conn, kind, []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hear(kind frameType, payload string) {
	c.t.Helper()
	gotKind, got, err := readFrame(c.conn)
	if err != nil || gotKind != kind || string(got) != payload {
		c.t.Fatalf("frame %#x %q, %v; not %#x %q", byte(gotKind), got, err, byte(kind), payload)
	}
}

func (c *client) hearResult(r code) {
	c.t.Helper()
	c.hear(frameResult, string(binary.BigEndian.AppendUint32(nil, uint32(r))))
}

func (c *client) hearEnd() {
	c.t.Helper()
	if kind, payload, err := readFrame(c.conn); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
		c.t.Fatalf("frame %#x %q, %v; not the end", byte(kind), payload, err)
	}
}

func TestConversation(t *testing.T) {
	d := open(t, nil)
	d.core.mode = policy.Challenge
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice", "service=login"))
	c.hear(framePrompt, "Password: ")
	c.say(frameAnswer, "pw")
	c.hear(framePromptEcho, "Code: ")
	c.say(frameAnswer, "1")
	c.hear(frameErrorText, "No.")
	c.hearResult(pamAuthErr)
	c.hearEnd()
	if a := d.core.attempts[0]; !strings.HasPrefix(a.NAS, "pam:process ") || d.core.attempts[1].NAS != a.NAS || a.Asked != policy.Challenge {
		t.Errorf("attempts %+v", d.core.attempts)
	}
}

func TestRejectsAreHeldBack(t *testing.T) {
	const delay = 300 * time.Millisecond
	d := open(t, func(c *Config) { c.RejectDelay = delay })
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice"))
	c.hear(framePrompt, "Password: ")
	c.say(frameAnswer, "pw")
	c.hear(framePromptEcho, "Code: ")
	began := time.Now()
	c.say(frameAnswer, "1")
	c.hear(frameErrorText, "No.")
	if took := time.Since(began); took < delay {
		t.Errorf("a reject after %v", took)
	}
}

// TestHostileModules: what keeps not to the protocol gets no result but "unavailable", and asks nobody.
func TestHostileModules(t *testing.T) {
	d := open(t, nil)
	for name, sent := range map[string]string{
		"nothing": "", "half a header": "\x01\x00", "an oversized hello": "\x01\x00\x00\x40\x00", "an answer first": "\x02\x00\x00\x00\x00", "HTTP": "GET / HTTP/1.1\r\n\r\n",
		"a hello that is none": "\x01\x00\x00\x00\x03abc", "the server's own frames": "\x89\x00\x00\x00\x04\x00\x00\x00\x00",
	} {
		c := d.dial(t)
		_, _ = io.WriteString(c.conn, sent)
		_ = c.conn.CloseWrite()
		for {
			kind, payload, err := readFrame(c.conn)
			if err != nil {
				break
			}
			if kind == frameResult && binary.BigEndian.Uint32(payload) != uint32(pamAuthinfoUnavail) || kind != frameResult && kind != frameSyslog {
				t.Errorf("%s: frame %#x %q", name, byte(kind), payload)
			}
		}
	}
	for _, second := range []frameType{frameHello, frameResult, 0, 0xff} {
		c := d.dial(t)
		c.say(frameHello, goodHello("user=alice"))
		c.hear(framePrompt, "Password: ")
		c.say(second, "pw")
		c.hearEnd()
	}
	if d.core.count() != 0 {
		t.Errorf("the core was asked: %+v", d.core.attempts)
	}
}

func TestAnotherVersion(t *testing.T) {
	d := open(t, nil)
	c := d.dial(t)
	c.say(frameHello, "version=2.0\x00action=authenticate\x00user=alice\x00")
	kind, payload, err := readFrame(c.conn)
	if err != nil || kind != frameSyslog || !strings.Contains(string(payload), `version "2.0"`) {
		t.Fatalf("frame %#x %q, %v", byte(kind), payload, err)
	}
	c.hearResult(pamAuthinfoUnavail)
}

// TestRow42_UserGoneInMidPrompt: a conversation whose other side left ends, and nothing is counted.
func TestRow42_UserGoneInMidPrompt(t *testing.T) {
	for name, leave := range map[string]func(*client){
		"hangs up":             func(c *client) { _ = c.conn.Close() },
		"says that it leaves":  func(c *client) { c.say(frameConversationError, "\x00\x00\x00\x13") },
		"in mid-frame":         func(c *client) { _, _ = io.WriteString(c.conn, "\x02\x00\x00\x00\x06123"); _ = c.conn.Close() },
		"leaves an empty word": func(c *client) { c.say(frameConversationError, ""); _ = c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil)
			c := d.dial(t)
			c.say(frameHello, goodHello("user=alice"))
			c.hear(framePrompt, "Password: ")
			c.say(frameAnswer, "pw")
			c.hear(framePromptEcho, "Code: ")
			leave(c)
			if name == "says that it leaves" {
				c.hearEnd() // before the stop, whose deadline could come first
			}
			d.stop() // returns when the conversation has ended
			if d.core.count() != 1 {
				t.Errorf("attempts %+v", d.core.attempts)
			}
		})
	}
}

// TestRow40_SlowUser is no reason to look dead.
func TestRow40_SlowUser(t *testing.T) {
	d := open(t, nil)
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice", "timeout=1"))
	c.hear(framePrompt, "Password: ")
	c.hearResult(pamAuthErr)
}

// TestRow40_SlowCore neither.
func TestRow40_SlowCore(t *testing.T) {
	d := open(t, nil)
	d.core.gate = make(chan struct{})
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice", "timeout=5"))
	c.hear(framePrompt, "Password: ")
	began := time.Now()
	c.say(frameAnswer, "pw")
	c.hearResult(pamAuthErr)
	if took := time.Since(began); took > 1250*time.Millisecond {
		t.Errorf("the answer took %v: the module had given up", took)
	}
}

// TestRow40_Shutdown: who waits for a user ends, who waits for the core gets its answer.
func TestRow40_Shutdown(t *testing.T) {
	d := open(t, nil)
	d.core.gate = make(chan struct{})
	waiting, deciding := d.dial(t), d.dial(t)
	waiting.say(frameHello, goodHello("user=alice"))
	waiting.hear(framePrompt, "Password: ")
	deciding.say(frameHello, goodHello("user=bob"))
	deciding.hear(framePrompt, "Password: ")
	deciding.say(frameAnswer, "pw")
	for d.core.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan struct{})
	go func() { d.stop(); close(stopped) }()
	waiting.hearResult(pamAuthinfoUnavail)
	select {
	case <-stopped:
		t.Error("it did not wait for the core")
	default:
	}
	close(d.core.gate)
	deciding.hear(framePromptEcho, "Code: ")
	deciding.hearResult(pamAuthinfoUnavail)
	<-stopped
}

// TestRow40_Overload: more conversations than there is room for are turned away, but not as "unavailable",
// and an ordinary user cannot take the room of others.
func TestRow40_Overload(t *testing.T) {
	d := open(t, nil)
	var held []*client
	for range maxConversations {
		c := d.dial(t)
		c.say(frameHello, goodHello("user=alice", "uid=0"))
		c.hear(framePrompt, "Password: ")
		held = append(held, c)
	}
	d.dial(t).turnedAway()
	_ = held[0].conn.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c := d.dial(t)
		_ = writeFrame(c.conn, frameHello, []byte(goodHello("user=alice", "uid=0"))) // it may have been turned away already
		if kind, _, err := readFrame(c.conn); err == nil && kind == framePrompt {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a place that was left stays taken")
		}
	}
}

// TestRow40_CallersOfSudoCannotFillTheRoom: sudo runs as root for whoever calls it.
func TestRow40_CallersOfSudoCannotFillTheRoom(t *testing.T) {
	d := open(t, nil)
	for uid := range maxCalled/maxPerUser + 2 {
		for range maxPerUser + 1 {
			c := d.dial(t)
			c.say(frameHello, goodHello("user=alice", "service=sudo", fmt.Sprintf("uid=%d", 1000+uid)))
			if kind, _, err := readFrame(c.conn); err != nil || kind != framePrompt && kind != frameResult {
				t.Fatalf("frame %#x, %v", byte(kind), err)
			}
		}
	}
	root := d.dial(t)
	root.say(frameHello, goodHello("user=root", "service=sshd", "uid=0"))
	root.hear(framePrompt, "Password: ")
}

// TestRow40_StoppedBeforeHello: a user can stop sudo between its connecting and its hello.
func TestRow40_StoppedBeforeHello(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for five seconds")
	}
	d := open(t, nil)
	d.dial(t).hearResult(pamAuthErr)
}

// TestRow40_RejectDelayFitsTheTimeout: a reject that is held back leaves before the module gives up.
func TestRow40_RejectDelayFitsTheTimeout(t *testing.T) {
	d := open(t, func(c *Config) { c.RejectDelay = 3 * time.Second })
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice", "uid=0", "timeout=2"))
	c.hear(framePrompt, "Password: ")
	c.say(frameAnswer, "password")
	c.hear(framePromptEcho, "Code: ")
	began := time.Now()
	c.say(frameAnswer, "wrong")
	_, _, err := readFrame(c.conn)
	if took := time.Since(began); err != nil || took < 300*time.Millisecond || took > 2*time.Second {
		t.Fatalf("the reject came after %v, %v", took, err)
	}
}

func TestRow40_OneUserCannotFillTheRoom(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	d := open(t, func(c *Config) { c.UserName = func(uint32) (string, error) { return "mallory", nil } })
	for range maxPerUser {
		d.dialAs(t, 65534).prompt()
	}
	d.dialAs(t, 65534).turnedAway()
	d.dialAs(t, 65533).prompt()
	d.dial(t).prompt()
}

// turnedAway says hello, to a server that may have hung up already, and must hear no instead of a prompt.
func (c *client) turnedAway() {
	c.t.Helper()
	_ = writeFrame(c.conn, frameHello, []byte(goodHello("user=mallory", "uid=0")))
	c.hearResult(pamAuthErr)
}

func (c *client) prompt() {
	c.t.Helper()
	c.say(frameHello, goodHello("user=mallory"))
	c.hear(framePrompt, "Password: ")
}

// dialAs connects as another user: the kernel remembers whose thread called connect(2).
func (d *desk) dialAs(t *testing.T, uid int) (c *client) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			t.Error(errno)
			return
		}
		c = d.dial(t)
	}()
	<-done
	return c
}

// TestRow41_OrdinaryUsers: an ordinary user's process asks only about that user, and what it
// says of its origin is not believed.
func TestRow41_OrdinaryUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	d := open(t, func(c *Config) { c.UserName = func(uint32) (string, error) { return "mallory", nil } })
	c := d.dialAs(t, 65534)
	c.say(frameHello, goodHello("user=alice"))
	if kind, _, err := readFrame(c.conn); err != nil || kind != frameSyslog {
		t.Fatalf("frame %#x, %v", byte(kind), err)
	}
	c.hearResult(pamAuthinfoUnavail)

	c = d.dialAs(t, 65534)
	c.say(frameHello, goodHello("user=mallory", "service=sshd", "ssh_auth_info=publickey k", "rhost=192.0.2.1"))
	c.hear(framePrompt, "Password: ")
	c.say(frameAnswer, "pw")
	c.hear(framePromptEcho, "Code: ")
	if a := d.core.attempts[0]; a.Source != "" || a.FirstFactorDone || a.User != "mallory" {
		t.Errorf("attempt %+v", a)
	}
}

// TestKeyServices: a public key counts only where sshd says so.
func TestKeyServices(t *testing.T) {
	for _, tc := range []struct {
		service, info string
		services      []string
		done          bool
	}{
		{"sshd", "publickey ssh-ed25519 AAAA\n", nil, true},
		{"sshd", "password\npublickey ssh-ed25519 AAAA\n", nil, true},
		{"sshd", "", nil, false},
		{"sshd", "password", nil, false},
		{"sshd", "publickeyish x", nil, false},
		{"sshd", "hostbased publickey", nil, false},
		{"sudo", "publickey ssh-ed25519 AAAA\n", nil, false},
		{"sshd", "publickey x", []string{"other"}, false},
		{"other", "publickey x", []string{"other"}, true},
	} {
		door := Door{KeyServices: tc.services}
		h := &hello{service: tc.service, authInfo: tc.info}
		if got := door.keyChecked(h, peer{uid: 0}); got != tc.done {
			t.Errorf("%+v: %v", tc, got)
		}
		if door.keyChecked(h, peer{uid: uint32(os.Geteuid()) + 1}) {
			t.Errorf("%+v: an ordinary user was believed", tc)
		}
	}
}

func TestSocket(t *testing.T) {
	for mode, wanted := range map[os.FileMode]os.FileMode{0: 0o666, 0o600: 0o600} {
		d := open(t, func(c *Config) { c.Mode = mode })
		if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != wanted {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if left, err := os.ReadDir(filepath.Dir(d.path)); err != nil || len(left) != 1 {
			t.Errorf("in its folder: %v, %v", left, err)
		}
		if _, err := Listen(Config{Path: d.path}); err == nil || !strings.Contains(err.Error(), "another tandemd") {
			t.Errorf("a second daemon: %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Config{Path: file}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file was replaced: %v", err)
	}
	if _, err := Listen(Config{Path: "/nowhere/at/all"}); err == nil || !strings.Contains(err.Error(), "mkdir") {
		t.Errorf("no folder: %v", err)
	}
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	s, err := Listen(Config{Path: dead, Door: Door{Log: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestConverseOnASocketPair: the way of a helper.
func TestConverseOnASocketPair(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends []*net.UnixConn
	for _, fd := range pair {
		f := os.NewFile(uintptr(fd), "socket pair")
		conn, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ends = append(ends, conn.(*net.UnixConn))
	}
	door := Door{Core: &fakeCore{mode: policy.CodeOnly}, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- door.Converse(context.Background(), ends[0]) }()
	c := &client{t, ends[1]}
	c.say(frameHello, goodHello("user=alice"))
	c.hear(framePromptEcho, "Code: ")
	c.say(frameAnswer, "123456")
	c.hear(framePutEnvironment, "TANDEM_LEVEL=2")
	c.hear(framePutEnvironment, "TANDEM_FACTOR=totp")
	c.hearResult(pamSuccess)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestCodes(t *testing.T) {
	all := []code{pamSuccess, pamAuthErr, pamAuthinfoUnavail, pamMaxtries, pamIgnore, 99}
	if !slices.Equal(all, []code{0, 7, 9, 11, 25, 99}) || all[5].String() != "PAM code 99" || all[0].String() != "PAM_SUCCESS" {
		t.Error(all)
	}
}

// TestRow40_ACrowdDoesNotLookLikeBeingDown: what many logins at once can bring about is a no, since a stack may ignore a
// tandemd that is down.
func TestRow40_ACrowdDoesNotLookLikeBeingDown(t *testing.T) {
	for reason, want := range map[verify.Reason]code{
		verify.ReasonFactorDown: pamAuthErr, verify.ReasonTooLate: pamAuthErr, verify.ReasonOverloaded: pamAuthErr,
		verify.ReasonStoreDown: pamAuthinfoUnavail, verify.ReasonDirectoryDown: pamAuthinfoUnavail,
	} {
		if got := codeOf(verify.Verdict{Outcome: verify.Unavailable, Reason: reason}, false); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	d := open(t, nil)
	c := d.dial(t)
	c.say(frameHello, goodHello("user=alice", "policy=elsewhere"))
	c.hearResult(pamAuthErr) // no policy is for this user
}

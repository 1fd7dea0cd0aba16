package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/admin"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/rule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCore challenges once and accepts the answer "right". It knows one user.
type fakeCore struct {
	mu       sync.Mutex
	attempts []verify.Attempt
	records  map[string][]byte
}

func (f *fakeCore) Start(_ context.Context, a verify.Attempt) verify.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, a)
	if a.Explain != nil {
		a.Explain(verify.Decision{Step: "user", Text: "found"})
	}
	return verify.Verdict{Outcome: verify.Challenge, Message: "Code: ", State: []byte("state"), AttemptID: "42"}
}

func (f *fakeCore) Resume(_ context.Context, state []byte, a verify.Attempt) verify.Verdict {
	if string(state) == "state" && a.Secret.Reveal() == "right" {
		return verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK, AttemptID: "42"}
	}
	return verify.Verdict{Outcome: verify.Reject, Reason: verify.ReasonWrongCode, Message: "No.", AttemptID: "42"}
}

func (f *fakeCore) Unlock(_ context.Context, name string) (string, time.Time, error) {
	if name != "Alice" {
		return "", time.Time{}, errors.New("no such user")
	}
	return "alice", time.Unix(1_800_000_000, 0), nil
}

func (f *fakeCore) Preview(_ context.Context, a verify.Attempt, at time.Time) (verify.Preview, error) {
	if a.User != "Alice" {
		return verify.Preview{}, errors.New("no such user")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, a)
	// All groups of somebody who is in many.
	return verify.Preview{Time: at, Name: a.User, User: &verify.PreviewUser{Groups: slices.Repeat([]string{strings.Repeat("g", 100)}, 5000)}}, nil
}

func (f *fakeCore) Record(_ context.Context, name, key string) (string, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "Alice" {
		return "", nil, errors.New("no such user")
	}
	return "alice", f.records[key], nil
}

func (f *fakeCore) PutRecord(_ context.Context, name, key string, value []byte) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "Alice" {
		return "", errors.New("no such user")
	}
	f.records[key] = value
	return "alice", nil
}

func (f *fakeCore) ConfirmDevice(_ context.Context, name string, d directory.Device, codes []secret.String) (string, verify.Use, error) {
	switch {
	case name != "Alice":
		return "", verify.Use{}, errors.New("no such user")
	case d.Secret.Reveal() != "a key" || d.Epoch != 7 || d.Digits != 8 || d.Period != 60 || d.Algorithm != "SHA256":
		return "", verify.Use{}, errors.New("the device was lost on the way")
	case codes[0].Reveal() != "right":
		return "", verify.Use{}, fmt.Errorf("%w for now", verify.ErrWrongCode)
	}
	return "alice", verify.Use{Text: "step 1"}, nil
}

func (f *fakeCore) Spend(_ context.Context, name string, _ directory.Device, numbers []uint64) (string, error) {
	if name != "Alice" || len(numbers) != 2 {
		return "", errors.New("no such user")
	}
	return "alice", nil
}

func (f *fakeCore) Resync(_ context.Context, name, deviceID string, codes []secret.String) (account, found string, err error) {
	if name != "Alice" || deviceID != "ID" || len(codes) != 2 {
		return "", "", verify.ErrUsedCode
	}
	return "alice", "57 ahead", nil
}

func (f *fakeCore) Describe(_ context.Context, name string) (verify.Description, error) {
	if name != "Alice" {
		return verify.Description{}, errors.New("no such user")
	}
	return verify.Description{Name: "alice"}, nil
}

type desk struct {
	path    string
	core    *fakeCore
	actions []admin.Action
	audit   error
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{path: filepath.Join(t.TempDir(), "admin.sock"), core: &fakeCore{records: map[string][]byte{}}}
	s, err := admin.Listen(admin.Config{
		Path: d.path, Core: d.core, Log: slog.New(slog.DiscardHandler),
		Audit: func(a admin.Action) error {
			d.actions = append(d.actions, a)
			return d.audit
		},
		Status: func(context.Context) admin.Status { return admin.Status{Version: "v", PID: 7} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(d.path); err == nil {
			t.Error("the socket was left behind")
		}
	})
	return d
}

func (d *desk) do(t *testing.T, r admin.Request, each func(admin.Reply) (string, error)) (admin.Reply, error) {
	t.Helper()
	c, err := admin.Dial(d.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Do(r, each)
}

func TestStatus(t *testing.T) {
	d := open(t)
	reply, err := d.do(t, admin.Request{Op: admin.OpStatus}, nil)
	if err != nil || reply.Status == nil || reply.Status.PID != 7 {
		t.Fatalf("%+v, %v", reply, err)
	}
}

func TestUnlockIsAudited(t *testing.T) {
	d := open(t)
	reply, err := d.do(t, admin.Request{Op: admin.OpUnlock, User: "Alice"}, nil)
	if err != nil || reply.Account != "alice" || reply.Until == nil {
		t.Fatalf("%+v, %v", reply, err)
	}
	if len(d.actions) != 1 || d.actions[0].Action != "unlock" || d.actions[0].User != "Alice" || d.actions[0].By == "" || int(d.actions[0].PID) != os.Getpid() {
		t.Fatalf("audit: %+v", d.actions)
	}
	if _, err := d.do(t, admin.Request{Op: admin.OpUnlock, User: "nobody"}, nil); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Fatalf("error %v", err)
	}
	d.audit = errors.New("disk full")
	if _, err := d.do(t, admin.Request{Op: admin.OpUnlock, User: "Alice"}, nil); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Fatalf("unlocked without an audit line: %v", err)
	}
}

func TestTryWithChallengeAndExplanation(t *testing.T) {
	d := open(t)
	for answer, outcome := range map[string]string{"right": "accept", "wrong": "reject"} {
		var told, prompted []string
		last, err := d.do(t, admin.Request{Op: admin.OpTry, User: "alice", Secret: "pw", Policy: "p", Explain: true}, func(r admin.Reply) (string, error) {
			if r.Decision != nil {
				told = append(told, r.Decision.Text)
			}
			if r.Prompt != "" {
				prompted = append(prompted, r.Prompt)
			}
			return answer, nil
		})
		if err != nil || last.Outcome != outcome || last.AttemptID != "42" {
			t.Fatalf("%+v, %v", last, err)
		}
		if len(told) != 1 || len(prompted) != 1 || prompted[0] != "Code: " {
			t.Fatalf("told %q, prompted %q", told, prompted)
		}
	}
	if a := d.core.attempts[0]; a.Door != "admin" || !strings.HasPrefix(a.Client, "admin:") || a.Policy != "p" {
		t.Fatalf("attempt %+v", a)
	}
}

func TestPolicy(t *testing.T) {
	d := open(t)
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	r := admin.Request{Op: admin.OpPolicy, User: "Alice", Policy: "p", Source: "192.0.2.1", Login: &admin.Login{
		Via: "pam", Client: "c", Level: 2, Service: "sshd", NASIdentifier: "n", NASIP: "i", NASPortType: "t", Time: &at,
		Domains: []string{"CORP"}, Realms: []string{"corp.example.com"},
	}}
	last, err := d.do(t, r, nil)
	if err != nil || last.Preview == nil || !last.Preview.Time.Equal(at) || len(last.Preview.User.Groups) != 5000 {
		t.Fatalf("%+v, %v", last, err)
	}
	want := verify.Attempt{
		User: "Alice", Policy: "p", Source: "192.0.2.1", Door: "pam", Client: "c", Level: 2, Service: "sshd",
		Station: rule.NAS{Identifier: "n", IP: "i", PortType: "t"},
		Names:   directory.Names{Domains: []string{"CORP"}, Realms: []string{"corp.example.com"}},
	}
	if got := d.core.attempts[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("asked about %+v", got)
	}
	if last, err := d.do(t, admin.Request{Op: admin.OpPolicy, User: "Alice"}, nil); err != nil || !last.Preview.Time.IsZero() {
		t.Errorf("without a login: %+v, %v", last, err)
	}
	if _, err := d.do(t, admin.Request{Op: admin.OpPolicy, User: "nobody"}, nil); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("error %v", err)
	}
	if len(d.actions) != 0 {
		t.Errorf("in the audit: %+v", d.actions)
	}
}

func TestSocketModeAndSecondDaemon(t *testing.T) {
	d := open(t)
	info, err := os.Stat(d.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := admin.Listen(admin.Config{Path: d.path}); err == nil || !strings.Contains(err.Error(), "another tandemd") {
		t.Fatalf("a second daemon: %v", err)
	}
}

func TestSocketThatWasLeftBehindIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := admin.Listen(admin.Config{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(admin.Config{Path: other}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("a file was replaced: %v", err)
	}
}

func TestHostileClients(t *testing.T) {
	d := open(t)
	for name, sent := range map[string]string{
		"not JSON": "hello\n", "too long": strings.Repeat("x", 70<<10), "cut off": `{"op":`, "nothing": "",
	} {
		c, err := net.Dial("unix", d.path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(sent))
		_ = c.(*net.UnixConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d octets, %v", name, n, err)
		}
		c.Close()
	}
	if _, err := d.do(t, admin.Request{Op: "reboot"}, nil); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Fatalf("unknown request: %v", err)
	}
	if _, err := d.do(t, admin.Request{Op: admin.OpStatus}, nil); err != nil {
		t.Fatalf("after all that: %v", err)
	}
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	if _, err := admin.Dial(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Fatalf("no socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dial(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("a file: %v", err)
	}
}

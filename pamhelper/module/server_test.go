package module_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"tandem/pamhelper"
	"tandem/verify"
	"tandem/verify/policy"
)

// fakeCore takes the password "right", and then, in every mode but append, the code "123456".
type fakeCore struct {
	mode policy.Mode
	// verdict, if set, is the answer to everything.
	verdict *verify.Verdict

	mu       sync.Mutex
	attempts []verify.Attempt
}

func (f *fakeCore) Asks(_ context.Context, a verify.Attempt) (string, policy.Mode, error) {
	if a.Policy == "none" {
		return "", "", verify.ErrNoSuchPolicy
	}
	return a.Policy, cmp.Or(f.mode, policy.Challenge), nil
}

func (f *fakeCore) note(a verify.Attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, a)
}

// seen are the attempts so far.
func (f *fakeCore) seen() []verify.Attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attempts
}

func (f *fakeCore) Start(_ context.Context, a verify.Attempt) verify.Verdict {
	f.note(a)
	switch typed := a.Secret.Reveal(); {
	case f.verdict != nil:
		return *f.verdict
	case a.FirstFactorDone && typed == "123456":
		return verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK}
	case a.FirstFactorDone && typed == "", !a.FirstFactorDone && typed == "right":
		return verify.Verdict{Outcome: verify.Challenge, Message: "Code of " + a.User + ": ", State: []byte("state"), Plain: true}
	case typed == "right123456":
		v := verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK}
		v.Password = secretOf("right")
		return v
	}
	return rejected
}

func (f *fakeCore) Resume(_ context.Context, state []byte, a verify.Attempt) verify.Verdict {
	f.note(a)
	switch {
	case string(state) != "state":
		return verify.Verdict{Reason: verify.ReasonBadState}
	case a.Secret.Reveal() == "123456":
		return verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK}
	case a.Secret.Reveal() == "again":
		return verify.Verdict{Outcome: verify.Challenge, Message: "Wrong code. Code: ", State: []byte("state")}
	}
	return rejected
}

var rejected = verify.Verdict{Reason: verify.ReasonWrongCode, Message: "Login failed.", Hold: true}

// serve runs the real server before core and returns its socket.
func serve(t *testing.T, core *fakeCore) string {
	t.Helper()
	path := filepath.Join(folder(t), "pam.sock")
	s, err := pamhelper.Listen(pamhelper.Config{
		Path: path,
		Door: pamhelper.Door{
			Core: core, Log: slog.New(slog.DiscardHandler), KeyServices: []string{"app"},
			UserName: func(uid uint32) (string, error) {
				if uid == nobody {
					return "nobody", nil
				}
				return "", errors.New("no such user")
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return path
}

// pretend listens as a server of the test's own and gives its connections to f, one after the other.
func pretend(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	path := filepath.Join(folder(t), "pam.sock")
	pretendAt(t, path, f)
	return path
}

func pretendAt(t *testing.T, path string, f func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
}

// tandemLine is a stack of our module alone.
func tandemLine(path, options string) []string {
	return []string{"auth required MODULE socket=" + path + " " + options}
}

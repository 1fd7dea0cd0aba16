package external_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/external/command"
	"tandem/verify/external/pattern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func alice() *directory.User {
	return &directory.User{
		ID: "id-alice", Name: "alice", Mail: "alice@example.org", Phone: "+49 170 1234512",
		Attributes: map[string][]string{"cn": {"Alice Liddell"}, "multi": {"a", "b"}, "token": {"T-1"}},
	}
}

// script writes a shell script, and returns its path.
func script(t testing.TB, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// words is a command line as LemonLDAP::NG splits it.
func words(t testing.TB, line string) *command.Template {
	t.Helper()
	tmpl, err := command.Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func codes(t testing.TB, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logged is what a factor has logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// fill completes a Config as internal/config does.
func fill(c external.Config) external.Config {
	if c.Name == "" {
		c.Name = "sms"
	}
	c.Label = "SMS"
	c.Lifetime, c.ResendInterval = 5*time.Minute, time.Minute
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = 4
	}
	return c
}

func newFactor(t testing.TB, c external.Config) (verify.Factor, *logged) {
	t.Helper()
	log := new(logged)
	f, err := external.New(fill(c), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f, log
}

func newChecker(t testing.TB, c external.Config) (verify.Checker, *logged) {
	t.Helper()
	f, log := newFactor(t, c)
	checker, ok := f.(verify.Checker)
	if !ok {
		t.Fatalf("%T is no Checker", f)
	}
	return checker, log
}

func newSender(t testing.TB, c external.Config) (verify.Sender, *logged) {
	t.Helper()
	f, log := newFactor(t, c)
	sender, ok := f.(verify.Sender)
	if !ok {
		t.Fatalf("%T is no Sender", f)
	}
	return sender, log
}

// lines are those of a file that scripts write; none if they have not.
func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

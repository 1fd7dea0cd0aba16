package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/pamhelper/local"
)

// helper writes a shell script that stands in for tandem-pam.
func helper(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

var alice = &directory.User{Name: "alice"}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		script   string
		wrong    bool // ErrWrongPassword
		complain string
	}{
		"right":     {script: `[ "$1 $2" = "password svc" ] && [ "$(tr '\0' ' ')" = "alice s3cret" ]`},
		"wrong":     {script: "exit 1", wrong: true},
		"failed":    {script: "echo no such service >&2; exit 3", complain: "no such service"},
		"killed":    {script: "kill -9 $$", complain: "killed"},
		"noisy":     {script: "head -c 100000 /dev/zero >&2; exit 7", complain: "exit status 7"},
		"clean env": {script: `[ "$(env | grep -cv '^\(PATH\|LC_ALL\|PWD\|OLDPWD\|SHLVL\|_\)=')" = 0 ]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LD_PRELOAD_X", "leak")
			checker, err := local.New(helper(t, c.script), "svc")
			if err != nil {
				t.Fatal(err)
			}
			err = checker.CheckPassword(t.Context(), alice, "s3cret")
			switch {
			case c.wrong != errors.Is(err, directory.ErrWrongPassword):
				t.Fatalf("error %v", err)
			case c.complain != "" && (err == nil || !strings.Contains(err.Error(), c.complain)):
				t.Fatalf("error %v, want one with %q", err, c.complain)
			case c.complain == "" && !c.wrong && err != nil:
				t.Fatal(err)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || len(err.Error()) > 6000) {
				t.Fatalf("the error tells too much: %.200s", err)
			}
		})
	}
}

func TestHangEndsWithItsChildren(t *testing.T) {
	checker, err := local.New(helper(t, "sleep 1000 & wait"), "svc")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := checker.CheckPassword(ctx, alice, "x"); err == nil || errors.Is(err, directory.ErrWrongPassword) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
}

func TestEmptyPasswordIsRefused(t *testing.T) {
	checker, err := local.New(helper(t, "exit 0"), "svc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"", "a\x00b"} {
		if err := checker.CheckPassword(t.Context(), alice, p); err == nil || errors.Is(err, directory.ErrWrongPassword) {
			t.Errorf("password %q: %v", p, err)
		}
	}
}

func TestHelperThatOthersCanChangeIsRefused(t *testing.T) {
	writable := helper(t, "exit 0")
	if err := os.Chmod(writable, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		writable: "chmod", "relative": "absolute", "/nonexistent": "no such file", "/etc/passwd": "no program",
	} {
		if _, err := local.New(path, "svc"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

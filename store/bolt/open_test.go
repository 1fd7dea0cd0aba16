package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"group may read", func(p string) error { return os.Chmod(p, 0o640) }, "chmod 0600"},
		{"others may write", func(p string) error { return os.Chmod(p, 0o602) }, "chmod 0600"},
		{"somebody else's", func(p string) error {
			if os.Geteuid() != 0 {
				t.Skip("needs root to give a file away")
			}
			return os.Chown(p, 65534, 65534)
		}, "chown"},
		{"symbolic link", func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) }, "symbolic link"},
		{"folder", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, "is a directory"},
		{"FIFO", func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o600)) }, "not a regular file"},
		{"no folder", func(p string) error { return os.RemoveAll(filepath.Dir(p)) }, "mkdir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpener(t, filepath.Join(t.TempDir(), "lib"))
			if err := os.Mkdir(filepath.Dir(o.path), 0o700); err != nil {
				t.Fatal(err)
			}
			writeSample(t, o)
			if err := tt.make(o.path); err != nil {
				t.Fatal(err)
			}
			s, err := o.open()
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), o.path) {
				t.Errorf("error %v, want one with %q and the path", err, tt.want)
			}
		})
	}
}

func TestOpenMakesAFile(t *testing.T) {
	var log strings.Builder
	o := newOpener(t, t.TempDir())
	o.log = textLogger(&log)
	defer unix.Umask(unix.Umask(0))
	s := o.mustOpen(t)
	info, err := os.Stat(o.path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %s (%v), want 0600", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "could be used once more") {
		t.Errorf("the log does not warn: %s", &log)
	}
	wantOnly(t, o.path)
	log.Reset()
	if err := errors.Join(claim(t.Context(), s, "a"), s.Close()); err != nil {
		t.Fatal(err)
	}
	wantClaimed(t, o.mustOpen(t), []string{"a"})
	if log.Len() != 0 {
		t.Errorf("opening the file again logged %s", &log)
	}
}

func TestSecondProcess(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	second, err := o.open()
	if err == nil {
		_ = second.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "another tandemd") || !strings.Contains(err.Error(), o.path) {
		t.Errorf("error %v, want one about another tandemd", err)
	}
	if err := claim(t.Context(), s, "a"); err != nil {
		t.Errorf("the first: %v", err)
	}
}

// A daemon that starts while its predecessor ends waits for the lock a little.
func TestSuccessorWaits(t *testing.T) {
	o := newOpener(t, t.TempDir())
	first := o.mustOpen(t)
	opened := make(chan error, 1)
	go func() {
		second, err := o.open()
		if err == nil {
			err = errors.Join(claim(t.Context(), second, "a"), second.Close())
		}
		opened <- err
	}()
	if err := errors.Join(claim(t.Context(), first, "b"), first.Close(), <-opened); err != nil {
		t.Error(err)
	}
	wantClaimed(t, o.mustOpen(t), []string{"a", "b"})
}

package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tandem/store"
)

// wantRefused checks that nothing is served, and that the refusal names what failed.
func wantRefused(t *testing.T, s *DB, cause error) {
	t.Helper()
	ran := false
	for what, err := range map[string]error{
		"Update": s.Update(t.Context(), func(store.Tx) error { ran = true; return nil }),
		"View":   s.View(t.Context(), func(store.Reader) error { ran = true; return nil }),
		"Check":  s.Check(t.Context()),
	} {
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("%s: %v, want ErrUnavailable because of %q", what, err, cause)
		}
	}
	if ran {
		t.Error("a function ran on a stopped store")
	}
	if !s.Stats().Stopped {
		t.Error("the statistics do not say that it is stopped")
	}
}

func TestRow45_DiskFull(t *testing.T) {
	disk := newTmpfs(t, "1m")
	o := newOpener(t, disk.dir)
	s := o.mustOpen(t)
	free := disk.fill(t)

	var keys []string
	var failed error
	for n := 0; failed == nil; n++ {
		key := fmt.Sprint("key ", n)
		failed = s.Update(t.Context(), func(tx store.Tx) error {
			tx.Put(key, make([]byte, store.MaxValue), 0)
			return nil
		})
		if failed == nil {
			keys = append(keys, key)
		}
	}
	if !errors.Is(failed, store.ErrUnavailable) || !errors.Is(failed, unix.ENOSPC) {
		t.Fatalf("a full disk is %v, want ErrUnavailable because of ENOSPC", failed)
	}
	wantRefused(t, s, unix.ENOSPC)

	// Still full when it is opened again: refused, and stopped once more.
	o.clock.Advance(reopenAfter)
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		for n := range 8 {
			tx.Put(fmt.Sprint("large ", n), make([]byte, store.MaxValue), 0)
		}
		return nil
	}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("still full: %v", err)
	}
	wantRefused(t, s, unix.ENOSPC)

	free()
	wantRefused(t, s, unix.ENOSPC) // not before it is time
	o.clock.Advance(reopenAfter)
	wantClaimed(t, s, keys)
	if err := claim(t.Context(), s, "afterwards"); err != nil {
		t.Errorf("there is space again: %v", err)
	}
}

// The disk dies under us: this is how a failed fsync really comes. It comes back.
func TestRow45_DiskFailsAndComesBack(t *testing.T) {
	disk := newExt4(t)
	o := newOpener(t, disk.dir)
	s := o.mustOpen(t)
	if err := claim(t.Context(), s, "before"); err != nil {
		t.Fatal(err)
	}
	disk.cut(t)
	if err := claim(t.Context(), s, "during"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, unix.EIO) {
		t.Fatalf("claim on a dead disk: %v, want ErrUnavailable because of EIO", err)
	}
	wantRefused(t, s, unix.EIO)
	o.clock.Advance(reopenAfter)
	wantRefused(t, s, unix.EIO) // and has let go of the file, so that the disk can be repaired
	disk.restore(t)
	o.clock.Advance(reopenAfter)
	wantClaimed(t, s, []string{"before"})
	if err := claim(t.Context(), s, "after"); err != nil {
		t.Errorf("the disk is back: %v", err)
	}
}

func TestRow45_ReadOnly(t *testing.T) {
	disk := newTmpfs(t, "1m")
	o := newOpener(t, disk.dir)
	s := o.mustOpen(t)
	if err := claim(t.Context(), s, "before"); err != nil {
		t.Fatal(err)
	}
	// The kernel lets nobody make a file system read-only while a file on it is open for
	// writing. So first fail in another way.
	failCommits(s, unix.EIO)
	_ = claim(t.Context(), s, "during")
	if err := os.Chmod(o.path, 0o644); err != nil {
		t.Fatal(err)
	}
	o.clock.Advance(reopenAfter)
	wantRefused(t, s, unix.EIO)
	if err := os.Chmod(o.path, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", "-o", "remount,ro", disk.dir)
	o.clock.Advance(reopenAfter)
	wantRefused(t, s, unix.EROFS)
	command(t, "mount", "-o", "remount,rw", disk.dir)
	s.sync = s.toDisk
	o.clock.Advance(reopenAfter)
	wantClaimed(t, s, []string{"before"})
	if err := claim(t.Context(), s, "after"); err != nil {
		t.Errorf("writable again: %v", err)
	}
}

// failCommits lets commits happen and then says that they failed, as an fsync does.
func failCommits(s *DB, cause error) {
	s.sync = func(f *stateFile, group int) error { return errors.Join(s.toDisk(f, group), cause) }
}

func TestRow45_FailedSyncStopsTheStore(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	failCommits(s, unix.EIO)
	if err := claim(t.Context(), s, "a"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, unix.EIO) {
		t.Fatalf("failed sync: %v", err)
	}
	s.sync = s.toDisk // the next sync would say that all is well
	wantRefused(t, s, unix.EIO)
	o.clock.Advance(reopenAfter - 1)
	wantRefused(t, s, unix.EIO)
	o.clock.Advance(1)
	// A reader alone must be enough to have it opened again.
	if err := s.View(t.Context(), func(store.Reader) error { return nil }); err != nil {
		t.Errorf("View when it is time: %v", err)
	}
	if err := errors.Join(s.Check(t.Context()), claim(t.Context(), s, "b")); err != nil {
		t.Error(err)
	}
	if s.Stats().Stopped {
		t.Error("the statistics say that it is stopped")
	}
}

// The same with a panic, after which bbolt's own locks are worth nothing.
func TestRow45_PanicStopsTheStore(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	cause := errors.New("page expected to be 7")
	s.sync = func(f *stateFile, _ int) error {
		_, _ = f.bolt.Begin(false) // a lock that nobody will ever let go of
		panic(cause)
	}
	for i := range 3 {
		if err := claim(t.Context(), s, fmt.Sprint("attempt ", i)); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("panic in a commit: %v", err)
		}
		if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), cause.Error()) {
			t.Fatalf("Check: %v", err)
		}
		o.clock.Advance(reopenAfter)
	}
	s.sync = s.toDisk
	if err := claim(t.Context(), s, "a"); err != nil {
		t.Error(err)
	}
}

// What one of a group read may be what its neighbour wrote: if that never came to be, neither
// yes nor no is an answer.
func TestRow45_FailedCommitAnswersTheWholeGroup(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	failCommits(s, unix.EIO)
	errs := inOneGroup(t, s,
		func(tx store.Tx) error { tx.Put("a", nil, 0); return nil },
		func(tx store.Tx) error {
			if v, _ := tx.Get("a"); v != nil {
				return errClaimed
			}
			return nil
		},
	)
	for i, err := range errs {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("number %d of the group: %v, want ErrUnavailable", i, err)
		}
	}
}

func TestFileReplaced(t *testing.T) {
	tests := []struct {
		name    string
		replace func(t *testing.T, path string)
		want    string
	}{
		{"removed", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "gone while in use"},
		{"another in its place", func(t *testing.T, path string) {
			other := newOpener(t, t.TempDir())
			if err := other.mustOpen(t).Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(other.path, path); err != nil {
				t.Fatal(err)
			}
		}, "replaced while in use"},
		{"cut off", func(t *testing.T, path string) {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, "cut off from"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpener(t, t.TempDir())
			s := o.mustOpen(t)
			if err := claim(t.Context(), s, "a"); err != nil {
				t.Fatal(err)
			}
			tt.replace(t, o.path)
			for range 2 { // opening again must not take up another file
				if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Check: %v, want %q", err, tt.want)
				}
				o.clock.Advance(reopenAfter)
			}
			if err := claim(t.Context(), s, "a"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("claim: %v", err)
			}
		})
	}
}

// Reading asks nobody how long the file is: what is not there any more cannot be read, and stops the store.
func TestReadingBeyondTheEndStops(t *testing.T) {
	for name, left := range map[string]int64{"the meta pages are left": 2 * int64(os.Getpagesize()), "nothing is left": 0} {
		t.Run(name, func(t *testing.T) {
			o := newOpener(t, t.TempDir())
			writeSample(t, o)
			s := o.mustOpen(t)
			if err := os.Truncate(o.path, left); err != nil {
				t.Fatal(err)
			}
			read := func() error {
				return s.View(t.Context(), func(r store.Reader) error {
					v, err := r.Get("record 0001")
					if err == nil {
						t.Errorf("a record of a file that was cut off is %q", v)
					}
					return nil
				})
			}
			if err := soon(t, read); !errors.Is(err, store.ErrUnavailable) || !s.Stats().Stopped {
				t.Errorf("%v; stopped: %t", err, s.Stats().Stopped)
			}
			o.clock.Advance(reopenAfter)
			for what, again := range map[string]func() error{"View": read, "Update": func() error { return claim(t.Context(), s, "a") }} {
				if err := soon(t, again); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := soon(t, s.Close); err != nil {
				t.Error(err)
			}
		})
	}
}

// A disk that loses what it said was synced, and a backup copied over the file, look the same.
func TestOlderContentIsNotTakenUp(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	backup, err := os.ReadFile(o.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim(t.Context(), s, "a"); err != nil {
		t.Fatal(err)
	}
	failCommits(s, unix.EIO)
	_ = claim(t.Context(), s, "b")
	if err := os.WriteFile(o.path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sync = s.toDisk
	o.clock.Advance(reopenAfter)
	if err := claim(t.Context(), s, "a"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("claim: %v, want ErrCorrupt", err)
	}
}

// A read of a mapped page that is not there must not end the process.
func TestGuardSurvivesFaults(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "short"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	err = guard(func() error { return fmt.Errorf("read %d", mapped[0]) })
	if panicIn(err) == nil {
		t.Errorf("guard returned %v, want a *panicError", err)
	}
}

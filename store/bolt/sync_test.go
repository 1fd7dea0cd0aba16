package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/store"
)

func newAsync(t *testing.T) *asyncSync {
	t.Helper()
	a, err := newAsyncSync()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.close() })
	return a
}

// One login at a time, so that each commit is an asynchronous sync.
func TestRow44_PowerCutAfterALoneCommit(t *testing.T) {
	disk := newExt4(t)
	o := newOpener(t, disk.dir)
	var keys []string
	for round := range 3 {
		s := o.mustOpen(t)
		if s.async == nil {
			t.Fatal("no asynchronous sync on this kernel")
		}
		wantClaimed(t, s, keys)
		for n := range 20 {
			key := fmt.Sprintf("%d/%d", round, n)
			if err := claim(t.Context(), s, key); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		disk.cut(t)
		if err := s.Close(); err != nil {
			t.Logf("closing on a dead disk: %v", err)
		}
		disk.restore(t)
	}
	wantClaimed(t, o.mustOpen(t), keys)
}

func TestRow45_AsyncSyncTellsErrors(t *testing.T) {
	disk := newExt4(t)
	f, err := os.Create(filepath.Join(disk.dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := newAsync(t)
	write := func() (begun bool, err error) {
		if _, err := f.WriteString("content"); err != nil {
			t.Logf("write: %v", err)
		}
		return a.sync(f.Fd())
	}
	for range 3 {
		if begun, err := write(); !begun || err != nil {
			t.Fatalf("begun %t, %v", begun, err)
		}
	}
	disk.cut(t)
	if begun, err := write(); !begun || !errors.Is(err, unix.EIO) {
		t.Errorf("on a dead disk: begun %t, %v, want EIO", begun, err)
	}
}

// A kernel that knows nothing of it, or a sandbox that refuses it.
func TestWithoutAsyncSync(t *testing.T) {
	if begun, err := newAsync(t).sync(^uintptr(0)); begun || !errors.Is(err, unix.EBADF) {
		t.Errorf("of no file: begun %t, %v, want EBADF", begun, err)
	}
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	if err := s.async.close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"refused", "not tried again"} {
		if err := claim(t.Context(), s, key); err != nil || s.async != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	wantClaimed(t, s, []string{"refused", "not tried again"})
}

// A sync whose outcome is not known stops the store, and what it leaves behind is nobody else's outcome.
func TestRow45_AnAsyncSyncOfUnknownOutcome(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	if err := s.async.event.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := claim(t.Context(), s, "unknown"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v, want ErrUnavailable because the wait ended", err)
	}
	wantRefused(t, s, os.ErrDeadlineExceeded)
	o.clock.Advance(reopenAfter)
	for _, key := range []string{"one", "two"} {
		if err := claim(t.Context(), s, key); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	wantClaimed(t, s, []string{"one", "two"})
}

// The kernel takes some fifty milliseconds to let go of it: too much for one login.
func TestABriefStoreSyncsByItself(t *testing.T) {
	o := newOpener(t, t.TempDir())
	b := NewBrief(o.options())
	for n := range 2 { // the first makes the file
		if err := b.with(t.Context(), func(d *DB) error {
			if d.async != nil {
				t.Error("it set up asynchronous I/O")
			}
			return claim(t.Context(), d, fmt.Sprint(n))
		}); err != nil {
			t.Fatal(err)
		}
	}
}

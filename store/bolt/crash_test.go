package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"tandem/store"
)

var errClaimed = errors.New("claimed already")

// claim claims key as a login claims its code.
func claim(ctx context.Context, s store.Store, key string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		switch v, err := tx.Get(key); {
		case err != nil:
			return err
		case v != nil:
			return errClaimed
		}
		tx.Put(key, []byte("claimed"), 0)
		return nil
	})
}

// claimers claim keys that begin with prefix, from several goroutines, until claiming fails, and
// tell acknowledged of each that was acknowledged.
func claimers(ctx context.Context, s store.Store, prefix string, acknowledged func(key string)) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%s/%d/%d", prefix, i, n)
				if claim(ctx, s, key) != nil {
					return
				}
				acknowledged(key)
			}
		})
	}
	all.Wait()
}

// wantClaimed checks that no key could be claimed again.
func wantClaimed(t *testing.T, s store.Store, keys []string) {
	t.Helper()
	for _, key := range keys {
		if err := claim(t.Context(), s, key); !errors.Is(err, errClaimed) {
			t.Fatalf("%s of %d acknowledged claims can be claimed again: %v", key, len(keys), err)
		}
	}
}

func TestRow44_PowerCut(t *testing.T) {
	disk := newExt4(t)
	o := newOpener(t, disk.dir)
	var (
		mu   sync.Mutex
		keys []string
	)
	for round := range 4 {
		s := o.mustOpen(t)
		wantClaimed(t, s, keys)
		enough := make(chan struct{})
		go func() {
			defer close(enough)
			n := 0
			claimers(t.Context(), s, fmt.Sprint(round), func(key string) {
				mu.Lock()
				defer mu.Unlock()
				keys = append(keys, key)
				if n++; n == 300 {
					disk.cut(t) // while others are in the middle of it
				}
			})
		}()
		<-enough
		if err := s.Close(); err != nil {
			t.Logf("closing on a dead disk: %v", err)
		}
		disk.restore(t)
	}
	wantClaimed(t, o.mustOpen(t), keys)
	t.Logf("%d claims over 4 power cuts", len(keys))
}

// A process that was killed between writing a meta page and syncing it leaves a state that only
// the page cache has. Whoever opens the file builds upon it, so it must be on the disk first.
func TestRow44_WhatOpenReadsIsOnDisk(t *testing.T) {
	disk := newExt4(t)
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	if err := errors.Join(claim(t.Context(), s, "a"), s.Close()); err != nil {
		t.Fatal(err)
	}
	from := o.path
	o.path = filepath.Join(disk.dir, "state.db")
	for _, suffix := range []string{"", ".witness"} { // without its witness it would be written to, and synced, at once
		content, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.path+suffix, content, 0o600); err != nil { // not synced
			t.Fatal(err)
		}
	}
	if err := o.mustOpen(t).Close(); err != nil {
		t.Fatal(err)
	}
	disk.cut(t)
	disk.restore(t)
	// A folder is not ours to sync: somebody else put the file there. ext4 syncs a new file's name with it.
	wantClaimed(t, o.mustOpen(t), []string{"a"})
}

// childPath, in the environment, makes the test binary a claimant that waits to be killed.
const childPath = "TANDEM_TEST_CLAIM_IN"

// claimUntilKilled prints each claim that was acknowledged.
func claimUntilKilled(path string) {
	s, err := Open(Options{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	claimers(context.Background(), s, fmt.Sprint(os.Getpid()), func(key string) {
		// One write a line, so that none is torn.
		_, _ = os.Stdout.WriteString(key + "\n")
	})
}

func TestRow44_KillNine(t *testing.T) {
	o := newOpener(t, t.TempDir())
	var keys []string
	for range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+o.path)
		child.Stderr = t.Output()
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			keys = append(keys, lines.Text())
			if n++; n == 300 {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil || n < 300 {
			t.Fatalf("the claimant ended by itself (%v) after %d claims", err, n)
		}
		s := o.mustOpen(t)
		wantClaimed(t, s, keys)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d claims over 4 kills", len(keys))
}

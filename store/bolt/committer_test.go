package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tandem/store"
)

// block keeps the committer busy until the returned function is called.
func block(t *testing.T, s *DB) (unblock func()) {
	t.Helper()
	return pausing(t, func(pause func()) error {
		return s.Update(context.Background(), func(store.Tx) error { pause(); return nil })
	})
}

// pausing begins run and waits until it pauses; goOn lets it go on, and waits for its end.
func pausing(t *testing.T, run func(pause func()) error) (goOn func()) {
	t.Helper()
	paused, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- run(func() {
			close(paused)
			<-release
		})
	}()
	<-paused
	return func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// inOneGroup runs the functions in one commit, in this order, and returns their errors.
func inOneGroup(t *testing.T, s *DB, fns ...func(store.Tx) error) []error {
	t.Helper()
	unblock := block(t, s)
	results := make([]chan error, len(fns))
	for i, fn := range fns {
		results[i] = make(chan error, 1)
		go func() { results[i] <- s.Update(t.Context(), fn) }()
		waitFor(t, func() bool { return len(s.queue) == i+1 })
	}
	unblock()
	errs := make([]error, len(fns))
	for i := range fns {
		errs[i] = <-results[i]
	}
	return errs
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for 10 s in vain")
		}
	}
}

func TestGroupCommit(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	errOwn := errors.New("own")
	errs := inOneGroup(t, s,
		func(tx store.Tx) error { tx.Put("a", []byte("1"), 0); return nil },
		func(tx store.Tx) error { tx.Put("a", []byte("2"), 0); return errOwn },
		func(tx store.Tx) error { tx.Put("a", []byte("3"), 0); panic("on purpose") },
		func(tx store.Tx) error {
			v, err := tx.Get("a")
			tx.Put("seen", v, 0)
			return err
		},
	)
	if errs[0] != nil || !errors.Is(errs[1], errOwn) || !errors.Is(errs[2], store.ErrUnavailable) || errs[3] != nil {
		t.Errorf("errors: %v", errs)
	}
	if err := s.View(t.Context(), func(r store.Reader) error {
		v, err := r.Get("seen")
		if string(v) != "1" {
			return fmt.Errorf("the fourth saw %q, want what the first wrote", v)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	stats := s.Stats()
	if stats.Commits != 1 || stats.Updates != 4 || stats.MeanGroup != 4 || stats.FileSize == 0 || stats.Stopped {
		t.Errorf("%+v, want one commit of four", stats)
	}
}

// A crowd waits for others as long as the commit before took; a few, or behind a slow one, wait for nobody.
func TestCrowdWaitsForOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		before time.Duration
		size   int
		waits  bool
	}{
		{"few", maxPause / 2, crowd - 1, false},
		{"crowd", maxPause / 2, crowd, true},
		{"crowd behind a slow commit", maxPause + 1, crowd, false},
		{"enough", maxPause / 2, enough, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOpener(t, t.TempDir())
			s := o.mustOpen(t)
			results := make(chan error, c.size+1)
			ask := func(name string, waiting int) {
				go func() { results <- claim(t.Context(), s, name) }()
				waitFor(t, func() bool { return len(s.queue) == waiting })
			}
			var pauses []time.Duration
			s.pause = func(d time.Duration) {
				pauses = append(pauses, d)
				ask("later", 1)
			}
			unblock := block(t, s)
			for i := range c.size {
				ask(fmt.Sprint(i), i+1)
			}
			o.clock.Advance(c.before)
			unblock()
			finish := func(n int) {
				for range n {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
			}
			finish(c.size)
			finish(len(pauses)) // who came later
			var want []time.Duration
			group := c.size
			if c.waits {
				want, group = []time.Duration{c.before}, c.size+1
			}
			if stats := s.Stats(); !slices.Equal(pauses, want) || stats.Commits != 1 || stats.Updates != uint64(group) {
				t.Errorf("waited %v, %+v; want %v and one commit of %d", pauses, stats, want, group)
			}
		})
	}
}

// Those who have time share a commit with whoever comes, and hold up nobody.
func TestUnhurried(t *testing.T) {
	const long = time.Hour
	for _, c := range []struct {
		name     string
		patience time.Duration
		size     int
		then     func(*DB) error // what happens while they wait
	}{
		{"nobody comes", 2 * time.Second, crowd, nil},
		{"there are enough", long, enough, nil},
		{"somebody comes who has no time", long, crowd, func(s *DB) error { return claim(context.Background(), s, "hurried") }},
		{"the store closes", long, crowd, (*DB).Close},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newOpener(t, t.TempDir()).mustOpen(t)
			s.patience = c.patience
			s.pause = func(time.Duration) { t.Error("they wait once more, as a crowd") }
			unblock := block(t, s)
			results := make(chan error, c.size+1)
			for i := range c.size {
				go func() { results <- claim(store.Unhurried(context.Background()), s, fmt.Sprint(i)) }()
				waitFor(t, func() bool { return len(s.queue) == i+1 })
			}
			began := time.Now()
			unblock()
			answers := c.size
			if c.then != nil {
				waitFor(t, func() bool { return len(s.queue) == 0 })
				time.Sleep(5 * time.Millisecond) // a committer that does not wait would be done with them
				go func() { results <- c.then(s) }()
				answers++
			}
			for range answers {
				if err := soon(t, func() error { return <-results }); err != nil {
					t.Error(err)
				}
			}
			if time.Since(began) >= c.patience {
				t.Error("they wait to the end of their patience")
			}
			if stats := s.Stats(); stats.Commits != 1 {
				t.Errorf("%d commits, want one", stats.Commits)
			}
		})
	}
}

// They wait for as long as others come, but not for ever.
func TestUnhurriedHaveAnEnd(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	s.patience = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first := make(chan error, 1)
	go func() { first <- claim(store.Unhurried(ctx), s, "first") }()
	for n := 0; ; n++ {
		select {
		case err := <-first:
			if stats := s.Stats(); err != nil || stats.Updates >= enough {
				t.Errorf("%v; it waited for %d others", err, stats.Updates-1)
			}
			return
		case <-time.After(4 * time.Millisecond): // less than a gap, and too few of them in all
			go func() { _ = claim(store.Unhurried(ctx), s, fmt.Sprint(n)) }()
		}
	}
}

// Other processes wait while a store is open that is closed again soon: nobody lingers in it.
func TestBriefStoreDoesNotLinger(t *testing.T) {
	for brief, want := range map[bool]time.Duration{true: 0, false: maxLinger} {
		o := newOpener(t, t.TempDir()).options()
		o.brief = brief
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := errors.Join(claim(store.Unhurried(ctx), s, "a"), s.Close()); err != nil || s.patience != want {
			t.Errorf("brief %t: those who have time wait for %v, want %v (%v)", brief, s.patience, want, err)
		}
	}
}

func TestContextEndsWhileWaiting(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	unblock := block(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	ran, result := false, make(chan error, 1)
	go func() { result <- s.Update(ctx, func(store.Tx) error { ran = true; return nil }) }()
	waitFor(t, func() bool { return len(s.queue) == 1 })
	cancel()
	// It must not wait for those before it.
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	unblock()
	if err := claim(t.Context(), s, "the next commit"); err != nil || ran {
		t.Errorf("%v, the function ran: %t", err, ran)
	}
}

func TestContextEndsWhileRunning(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		cancel()
		tx.Put("a", nil, 0)
		return nil
	})
	if err != nil {
		t.Errorf("error %v, want the outcome of the commit that was under way", err)
	}
	wantClaimed(t, s, []string{"a"})
}

func TestQueueIsBounded(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	unblock := block(t, s)
	results := make(chan error, maxWaiting)
	for i := range maxWaiting {
		go func() { results <- claim(t.Context(), s, fmt.Sprint(i)) }()
	}
	waitFor(t, func() bool { return len(s.queue) == maxWaiting })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := claim(ctx, s, "one too many"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want DeadlineExceeded", err)
	}
	unblock()
	for range maxWaiting {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	unblock := block(t, s)
	result, closed := make(chan error, 1), make(chan error, 1)
	go func() { result <- claim(t.Context(), s, "a") }()
	waitFor(t, func() bool { return len(s.queue) == 1 })
	go func() { closed <- s.Close() }()
	unblock()
	if err := errors.Join(<-result, <-closed); err != nil {
		t.Fatal(err)
	}
	wantClaimed(t, o.mustOpen(t), []string{"a"})
}

func TestTransactionEndsWithItsFunction(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	var tx store.Tx
	var r store.Reader
	if err := errors.Join(
		s.Update(t.Context(), func(t store.Tx) error { tx = t; return nil }),
		s.View(t.Context(), func(v store.Reader) error { r = v; return nil }),
	); err != nil {
		t.Fatal(err)
	}
	for _, ended := range []store.Reader{tx, r} {
		if _, err := ended.Get("a"); !errors.Is(err, errEnded) {
			t.Errorf("Get after the end: %v", err)
		}
	}
}

func TestExpiredRecordsAreRemoved(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	const many = 1000
	for i := 0; i < many; i += 100 {
		update(t, s, func(tx store.Tx) error {
			for j := range 100 {
				tx.Put(fmt.Sprint(i+j), nil, time.Minute)
			}
			return nil
		})
	}
	o.clock.Advance(time.Minute)
	for range many/sweepAtLeast + 1 {
		update(t, s, func(tx store.Tx) error { tx.Put("stays", nil, 0); return nil })
	}
	if err := s.state.bolt.View(func(tx *bbolt.Tx) error {
		records, index := tx.Bucket(recordsBucket).Inspect().KeyN, tx.Bucket(expiryBucket).Inspect().KeyN
		if records != 1 || index != 0 {
			return fmt.Errorf("%d records and %d expiry entries are left, want 1 and 0", records, index)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, goroutines := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			s, err := Open(Options{Path: filepath.Join(b.TempDir(), "state.db"), Logger: discard})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			work := make(chan int, 1024)
			errs := make(chan error, goroutines)
			b.ResetTimer()
			for range goroutines {
				go func() {
					var err error
					for n := range work {
						err = errors.Join(err, s.Update(context.Background(), func(tx store.Tx) error {
							key := fmt.Sprintf("user %d", n%10_000)
							v, err := tx.Get(key)
							tx.Put(key, append(v[:0], "a high-water mark of some bytes"...), 0)
							return err
						}))
					}
					errs <- err
				}()
			}
			for n := range b.N {
				work <- n
			}
			close(work)
			for range goroutines {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(s.Stats().MeanGroup, "updates/commit")
		})
	}
}

package bolt

import (
	"bytes"
	"fmt"
	"testing"

	"tandem/store"
)

// wantRead checks that a View now finds want under "a".
func wantRead(t *testing.T, s *DB, when, want string) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		got, err := r.Get("a")
		if err == nil && string(got) != want {
			err = fmt.Errorf("read %q, want %q", got, want)
		}
		return err
	}); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}

func put(t *testing.T, s *DB, value string) {
	t.Helper()
	update(t, s, func(tx store.Tx) error { tx.Put("a", []byte(value), 0); return nil })
}

// roomy opens a store whose file has room: where it must grow, bbolt waits until nobody reads.
func roomy(t *testing.T) *DB {
	t.Helper()
	s := newOpener(t, t.TempDir()).mustOpen(t)
	for _, write := range []func(tx store.Tx, key string){
		func(tx store.Tx, key string) { tx.Put(key, bytes.Repeat([]byte{1}, store.MaxValue), 0) },
		store.Tx.Delete,
	} {
		update(t, s, func(tx store.Tx) error {
			for i := range 16 {
				write(tx, fmt.Sprint(i))
			}
			return nil
		})
	}
	return s
}

// longView is a View that has begun, and read, and ends when end is called.
func longView(t *testing.T, s *DB) (end func()) {
	t.Helper()
	return pausing(t, func(pause func()) error {
		return s.View(t.Context(), func(r store.Reader) error {
			_, err := r.Get("a")
			pause()
			return err
		})
	})
}

// Reads are used again, and still each View reads every Update that returned before.
func TestReadsAreOfTheNewestState(t *testing.T) {
	s := roomy(t)
	for _, value := range []string{"1", "2", "3"} {
		put(t, s, value)
		wantRead(t, s, "after an Update", value)
		wantRead(t, s, "again", value)
	}

	end := longView(t, s)
	put(t, s, "beside a View")
	end()
	wantRead(t, s, "after a View that began before the Update", "beside a View")

	var endOther func()
	update(t, s, func(tx store.Tx) error {
		endOther = longView(t, s)
		tx.Put("a", []byte("around a View"), 0)
		return nil
	})
	endOther()
	wantRead(t, s, "after a View that began within the Update", "around a View")
}

// Idle reads do not hold up a file that has to grow, which waits until nobody reads.
func TestReadsDoNotHoldUpGrowth(t *testing.T) {
	s := newOpener(t, t.TempDir()).mustOpen(t)
	before := s.Stats().FileSize
	for i := range 64 {
		put(t, s, fmt.Sprint(i))
		for n := range 8 {
			update(t, s, func(tx store.Tx) error {
				tx.Put(fmt.Sprint(i, " ", n), bytes.Repeat([]byte{1}, store.MaxValue), 0)
				return nil
			})
		}
		wantRead(t, s, "while the file grows", fmt.Sprint(i))
	}
	if after := s.Stats().FileSize; after < 4*before {
		t.Errorf("the file grew from %d to %d bytes: this test shows nothing", before, after)
	}
}

// There are not more idle reads than are worth it.
func TestReadsAreBounded(t *testing.T) {
	s := roomy(t)
	var ends []func()
	for range 2 * mostIdle {
		ends = append(ends, longView(t, s))
	}
	for _, end := range ends {
		end()
	}
	if idle, open := len(s.state.reads.idle), s.state.bolt.Stats().OpenTxN; idle != mostIdle || open != mostIdle {
		t.Errorf("%d idle and %d open, want %d", idle, open, mostIdle)
	}
	put(t, s, "x")
	if idle, open := len(s.state.reads.idle), s.state.bolt.Stats().OpenTxN; idle != 0 || open != 0 {
		t.Errorf("after a commit: %d idle and %d open, want none", idle, open)
	}
}

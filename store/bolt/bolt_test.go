package bolt

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/store"
	"tandem/store/storetest"
	"tandem/test/apart"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		claimUntilKilled(path)
		return
	}
	apart.Main()
	goleak.VerifyTestMain(m)
}

var discard = slog.New(slog.DiscardHandler)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// An opener opens the state file of a test, again and again if need be, by one clock.
type opener struct {
	path  string
	clock *storetest.Clock
	log   *slog.Logger
}

func newOpener(t *testing.T, dir string) *opener {
	t.Helper()
	return &opener{
		path:  filepath.Join(dir, "state.db"),
		clock: storetest.NewClock(),
		log:   textLogger(t.Output()),
	}
}

func (o *opener) options() Options {
	return Options{Path: o.path, Now: o.clock.Now, Logger: o.log, Program: "tandem of the test"}
}

func (o *opener) open() (*DB, error) { return Open(o.options()) }

func (o *opener) mustOpen(t *testing.T) *DB {
	t.Helper()
	d, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := soon(t, d.Close); err != nil {
			t.Error(err)
		}
	})
	return d
}

// update waits for an Update, but not for ever.
func update(t testing.TB, s *DB, fn func(store.Tx) error) {
	t.Helper()
	if err := soon(t, func() error { return s.Update(t.Context(), fn) }); err != nil {
		t.Fatal(err)
	}
}

// soon returns f's error, unless f waits for ever.
func soon(t testing.TB, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for ever")
		return nil
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		o := newOpener(t, t.TempDir())
		return storetest.Backend{
			Store:  o.mustOpen(t),
			Clock:  o.clock,
			Reopen: func(t *testing.T) store.Store { return o.mustOpen(t) },
		}
	})
}

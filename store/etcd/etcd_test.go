package etcd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/store"
	"tandem/store/storetest"
	"tandem/test/etcdtest"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		// The conformance suite mostly waits, for etcd's disk and for time to pass: more of it at once than there
		// are processors.
		"test.parallel": "16",
		// A mutant that was caught is to leave nothing behind.
		"rapid.nofailfile": "true",
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// prefixes keeps apart the tests that share a cluster.
var prefixes atomic.Int64

func freshPrefix() string { return fmt.Sprintf("test-%d/", prefixes.Add(1)) }

func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = textLogger(t.Output())
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var errTaken = errors.New("claimed already")

// claim is what a login does with a code.
func claim(ctx context.Context, s store.Store, code string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		held, err := tx.Get(code)
		switch {
		case err != nil:
			return err
		case held != nil:
			return errTaken
		}
		tx.Put(code, []byte("used"), 0)
		return nil
	})
}

// value reads a key.
func value(s *Store, key string) (v []byte, err error) {
	err = s.View(context.Background(), func(r store.Reader) (err error) {
		v, err = r.Get(key)
		return err
	})
	return v, err
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			c := etcdtest.Start(t, members)
			storetest.Run(t, func(t *testing.T) storetest.Backend {
				t.Parallel()
				o := Options{Endpoints: c.Endpoints(), Prefix: freshPrefix(), Timeout: 10 * time.Second}
				return storetest.Backend{
					Store:  mustOpen(t, o),
					Reopen: func(t *testing.T) store.Store { return mustOpen(t, o) },
				}
			})
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	c := etcdtest.Start(b, 1)
	for _, goroutines := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			s := mustOpen(b, Options{Endpoints: c.Endpoints(), Prefix: freshPrefix(), Timeout: 10 * time.Second})
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range goroutines {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := s.Update(context.Background(), func(tx store.Tx) error {
							key := fmt.Sprintf("user %d", n%10_000)
							v, err := tx.Get(key)
							tx.Put(key, append(v[:0], "a high-water mark of some bytes"...), 0)
							return err
						}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

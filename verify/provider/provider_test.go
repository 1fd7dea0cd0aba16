package provider_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tandem/verify/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("broken")

func TestRow38_HangingCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := provider.New(provider.Limits{Timeout: time.Second, MaxConcurrent: 2})
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- g.Do(t.Context(), hang) }()
		}
		synctest.Wait()
		began := time.Now()
		if err := g.Do(t.Context(), hang); !errors.Is(err, provider.ErrBusy) || time.Since(began) != 0 {
			t.Errorf("a third call: %v after %s", err, time.Since(began))
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the calls took %s", took)
		}
	})
}

func TestRestsAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := provider.New(provider.Limits{MaxFailures: 3, Rest: time.Minute})
		calls := 0
		call := func(err error) error {
			return g.Do(t.Context(), func(context.Context) error { calls++; return err })
		}
		for range 3 {
			if err := call(errBroken); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
		if err := call(nil); !errors.Is(err, provider.ErrResting) || calls != 3 {
			t.Fatalf("%v after %d calls", err, calls)
		}
		time.Sleep(time.Minute + time.Second)
		if err := call(nil); err != nil || calls != 4 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

func TestImpatientCallersProveNothing(t *testing.T) {
	g := provider.New(provider.Limits{MaxFailures: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Do(ctx, func(ctx context.Context) error { return ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := g.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestCallersOutOfTimeProveNothing: a login that waited for its turn, with 20 ms left, says nothing about the provider.
func TestCallersOutOfTimeProveNothing(t *testing.T) {
	g := provider.New(provider.Limits{Timeout: 4 * time.Second, MaxFailures: 2, Rest: time.Minute})
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_ = g.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		cancel()
	}
	if err := g.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

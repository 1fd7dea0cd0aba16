package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/store"
)

// What callers may rely upon while others are at it too.

// parallel runs f n times at once and returns when all have ended.
func parallel(n int, f func(i int)) {
	var (
		start = make(chan struct{})
		all   sync.WaitGroup
	)
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// A code that a thousand present at once is accepted once.
func compareAndSet(t *testing.T, b Backend) {
	const claimants, rounds = 200, 5
	errTaken := errors.New("claimed already")
	for round := range rounds {
		var won, lost atomic.Int32
		key := fmt.Sprint("claim ", round)
		parallel(claimants, func(i int) {
			err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				v, err := tx.Get(key)
				if err != nil {
					return err
				}
				if v != nil {
					return errTaken
				}
				tx.Put(key, []byte(strconv.Itoa(i)), time.Hour)
				return nil
			})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, errTaken):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
		if won.Load() != 1 || lost.Load() != claimants-1 {
			t.Fatalf("round %d: %d won and %d lost, want 1 and %d", round, won.Load(), lost.Load(), claimants-1)
		}
	}
}

func number(r store.Reader, key string) (int, error) {
	v, err := r.Get(key)
	if err != nil || v == nil {
		return 0, err
	}
	return strconv.Atoi(string(v))
}

func putNumber(tx store.Tx, key string, n int) { tx.Put(key, []byte(strconv.Itoa(n)), 0) }

// Money moves between accounts: none appears, none is lost, and no two transactions see the same
// balance. The last part is write skew: each of two withdrawals is allowed only while the sum of
// both accounts covers it, and they touch different accounts.
func serializable(t *testing.T, b Backend) {
	const accounts, workers, moves = 5, 16, 25
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		for i := range accounts {
			putNumber(tx, fmt.Sprint("account ", i), 100)
		}
		return nil
	}))
	parallel(workers, func(w int) {
		for m := range moves {
			from, to := fmt.Sprint("account ", (w+m)%accounts), fmt.Sprint("account ", (w*3+m+1)%accounts)
			if err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				return move(tx, from, to)
			}); err != nil {
				t.Error(err)
			}
		}
	})
	sum, moved := 0, 0
	must(t, b.Store.View(t.Context(), func(r store.Reader) error {
		for i := range accounts {
			n, err := number(r, fmt.Sprint("account ", i))
			if err != nil {
				return err
			}
			sum += n
		}
		var err error
		moved, err = number(r, "moves")
		return err
	}))
	if sum != 100*accounts || moved != workers*moves {
		t.Errorf("%d in the accounts after %d moves, want %d after %d", sum, moved, 100*accounts, workers*moves)
	}

	for round := range 10 {
		must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
			putNumber(tx, "left", 50)
			putNumber(tx, "right", 50)
			return nil
		}))
		var allowed atomic.Int32
		parallel(2, func(i int) {
			ok := false
			if err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				left, err1 := number(tx, "left")
				right, err2 := number(tx, "right")
				if ok = left+right >= 100; ok {
					putNumber(tx, []string{"left", "right"}[i], -50)
				}
				return errors.Join(err1, err2)
			}); err != nil {
				t.Error(err)
			}
			if ok {
				allowed.Add(1)
			}
		})
		if allowed.Load() != 1 {
			t.Fatalf("round %d: %d withdrawals were allowed, want 1", round, allowed.Load())
		}
	}
}

func move(tx store.Tx, from, to string) error {
	a, err := number(tx, from)
	if err != nil {
		return err
	}
	putNumber(tx, from, a-1)
	b, err := number(tx, to)
	if err != nil {
		return err
	}
	putNumber(tx, to, b+1)
	moves, err := number(tx, "moves")
	if err != nil {
		return err
	}
	putNumber(tx, "moves", moves+1)
	return nil
}

// Among many that run at once, those that fail, panic or are too large undo nobody else's work.
func neighboursFailAlone(t *testing.T, b Backend) {
	const callers = 120
	parallel(callers, func(i int) {
		err := b.Store.Update(t.Context(), func(tx store.Tx) error {
			tx.Put(fmt.Sprint("caller ", i), []byte("here"), 0)
			tx.Put("shared", []byte(strconv.Itoa(i)), 0)
			switch i % 4 {
			case 1:
				return errOwn
			case 2:
				panic("on purpose")
			case 3:
				tx.Put("too large", make([]byte, store.MaxValue+1), 0)
			}
			return nil
		})
		if (err == nil) != (i%4 == 0) {
			t.Errorf("caller %d: %v", i, err)
		}
	})
	for i := range callers {
		value := absent
		if i%4 == 0 {
			value = "here"
		}
		want(t, b.Store, fmt.Sprint("caller ", i), value)
	}
	last, err := strconv.Atoi(get(t, b.Store, "shared"))
	if err != nil || last%4 != 0 {
		t.Errorf("shared was written last by %d (%v), who failed", last, err)
	}
}

func viewIsOneState(t *testing.T, b Backend) {
	const rounds = 100
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := b.Store.View(t.Context(), func(r store.Reader) error {
					left, err1 := r.Get("left")
					right, err2 := r.Get("right")
					if string(left) != string(right) {
						return fmt.Errorf("left is %q and right is %q", left, right)
					}
					return errors.Join(err1, err2)
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range rounds {
		must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
			tx.Put("left", []byte(strconv.Itoa(i)), 0)
			tx.Put("right", []byte(strconv.Itoa(i)), 0)
			return nil
		}))
	}
	stop()
	readers.Wait()
}

func viewSeesWhatReturned(t *testing.T, b Backend) {
	parallel(8, func(i int) {
		for n := range 20 {
			key, value := fmt.Sprint("key ", i), strconv.Itoa(n)
			if err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				tx.Put(key, []byte(value), 0)
				return nil
			}); err != nil {
				t.Error(err)
				return
			}
			if err := b.Store.View(t.Context(), func(r store.Reader) error {
				v, err := r.Get(key)
				if string(v) != value {
					return fmt.Errorf("%s is %q after %q was written: %w", key, v, value, err)
				}
				return err
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

func contexts(t *testing.T, b Backend) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	if err := b.Store.Update(ended, func(store.Tx) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("Update with an ended context: %v, ran %t", err, ran)
	}
	if err := b.Store.View(ended, func(store.Reader) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("View with an ended context: %v, ran %t", err, ran)
	}

	// Whatever the moment at which a context ends: nil means written, the context's error means not.
	const callers = 100
	results := make([]error, callers)
	parallel(callers, func(i int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
		defer cancel()
		if i%2 == 1 {
			ctx = store.Unhurried(ctx)
		}
		returned := false
		results[i] = b.Store.Update(ctx, func(tx store.Tx) error {
			if returned {
				t.Errorf("caller %d: the function ran after Update had returned", i)
			}
			tx.Put(fmt.Sprint("caller ", i), []byte("x"), 0)
			return nil
		})
		returned = true
	})
	for i, err := range results {
		switch {
		case err == nil:
			want(t, b.Store, fmt.Sprint("caller ", i), "x")
		case errors.Is(err, context.DeadlineExceeded):
			want(t, b.Store, fmt.Sprint("caller ", i), absent)
		default:
			t.Errorf("caller %d: %v", i, err)
		}
	}
}

package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/store"
)

// What one caller alone may rely upon.

var errOwn = errors.New("the function's own error")

func readYourWrites(t *testing.T, b Backend) {
	put(t, b.Store, "old", "before", 0)
	var saw []string
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		saw = saw[:0] // it may run more than once
		look := func(key string) error {
			v, err := tx.Get(key)
			saw = append(saw, fmt.Sprintf("%s=%s", key, v))
			return err
		}
		tx.Put("new", []byte("1"), 0)
		tx.Put("old", []byte("2"), 0)
		err := errors.Join(look("new"), look("old"))
		tx.Delete("old")
		tx.Put("new", []byte("3"), time.Minute)
		tx.Put("gone", []byte("4"), -time.Minute)
		return errors.Join(err, look("new"), look("old"), look("gone"))
	}))
	if got, want := strings.Join(saw, " "), "new=1 old=2 new=3 old= gone="; got != want {
		t.Errorf("inside the transaction: %s, want %s", got, want)
	}
	want(t, b.Store, "new", "3")
	want(t, b.Store, "old", absent)
	want(t, b.Store, "gone", absent)
}

func failedFunctionLeavesNothing(t *testing.T, b Backend) {
	put(t, b.Store, "a", "1", 0)
	err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("a", []byte("2"), 0)
		tx.Put("b", []byte("2"), 0)
		tx.Delete("a")
		return errOwn
	})
	if !errors.Is(err, errOwn) {
		t.Errorf("error %v, want the function's", err)
	}
	want(t, b.Store, "a", "1")
	want(t, b.Store, "b", absent)
}

func panicIsAnError(t *testing.T, b Backend) {
	err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("a", []byte("1"), 0)
		panic("on purpose")
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Update: error %v, want ErrUnavailable", err)
	}
	err = b.Store.View(t.Context(), func(store.Reader) error { panic("on purpose") })
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("View: error %v, want ErrUnavailable", err)
	}
	want(t, b.Store, "a", absent)
	put(t, b.Store, "a", "2", 0)
	want(t, b.Store, "a", "2")
}

func errorIsTheFunctionsOwn(t *testing.T, b Backend) {
	if err := b.Store.View(t.Context(), func(store.Reader) error { return errOwn }); err != errOwn { //nolint:errorlint // as it is
		t.Errorf("View returned %v", err)
	}
	if err := b.Store.Update(t.Context(), func(store.Tx) error { return errOwn }); err != errOwn { //nolint:errorlint // as it is
		t.Errorf("Update returned %v", err)
	}
}

func sizes(t *testing.T, b Backend) {
	for _, tt := range []struct {
		name       string
		key, value int
		fits       bool
	}{
		{"the largest", store.MaxKey, store.MaxValue, true},
		{"key too long", store.MaxKey + 1, 1, false},
		{"value too long", 1, store.MaxValue + 1, false},
		{"no key", 0, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, value := strings.Repeat("k", tt.key), strings.Repeat("v", tt.value)
			err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				tx.Put("beside "+tt.name, []byte("x"), 0)
				tx.Put(key, []byte(value), 0)
				return nil
			})
			if tt.fits {
				must(t, err)
				want(t, b.Store, key, value)
				return
			}
			if err == nil || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error %v, want one that is not about the store being unavailable", err)
			}
			want(t, b.Store, "beside "+tt.name, absent)
		})
	}
}

func valuesAreTheCallers(t *testing.T, b Backend) {
	given := []byte("given")
	var fromTx, fromView []byte
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) (err error) {
		tx.Put("a", given, 0)
		copy(given, "XXXXX")
		fromTx, err = tx.Get("a")
		copy(fromTx, "YY")
		return err
	}))
	want(t, b.Store, "a", "given")
	must(t, b.Store.View(t.Context(), func(r store.Reader) (err error) {
		fromView, err = r.Get("a")
		return err
	}))
	copy(fromView, "ZZ")
	for i := range 50 { // so that the backend's own memory is used again
		put(t, b.Store, fmt.Sprint("other ", i), strings.Repeat("o", 5000), 0)
	}
	want(t, b.Store, "a", "given")
	if !bytes.Equal(fromTx, []byte("YYven")) || !bytes.Equal(fromView, []byte("ZZven")) {
		t.Errorf("the slices changed under us: %q and %q", fromTx, fromView)
	}
}

func emptyValueIsNotAbsent(t *testing.T, b Backend) {
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("empty", nil, 0)
		if v, err := tx.Get("empty"); v == nil || err != nil {
			return fmt.Errorf("in the transaction: %v, %w", v, err)
		}
		return nil
	}))
	want(t, b.Store, "empty", "")
	want(t, b.Store, "other", absent)
}

func expiryByTheStoresClock(t *testing.T, b Backend) {
	end := b.now().Add(b.minute())
	put(t, b.Store, "minute", "1", b.minute())
	put(t, b.Store, "hour", "2", b.hour())
	put(t, b.Store, "ever", "3", 0)
	b.advance(b.minute() - b.second())
	b.wantUntil(t, end, "minute", "1")
	b.advance(2 * b.second())
	b.wantExpired(t, "minute")
	b.wantUntil(t, end.Add(b.hour()-b.minute()), "hour", "2")
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		if v, err := tx.Get("minute"); v != nil || err != nil {
			return fmt.Errorf("in a transaction: %q, %w", v, err)
		}
		return nil
	}))
	// A new record may take the place of an expired one.
	end = b.now().Add(b.minute())
	put(t, b.Store, "minute", "again", b.minute())
	b.wantUntil(t, end, "minute", "again")
	b.advance(b.scaled(24*365*time.Hour, b.hour()))
	put(t, b.Store, "other", "x", 0)
	b.wantExpired(t, "minute")
	b.wantExpired(t, "hour")
	want(t, b.Store, "ever", "3")
}

func overwriteDropsOldExpiry(t *testing.T, b Backend) {
	put(t, b.Store, "to ever", "1", b.minute())
	put(t, b.Store, "to ever", "2", 0)
	put(t, b.Store, "to later", "1", b.minute())
	end := b.now().Add(b.hour())
	put(t, b.Store, "to later", "2", b.hour())
	put(t, b.Store, "deleted", "1", b.minute())
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Delete("deleted")
		return nil
	}))
	put(t, b.Store, "deleted", "2", 0)
	b.advance(2 * b.minute())
	put(t, b.Store, "other", "x", 0) // gives the backend a chance to remove too much
	want(t, b.Store, "to ever", "2")
	b.wantUntil(t, end, "to later", "2")
	want(t, b.Store, "deleted", "2")
}

func manyExpire(t *testing.T, b Backend) {
	const many = 500
	for i := 0; i < many; i += 50 {
		must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
			for j := i; j < i+50; j++ {
				tx.Put(fmt.Sprint("short ", j), []byte("x"), b.minute())
				tx.Put(fmt.Sprint("long ", j), []byte("x"), 0)
			}
			return nil
		}))
	}
	b.advance(b.minute())
	for i := range many / 50 {
		put(t, b.Store, "other", fmt.Sprint(i), 0)
	}
	for i := range many {
		b.wantExpired(t, fmt.Sprint("short ", i))
		want(t, b.Store, fmt.Sprint("long ", i), "x")
	}
}

func check(t *testing.T, b Backend) {
	must(t, b.Store.Check(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Store.Check(ctx); err == nil {
		t.Error("Check with a cancelled context returned nil")
	}
}

func durable(t *testing.T, b Backend) {
	put(t, b.Store, "ever", "1", 0)
	end := b.now().Add(b.minute())
	put(t, b.Store, "minute", "2", b.minute())
	put(t, b.Store, "deleted", "3", 0)
	must(t, b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Delete("deleted")
		return nil
	}))
	must(t, b.Store.Close())
	b.Store = b.Reopen(t)
	want(t, b.Store, "ever", "1")
	b.wantUntil(t, end, "minute", "2")
	want(t, b.Store, "deleted", absent)
	b.advance(b.minute())
	b.wantExpired(t, "minute")
}

func closing(t *testing.T, b Backend) {
	put(t, b.Store, "a", "1", 0)
	must(t, b.Store.Close())
	for what, err := range map[string]error{
		"Update": b.Store.Update(t.Context(), func(store.Tx) error { return nil }),
		"View":   b.Store.View(t.Context(), func(store.Reader) error { return nil }),
		"Check":  b.Store.Check(t.Context()),
	} {
		if !errors.Is(err, store.ErrClosed) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want ErrClosed wrapped in ErrUnavailable", what, err)
		}
	}
	if err := b.Store.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

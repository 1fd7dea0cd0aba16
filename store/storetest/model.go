package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tandem/store"
)

// model plays random transactions to the store and to a map, and compares them after each. A store that goes by
// real time, and may be late, cannot be compared at single moments: for it no time passes, and no record expires.
func model(t *testing.T, b Backend) {
	type record struct {
		value   string
		expires time.Time // zero: never
	}
	keys := []string{"a", "b", "c", "d", "e"}
	current := map[string]record{}

	alive := func(m map[string]record, key string) string {
		r, found := m[key]
		if !found || !r.expires.IsZero() && !b.now().Before(r.expires) {
			return absent
		}
		return r.value
	}
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 5).Draw(rt, "transactions") {
			if b.Clock != nil {
				b.Clock.Advance(time.Duration(rapid.IntRange(0, 5).Draw(rt, "seconds later")) * time.Second)
			}
			next := map[string]record{}
			for key, r := range current {
				next[key] = r
			}
			var steps []func(store.Tx) error
			for range rapid.IntRange(0, 6).Draw(rt, "steps") {
				key := rapid.SampledFrom(keys).Draw(rt, "key")
				switch rapid.SampledFrom([]string{"put", "delete", "get"}).Draw(rt, "step") {
				case "put":
					value := rapid.StringN(0, 20, -1).Draw(rt, "value")
					ttl := time.Duration(rapid.IntRange(0, 8).Draw(rt, "ttl")) * b.scaled(time.Second, time.Hour)
					r := record{value: value}
					if ttl != 0 {
						r.expires = b.now().Add(ttl)
					}
					next[key] = r
					steps = append(steps, func(tx store.Tx) error { tx.Put(key, []byte(value), ttl); return nil })
				case "delete":
					delete(next, key)
					steps = append(steps, func(tx store.Tx) error { tx.Delete(key); return nil })
				case "get":
					expected := alive(next, key)
					steps = append(steps, func(tx store.Tx) error { return expect(tx, key, expected) })
				}
			}
			fails := rapid.Bool().Draw(rt, "fails")
			err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				for _, step := range steps {
					if err := step(tx); err != nil {
						return err
					}
				}
				if fails {
					return errOwn
				}
				return nil
			})
			if fails {
				next = current
			}
			if fails != errors.Is(err, errOwn) || !fails && err != nil {
				rt.Fatalf("Update: %v", err)
			}
			current = next
			if err := b.Store.View(t.Context(), func(r store.Reader) error {
				for _, key := range keys {
					if err := expect(r, key, alive(current, key)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func expect(r store.Reader, key, want string) error {
	v, err := r.Get(key)
	if err != nil {
		return err
	}
	got := absent
	if v != nil {
		got = string(v)
	}
	if got != want {
		return fmt.Errorf("%s is %q, want %q", key, got, want)
	}
	return nil
}

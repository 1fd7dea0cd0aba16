// Package storetest is the contract of package store, as tests that every backend passes.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Backend { … })
//	}
//
// Faults (power cuts, full disks, lost nodes) are each backend's own tests: they look different
// everywhere. What a caller may rely upon while nothing fails is here.
package storetest

import (
	"sync"
	"testing"
	"time"

	"tandem/store"
)

// A Clock is the time that a store under test goes by. It stands still until told to move.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows some moment in 2026.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, time.March, 29, 1, 59, 0, 0, time.UTC)}
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, back if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A Backend is an empty store under test.
type Backend struct {
	Store store.Store
	// Clock is what the store goes by. It is nil for a store that goes by the real time of a server elsewhere.
	// Such a store is tested with short times to live, and may see a record for a few seconds too long.
	Clock *Clock
	// Reopen opens, after Store was closed, the same records again.
	Reopen func(t *testing.T) store.Store
}

// Run runs the conformance suite. Open makes a backend and has t close it at its end.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"ReadYourWrites", readYourWrites},
		{"FailedFunctionLeavesNothing", failedFunctionLeavesNothing},
		{"PanicIsAnError", panicIsAnError},
		{"ErrorIsTheFunctionsOwn", errorIsTheFunctionsOwn},
		{"Sizes", sizes},
		{"ValuesAreTheCallers", valuesAreTheCallers},
		{"EmptyValueIsNotAbsent", emptyValueIsNotAbsent},
		{"ExpiryByTheStoresClock", expiryByTheStoresClock},
		{"OverwriteDropsOldExpiry", overwriteDropsOldExpiry},
		{"ManyExpire", manyExpire},
		{"CompareAndSet", compareAndSet},
		{"Serializable", serializable},
		{"NeighboursFailAlone", neighboursFailAlone},
		{"ViewIsOneState", viewIsOneState},
		{"ViewSeesWhatReturned", viewSeesWhatReturned},
		{"Context", contexts},
		{"Check", check},
		{"Durable", durable},
		{"Close", closing},
		{"Model", model},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// must fails the test if err is not nil. Never call it inside a transaction.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, s store.Store, key, value string, ttl time.Duration) {
	t.Helper()
	must(t, s.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(key, []byte(value), ttl)
		return nil
	}))
}

// absent is what get returns if there is no record.
const absent = "(absent)"

// get reads one key.
func get(t testing.TB, s store.Store, key string) string {
	t.Helper()
	value := absent
	must(t, s.View(t.Context(), func(r store.Reader) error {
		v, err := r.Get(key)
		if v != nil {
			value = string(v)
		}
		return err
	}))
	return value
}

func want(t testing.TB, s store.Store, key, value string) {
	t.Helper()
	if got := get(t, s, key); got != value {
		t.Errorf("%s = %q, want %q", key, got, value)
	}
}

// Package store says what Tandem must remember, and how sure it must be of it.
//
// What a login decides is kept under four kinds of keys (the verification core owns their
// layout): used codes, throttles, open challenges, and sources a user logged in from lately.
// All of it goes through one small interface of serializable transactions, so that a rule such
// as "this code, this challenge and this throttle, all or nothing" is written once, in the core,
// and holds over every backend. The conformance suite in store/storetest is the contract in tests.
//
// The rule over everything: yes only after a definite, durable commit. An error from
// [Store.Update] means that nobody knows whether it was written, and the caller must not say yes.
package store

import (
	"context"
	"errors"
	"time"
)

// MaxKey and MaxValue bound, in bytes, what one record may be.
const (
	MaxKey   = 512
	MaxValue = 16 << 10
)

var (
	// ErrUnavailable means that the store could not be read or written, or it is unknown whether a commit
	// happened. Nobody is let in. Errors that wrap it say what was tried and what to do.
	ErrUnavailable = errors.New("store unavailable")
	// ErrCorrupt means that a record or the file does not carry the checksum it was written with, or its
	// structure is broken. It wraps into ErrUnavailable errors at run time and refuses a start.
	ErrCorrupt = errors.New("store corrupt")
	// ErrSchema means that the state was written by a newer Tandem.
	ErrSchema = errors.New("store written by a newer version")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store closed")
)

// Reader reads one consistent state.
type Reader interface {
	// Get returns the value kept under key, or nil if there is none or it has expired by the
	// store's clock. The slice is the caller's to keep.
	Get(key string) ([]byte, error)
}

// Tx reads one consistent state, and sees what it has itself put or deleted.
type Tx interface {
	Reader
	// Put keeps value under key: for ever if ttl is 0, else until ttl from now by the store's clock; a little
	// longer where many nodes share the store, never shorter. A record
	// beyond MaxKey or MaxValue, or without a key, is the Update's error.
	Put(key string, value []byte, ttl time.Duration)
	// Delete forgets key.
	Delete(key string)
}

// Store keeps records. All methods may be called by many goroutines at once.
type Store interface {
	// Update runs fn in a serializable transaction and commits if fn returns nil: everything or
	// nothing, on stable storage (bolt: fsync; etcd: a quorum's) before Update returns nil.
	// fn may run more than once, and on another goroutine, and must do nothing but read and write tx.
	// A transaction in which a Get failed is not committed, whatever fn returns.
	//
	// The error is fn's own if fn failed (nothing was written), or wraps [ErrUnavailable]
	// (nothing is known), or is ctx's if ctx ended before fn's turn came (nothing was written).
	Update(ctx context.Context, fn func(tx Tx) error) error
	// View runs fn over one consistent state that includes every Update which returned before.
	View(ctx context.Context, fn func(r Reader) error) error
	// Check returns nil if the store can serve, else an error that says why and what to do.
	Check(ctx context.Context) error
	// Close waits for running transactions and releases the store.
	Close() error
}

type unhurried struct{}

// Unhurried returns a context in which an Update may be held back for some milliseconds, to share a commit with others:
// for answers that are held back anyway, of which a storm then costs few commits. What Update promises stays the same.
func Unhurried(ctx context.Context) context.Context {
	return context.WithValue(ctx, unhurried{}, true)
}

// IsUnhurried reports whether ctx comes from [Unhurried]; stores need not ask.
func IsUnhurried(ctx context.Context) bool { return ctx.Value(unhurried{}) != nil }

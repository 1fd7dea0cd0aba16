// Package upkeep is what an administrator does with a state as a whole: back it up, restore it, move it to another
// store, and accept that it went back in time.
//
// It works on a [Place], which both backends have, and knows what the kinds of records mean for somebody who copies
// them:
//
//   - Marks ("mark/…", eight octets that only grow) are merged: the higher one wins, whatever is copied over what.
//   - What can be spent is not brought back by a restore: open challenges, and records that expire (codes that were
//     sent). Who has spent it since would have it again. A move, from which nothing is lost, takes them along.
//   - Everything else is as it is in the source, and what the source does not have is deleted: a record that was deleted
//     (the last recovery code) must not come back from what lay in the destination before.
//
// # Interruptions
//
// A destination says of itself that it is being filled, before the first record is written and until the last one is,
// and is served by nobody meanwhile. A source that is moved says so before the copy begins, so that nobody goes on with
// it, then or after an interruption. Whatever was interrupted is done again from the beginning, which changes nothing
// that was right.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tandem/store"
)

// A Place is where a state is kept.
type Place interface {
	// String names the place, the same at each call: "bolt /var/lib/tandem/state.db".
	String() string
	// Snapshot reads one state, changing nothing; the error is [fs.ErrNotExist] if there is none.
	Snapshot(ctx context.Context) (store.Snapshot, error)
	// Open opens a state that is there for maintenance, also one that no daemon may serve.
	Open(ctx context.Context) (store.Store, error)
	// Describe changes what the state says of itself, and begins one if there is none.
	Describe(ctx context.Context, change func(*store.About)) error
}

// The kinds of records, by what their keys begin with.
const (
	marks      = "mark/"
	challenges = "challenge/"
	records    = "record/"
)

// spendable reports whether k is something that, if it was spent since, would be good again.
func spendable(k store.Kept) bool {
	return strings.HasPrefix(k.Key, challenges) || strings.HasPrefix(k.Key, records) && k.Left > 0
}

// batch bounds the records that one transaction reads and writes: etcd takes no more than 126.
const batch = 60

// inBatches calls do with up to batch of all at a time.
func inBatches[T any](all []T, do func([]T) error) error {
	for len(all) > 0 {
		n := min(batch, len(all))
		if err := do(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// ErrExists means that the destination has a state that would be lost.
var ErrExists = errors.New("there is a state already")

// look returns a snapshot, nil if there is no state.
func look(ctx context.Context, p Place) (store.Snapshot, error) {
	s, err := p.Snapshot(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// keysOf collects the keys of the records that pick picks.
func keysOf(ctx context.Context, p Place, pick func(store.Kept) bool) (keys []string, err error) {
	s, err := p.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Walk(ctx, func(k store.Kept) error {
		if pick(k) {
			keys = append(keys, k.Key)
		}
		return nil
	})
	return keys, errors.Join(err, s.Close())
}

// describe calls Describe and says what was to be done.
func describe(ctx context.Context, p Place, change func(*store.About)) error {
	if err := p.Describe(ctx, change); err != nil {
		return fmt.Errorf("mark %s: %w", p, err)
	}
	return nil
}

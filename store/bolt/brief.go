package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/store"
)

// Brief is a store on a state file that several short-lived processes share, such as the helpers of a PAM
// module on a host without a daemon. The file is open, and locked, only while a transaction runs; so
// each transaction pays for opening and checking the whole file.
type Brief struct{ options Options }

var _ store.Store = (*Brief)(nil)

// NewBrief makes a Brief. It opens nothing yet.
func NewBrief(options Options) *Brief {
	options.brief = true
	return &Brief{options}
}

// Update implements [store.Store].
func (b *Brief) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	return b.with(ctx, func(d *DB) error { return d.Update(ctx, fn) })
}

// View implements [store.Store].
func (b *Brief) View(ctx context.Context, fn func(r store.Reader) error) error {
	return b.with(ctx, func(d *DB) error { return d.View(ctx, fn) })
}

// Check implements [store.Store].
func (b *Brief) Check(ctx context.Context) error {
	return b.with(ctx, func(d *DB) error { return d.Check(ctx) })
}

// Close implements [store.Store]: nothing is open between transactions.
func (*Brief) Close() error { return nil }

// briefWait is how long another process may hold the file. Longer than any transaction takes; a tandemd
// keeps it for ever, and then nothing here would end without a bound.
const briefWait = 10 * time.Second

// with opens the file for do. Others hold it only for moments, so a lock is waited for.
func (b *Brief) with(ctx context.Context, do func(*DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, briefWait)
	defer cancel()
	for {
		d, err := Open(b.options)
		switch {
		case errors.Is(err, ErrLocked) && ctx.Err() == nil: // Open has waited for a second
			continue
		case err != nil:
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		// If closing fails there is no yes, though what was committed stands.
		return errors.Join(do(d), d.Close())
	}
}

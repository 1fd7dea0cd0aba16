package upkeep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/store"
)

// ErrNotRestored means that there is nothing to accept.
var ErrNotRestored = errors.New("the state did not go back in time")

// Accept puts every HOTP counter ahead by margin, deletes what could be spent twice, and lets codes in again that were
// refused because the state went back. It goes in transactions of some counters each, which keep how far they have
// come: one that was interrupted goes on where it was, and advances no counter twice. Nobody can use a HOTP code
// meanwhile, so no counter changes under it. It returns how many counters there were.
func Accept(ctx context.Context, p Place, margin uint64, now time.Time) (counters int, err error) {
	s, err := p.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := begin(ctx, s, margin); err != nil {
		return 0, fmt.Errorf("%s: %w", p, err)
	}
	keys, err := keysOf(ctx, p, func(k store.Kept) bool { return isCounter(k.Key) })
	if err != nil {
		return 0, err
	}
	spent, err := keysOf(ctx, p, spendable)
	if err != nil {
		return 0, err
	}
	if err := inBatches(keys, func(keys []string) error { return advance(ctx, s, keys, margin) }); err != nil {
		return 0, fmt.Errorf("advance the counters in %s: %w; run the command again, it goes on where it was", p, err)
	}
	if err := inBatches(spent, func(keys []string) error {
		return s.Update(ctx, func(tx store.Tx) error {
			for _, key := range keys {
				tx.Delete(key)
			}
			return nil
		})
	}); err != nil {
		return 0, fmt.Errorf("delete what could be spent twice in %s: %w; run the command again", p, err)
	}
	return len(keys), s.Update(ctx, func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		switch {
		case err != nil:
			return err
		case r.Advancing == nil:
			return errAgain
		}
		r.Pending, r.Advancing = false, nil
		r.Accepted = append(r.Accepted, store.Acceptance{At: now.UTC(), Margin: margin})
		return store.PutRestored(tx, r)
	})
}

// errAgain: while the counters were advanced, the state went back once more.
var errAgain = errors.New("the state went back in time once more meanwhile; run the command again")

// begin records which margin the counters are advanced by.
func begin(ctx context.Context, s store.Store, margin uint64) error {
	return s.Update(ctx, func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		switch {
		case err != nil:
			return err
		case !r.Pending:
			return fmt.Errorf("%w, or that is accepted already", ErrNotRestored)
		case r.Advancing == nil:
			r.Advancing = &store.Advance{Margin: margin}
			return store.PutRestored(tx, r)
		case r.Advancing.Margin != margin:
			return fmt.Errorf("an interrupted accept-restore has begun to advance the counters by %d: finish it with --margin %[1]d", r.Advancing.Margin)
		}
		return nil
	})
}

// isCounter reports whether key is that of a HOTP counter, "mark/USER/hotp/FINGERPRINT". Notes have a longer one.
func isCounter(key string) bool {
	parts := strings.Split(key, "/")
	return len(parts) == 4 && parts[0] == "mark" && parts[2] == "hotp"
}

// advance adds margin to those of keys that come after what is done, and keeps that they are done.
func advance(ctx context.Context, s store.Store, keys []string, margin uint64) error {
	return s.Update(ctx, func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		switch {
		case err != nil:
			return err
		case r.Advancing == nil:
			return errAgain
		}
		// The keys are in order, and so is what is done.
		rest := keys
		if at, found := slices.BinarySearch(keys, r.Advancing.Done); found {
			rest = keys[at+1:]
		} else {
			rest = rest[at:]
		}
		for _, key := range rest {
			held, err := tx.Get(key)
			switch {
			case err != nil:
				return err
			case len(held) != 8:
				return fmt.Errorf("%w: %q holds %d octets instead of 8", store.ErrCorrupt, key, len(held))
			}
			tx.Put(key, binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(held)+margin), 0)
		}
		if len(rest) == 0 {
			return nil
		}
		r.Advancing.Done = rest[len(rest)-1]
		return store.PutRestored(tx, r)
	})
}

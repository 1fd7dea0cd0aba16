package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"tandem/store"
)

// A source hands over records one after the other.
type source func(ctx context.Context, visit func(store.Kept) error) error

// fill makes the records of to those of from, but for marks, of which the higher ones win. last is written at the end.
// It returns how many records came.
func fill(ctx context.Context, to Place, from source, last func(tx store.Tx) error) (n int, err error) {
	s, err := to.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	// What is in the way goes first, so that nothing is deleted that has just come.
	obsolete, err := keysOf(ctx, to, func(k store.Kept) bool {
		return !strings.HasPrefix(k.Key, marks) && k.Key != store.RestoredKey
	})
	if err != nil {
		return 0, err
	}
	if err := inBatches(obsolete, func(keys []string) error {
		return s.Update(ctx, func(tx store.Tx) error {
			for _, key := range keys {
				tx.Delete(key)
			}
			return nil
		})
	}); err != nil {
		return 0, fmt.Errorf("clear %s: %w", to, err)
	}
	var waiting []store.Kept
	flush := func() error {
		if err := s.Update(ctx, func(tx store.Tx) error { return put(tx, waiting) }); err != nil {
			return fmt.Errorf("write to %s: %w", to, err)
		}
		n += len(waiting)
		waiting = waiting[:0]
		return nil
	}
	if err := from(ctx, func(k store.Kept) error {
		if waiting = append(waiting, k); len(waiting) < batch {
			return nil
		}
		return flush()
	}); err != nil {
		return n, err
	}
	if err := flush(); err != nil {
		return n, err
	}
	return n, s.Update(ctx, last)
}

// put writes records, but for marks that would be lowered.
func put(tx store.Tx, all []store.Kept) error {
	for _, k := range all {
		if k.Key == store.RestoredKey {
			if err := putRestored(tx, k.Value); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(k.Key, marks) {
			held, err := tx.Get(k.Key)
			if err != nil {
				return err
			}
			// Big-endian numbers of one length compare as octets do.
			if len(held) == len(k.Value) && bytes.Compare(held, k.Value) > 0 {
				continue
			}
		}
		tx.Put(k.Key, k.Value, k.Left)
	}
	return nil
}

// putRestored writes what the source knows of times when it went back, and keeps what was accepted here.
func putRestored(tx store.Tx, value []byte) error {
	from, err := store.DecodeRestored(value)
	if err != nil {
		return err
	}
	here, err := store.ReadRestored(tx)
	if err != nil {
		return err
	}
	return store.PutRestored(tx, from.Knowing(here))
}

// occupied returns an error if there is a state in to that a copy of another would destroy. Nothing is destroyed of one
// that is empty, was being filled, or was moved away.
func occupied(ctx context.Context, to Place, unless func(store.Snapshot) bool) (err error) {
	s, err := look(ctx, to)
	if err != nil || s == nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if about := s.About(); about.FilledFrom != "" || about.MovedTo != "" || unless(s) {
		return nil
	}
	own := 0
	if err := s.Walk(ctx, func(k store.Kept) error {
		if !strings.HasPrefix(k.Key, "meta/") {
			own++
		}
		return nil
	}); err != nil {
		return err
	}
	if own == 0 {
		return nil
	}
	return fmt.Errorf("%w in %s, with %d records, and the copy does not know what happened in it since; "+
		"--force replaces it: then only its marks are kept, where they are higher", ErrExists, to, own)
}

package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"tandem/store"
)

// Migrate moves the state in from to the place to, and leaves from marked, so that no daemon goes on with it. An
// interrupted migration is called again. It returns how many records came.
//
// A state that was moved has forgotten nothing: the source is closed to everybody before the copy begins. So it is not
// marked as one that went back, unless the source was.
func Migrate(ctx context.Context, from, to Place, force bool) (n int, err error) {
	if from.String() == to.String() {
		return 0, fmt.Errorf("%s is where the state is already", to)
	}
	source, err := from.Snapshot(ctx)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("there is nothing to move: %w", err)
		}
		return 0, err
	}
	about := source.About()
	if err := source.Close(); err != nil {
		return 0, err
	}
	switch {
	case about.FilledFrom != "":
		return 0, fmt.Errorf("%s: %w: it is being filled from %s; finish that first", from, store.ErrPartial, about.FilledFrom)
	case about.MovedTo != "" && about.MovedTo != to.String():
		return 0, fmt.Errorf("%s: %w: it goes on in %s", from, store.ErrMoved, about.MovedTo)
	case about.MovedTo != "":
		if err := interrupted(ctx, from, to); err != nil {
			return 0, err
		}
	}
	if !force {
		if err := occupied(ctx, to, func(store.Snapshot) bool { return false }); err != nil {
			return 0, err
		}
	}
	if err := describe(ctx, to, func(a *store.About) { a.FilledFrom, a.MovedTo = from.String(), "" }); err != nil {
		return 0, err
	}
	if err := describe(ctx, from, func(a *store.About) { a.MovedTo = to.String() }); err != nil {
		return 0, err
	}
	// Only now: until here somebody may have written to it.
	if source, err = from.Snapshot(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if n, err = fill(ctx, to, source.Walk, func(store.Tx) error { return nil }); err != nil {
		return n, err
	}
	return n, describe(ctx, to, func(a *store.About) { a.FilledFrom = "" })
}

// interrupted returns an error unless a migration from from to to was begun and has not come to its end.
func interrupted(ctx context.Context, from, to Place) error {
	s, err := look(ctx, to)
	if err != nil {
		return err
	}
	if s != nil {
		about := s.About()
		if err := s.Close(); err != nil || about.FilledFrom == from.String() {
			return err
		}
	}
	return fmt.Errorf("%s: %w: it has been in %s since an earlier migration", from, store.ErrMoved, to)
}

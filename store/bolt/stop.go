package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/store"
)

// reopenAfter is how long the store stays stopped before the file is opened again, and between
// attempts: every login that waits for one is refused, and each reads the whole file.
const reopenAfter = time.Second

// stopped is why everything is refused.
type stopped struct {
	cause error
	since time.Time
	// tried is when opening the file again failed last, with the error failure.
	tried   time.Time
	failure error
	// final: the store was closed and is never opened again.
	final bool
}

// due reports whether it is time to open the file again. A clock that was set back does not hold
// it up.
func (s *stopped) due(now time.Time) bool {
	last := s.since
	if s.failure != nil {
		last = s.tried
	}
	waited := now.Sub(last)
	return !s.final && (waited >= reopenAfter || waited < 0)
}

func (s *stopped) refusal(path string) error {
	if s.final {
		return fmt.Errorf("%w: %w: %s", store.ErrUnavailable, s.cause, path)
	}
	if s.failure != nil {
		return fmt.Errorf("%w: state file %s stopped at %s: %w; opening it again failed: %w",
			store.ErrUnavailable, path, s.since.Format(time.RFC3339), s.cause, s.failure)
	}
	return fmt.Errorf("%w: state file %s stopped at %s, will be opened again soon: %w",
		store.ErrUnavailable, path, s.since.Format(time.RFC3339), s.cause)
}

// stop refuses everything from now on because s failed, and returns the answer to those who found
// out. The file stays open until the committer opens it again: others may be reading.
func (d *DB) stop(s *stateFile, cause error) error {
	broken := panicIn(cause)
	if broken != nil {
		s.poisoned.Store(true)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == s && d.stopped == nil {
		d.stopped = &stopped{cause: cause, since: d.now()}
		args := []any{"path", d.path, "error", cause}
		if broken != nil {
			args = append(args, "stack", string(broken.stack))
		}
		d.log.Error("the state file failed: nobody is let in until it could be opened again", args...)
	}
	return fmt.Errorf("%w: state file %s: %w", store.ErrUnavailable, d.path, cause)
}

// refused returns an error while the store is stopped and it is not time to open the file again.
func (d *DB) refused() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped == nil || d.stopped.due(d.now()) {
		return nil
	}
	return d.stopped.refusal(d.path)
}

// wake is what a reader does first: an error if it cannot be served, and if the file is to be
// opened again, it has the committer do so.
func (d *DB) wake(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.RLock()
	down := d.stopped != nil
	d.mu.RUnlock()
	if !down {
		return nil
	}
	return d.Update(ctx, func(store.Tx) error { return nil })
}

// writable returns the open file to the committer, having opened it again if that is due.
func (d *DB) writable() (*stateFile, error) {
	if err := d.refused(); err != nil {
		return nil, err
	}
	d.mu.RLock()
	s, down := d.state, d.stopped != nil
	d.mu.RUnlock()
	if !down {
		return s, nil
	}
	return d.reopen(s)
}

// reopen closes old, if it is not nil, and opens the file again with all the checks of a start.
func (d *DB) reopen(old *stateFile) (*stateFile, error) {
	if old != nil {
		if err := old.close(); err != nil {
			d.log.Error("closing the failed state file", "path", d.path, "error", err)
		}
	}
	s, err := d.openSame()

	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = s
	if err != nil {
		d.stopped.tried, d.stopped.failure = d.now(), err
		d.log.Error("the state file could not be opened again", "path", d.path, "error", err)
		return nil, d.stopped.refusal(d.path)
	}
	d.log.Info("the state file was opened again", "path", d.path, "stopped", d.now().Sub(d.stopped.since))
	d.stopped, d.committed = nil, s.committed
	return s, nil
}

// openSame opens the file and makes sure that it is the one we had: a backup put in its place
// does not know the codes used since, and is taken up only by a restart, which is on purpose.
func (d *DB) openSame() (*stateFile, error) {
	s, err := openFile(d.options, d.committed)
	if err != nil {
		return nil, err
	}
	if s.committed < d.committed {
		err = fmt.Errorf("state file %s: %w: it is at transaction %d and %d was committed: its disk loses writes, "+
			"or it is a backup; stop tandemd, then %s", d.path, store.ErrCorrupt, s.committed, d.committed, remedy)
	}
	s.info = d.info
	if err = errors.Join(err, s.unmoved()); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tandem/store"
	"tandem/store/witness"
)

var _ store.Store = (*DB)(nil)

// Options say which file to open.
type Options struct {
	// Path is the state file. Its folder must exist, and be on a local disk.
	Path string
	// Now is the store's clock; nil is time.Now. Records expire by it.
	Now func() time.Time
	// Logger hears of failures and of a file made anew; nil is slog.Default().
	Logger *slog.Logger
	// Program is this Tandem's name and version, for those who find a file of a newer one.
	Program string
	// Maintenance opens also a state that no daemon may serve, because it was moved away or is not whole yet. It
	// makes no file where there is none.
	Maintenance bool
	// brief: it is closed again soon. What a daemon sets up for many commits is not worth its price.
	brief bool
}

// A DB is an open state file.
type DB struct {
	options Options
	path    string
	now     func() time.Time
	log     *slog.Logger
	// sync is toDisk, and something that fails in tests; pause is [time.Sleep], and what tests do meanwhile.
	sync  func(s *stateFile, group int) error
	pause func(time.Duration)
	// patience is maxLinger; 0 if the store is closed again soon, since other processes wait for that.
	patience time.Duration
	// async is nil where there is no such thing, and before the committer begins. Only that uses it.
	async *asyncSync

	// gate is held for reading while an Update enters the queue, so that Close can close it.
	gate   sync.RWMutex
	closed bool
	queue  chan *request
	// ended is closed when the committer has ended.
	ended chan struct{}

	// mu guards state and stopped.
	mu sync.RWMutex
	// state is nil while the store is stopped and the file is closed.
	state   *stateFile
	stopped *stopped

	// info is which file was opened at first: opening again must find the same.
	info os.FileInfo
	// committed is the number of the last bbolt transaction. Only the committer uses it.
	committed int
	// witness is told of the last commit soon; untold is what of; told, when it was last; silent: then it could not be.
	witness *witness.File
	untold  witness.Memory
	told    time.Time
	silent  bool

	commits, updates atomic.Uint64
}

// Open opens the state file, or makes one if there is none, and starts the committer, which ends
// with [DB.Close]. The errors say what is wrong with the file and what to do; they wrap
// [store.ErrCorrupt] if its content is broken, [store.ErrSchema] if a newer Tandem wrote it,
// [store.ErrMoved] or [store.ErrPartial] if it is not to be served.
func Open(options Options) (_ *DB, err error) {
	options.setDefaults()
	d := &DB{
		options: options,
		path:    options.Path,
		now:     options.Now,
		log:     options.Logger,
		pause:   time.Sleep,
		queue:   make(chan *request, maxWaiting),
		ended:   make(chan struct{}),
		witness: witness.At(witnessPath(options.Path)),
	}
	d.sync = d.toDisk
	if _, err := os.Lstat(d.path); errors.Is(err, fs.ErrNotExist) && !options.Maintenance {
		switch err := createFile(options); {
		case err == nil:
			d.log.Warn("made a new state file: codes that were used before are not known, "+
				"and one of the last minutes could be used once more", "path", d.path)
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
	}
	s, err := openFile(options, 0)
	if err != nil {
		return nil, err
	}
	d.state, d.info, d.committed = s, s.info, s.committed
	if err := errors.Join(s.about.served(options), d.meetWitness()); err != nil {
		return nil, errors.Join(err, d.release())
	}
	if !options.brief {
		d.patience = maxLinger
		if d.async, err = newAsyncSync(); err != nil {
			d.log.Debug("no asynchronous sync here: each holds a thread", "path", d.path, "error", err)
		}
	}
	go d.run()
	return d, nil
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Update implements [store.Store]. fn runs on the committer's goroutine: what takes time in it,
// all others wait for, and it must not end its goroutine (as testing's FailNow does).
func (d *DB) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.refused(); err != nil {
		return err
	}
	r := newRequest(ctx, fn)
	if err := d.enqueue(ctx, r); err != nil {
		return err
	}
	var err error
	select {
	case err = <-r.done:
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		// Under way: only the commit's outcome can be told now.
		err = <-r.done
	}
	r.free()
	return err
}

func (d *DB) enqueue(ctx context.Context, r *request) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.closed {
		return d.errClosed()
	}
	select {
	case d.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *DB) errClosed() error {
	return fmt.Errorf("%w: %w: %s", store.ErrUnavailable, store.ErrClosed, d.path)
}

// View implements [store.Store]. It does not wait for a commit under way. What it sees of one may
// be lost in a power cut before that commit's Update returned; a yes never rests on a View alone.
func (d *DB) View(ctx context.Context, fn func(r store.Reader) error) error {
	if err := d.wake(ctx); err != nil {
		return err
	}
	s, err := d.readable()
	if err != nil {
		return err
	}
	var answer error
	err = guard(func() error {
		tx, err := s.reads.begin(s.bolt)
		if err != nil {
			return err
		}
		r := &reader{records: tx.records(), now: d.now(), log: d.log}
		answer = d.call(func() error { return fn(r) })
		r.ended = true
		if broken := panicIn(r.err); broken != nil {
			return errors.Join(broken, tx.Rollback())
		}
		return s.reads.end(tx)
	})
	if err != nil {
		return d.stop(s, fmt.Errorf("read: %w", err))
	}
	return answer
}

// readable returns the open file. It may be closed at any time; then no transaction begins in it. d.mu must not be held
// until one has: should that go wrong, bbolt's locks stay held, and who waits for them must not keep others from stopping.
func (d *DB) readable() (*stateFile, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped != nil {
		return nil, d.stopped.refusal(d.path)
	}
	return d.state, nil
}

// Check implements [store.Store]: it returns an error if the store is closed, stopped, or if the
// file was replaced or cut off, which stops it.
func (d *DB) Check(ctx context.Context) error {
	if err := d.wake(ctx); err != nil {
		return err
	}
	d.mu.RLock()
	s, stopped := d.state, d.stopped
	var err error
	if stopped == nil {
		err = errors.Join(s.unmoved(), s.whole())
	}
	d.mu.RUnlock()
	switch {
	case stopped != nil:
		return stopped.refusal(d.path)
	case err != nil:
		return d.stop(s, err)
	}
	return nil
}

// Close implements [store.Store]. Updates that are queued are still committed. Closing again does
// nothing.
func (d *DB) Close() error {
	d.gate.Lock()
	closed := d.closed
	d.closed = true
	d.gate.Unlock()
	if closed {
		<-d.ended
		return nil
	}
	close(d.queue)
	<-d.ended
	return d.release()
}

// release closes the file, when the committer has ended or never began.
func (d *DB) release() error {
	d.mu.Lock()
	s := d.state
	d.state, d.stopped = nil, &stopped{cause: store.ErrClosed, since: d.now(), final: true}
	d.mu.Unlock()
	var err error
	if d.async != nil {
		err = d.async.close()
	}
	if s == nil {
		return err
	}
	return errors.Join(err, s.close())
}

// Stats tell of a store's work since it was opened.
type Stats struct {
	// Commits are the syncs that Updates shared; Updates are those that were committed by them.
	Commits, Updates uint64
	// MeanGroup is how many Updates shared a commit on average.
	MeanGroup float64
	// FileSize in bytes, 0 while the file is closed.
	FileSize int64
	// Stopped: after a failure, everything is refused at present.
	Stopped bool
}

// Stats returns the present figures.
func (d *DB) Stats() Stats {
	s := Stats{Commits: d.commits.Load(), Updates: d.updates.Load()}
	if s.Commits > 0 {
		s.MeanGroup = float64(s.Updates) / float64(s.Commits)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	s.Stopped = d.stopped != nil
	if d.state != nil {
		if info, err := d.state.file.Stat(); err == nil {
			s.FileSize = info.Size()
		}
	}
	return s
}

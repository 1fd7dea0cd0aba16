package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"tandem/store"
	"tandem/store/witness"
)

const (
	// maxGroup bounds what one commit takes in, and so how long the last of them waits for it.
	maxGroup = 512
	// maxWaiting bounds the Updates queued for the next commits. Who comes then waits outside,
	// until there is room or its context ends.
	maxWaiting = 1024
	// A group of a crowd, but not yet of enough, waits for more as long as the last commit took, unless that was longer
	// than maxPause: where commits are slow, groups are large by themselves.
	crowd    = 4
	enough   = 32
	maxPause = time.Millisecond
	// maxLinger is how long those who have time (store.Unhurried) wait for others.
	maxLinger = 10 * time.Millisecond
)

// A request is one Update on its way to the committer and back.
type request struct {
	fn  func(store.Tx) error
	ctx context.Context //nolint:containedctx // the caller's, for as long as it waits
	// taken is set by whoever is first: the committer, whose turn it then is to answer, or
	// Update, which goes away because ctx ended.
	taken atomic.Bool
	// done has room for the answer, so that the committer never waits for a caller.
	done chan error
	// err is the answer if the group commits.
	err error
}

// requests are used again, with their channels, once they are answered.
var requests = sync.Pool{New: func() any { return &request{done: make(chan error, 1)} }}

func newRequest(ctx context.Context, fn func(store.Tx) error) *request {
	r := requests.Get().(*request) //nolint:forcetypeassert // nothing else is in there
	r.fn, r.ctx, r.err = fn, ctx, nil
	r.taken.Store(false)
	return r
}

// free gives r back once it is answered: the committer does not touch it after that.
func (r *request) free() {
	r.fn, r.ctx = nil, nil
	requests.Put(r)
}

// run is the committer: the one goroutine that writes. It ends when the queue is closed and empty.
func (d *DB) run() {
	defer close(d.ended)
	defer d.remember()
	group := make([]*request, 0, maxGroup)
	var tell <-chan time.Time
	var took time.Duration // by the commit before
	for {
		var first *request
		select {
		case <-tell:
			d.remember()
			tell = nil
			continue
		case r, open := <-d.queue:
			if !open {
				return
			}
			first = r
		}
		group = d.collect(append(group[:0], first), took)
		began := d.now()
		err := d.serve(group)
		took = d.now().Sub(began)
		for _, r := range group {
			if err != nil {
				r.err = err
			}
			r.done <- r.err
		}
		clear(group)
		switch since := time.Since(d.told); {
		case since >= witnessLag:
			d.remember()
		case tell == nil && d.untold != (witness.Memory{}):
			tell = time.After(witnessLag - since)
		}
	}
}

// collect appends to group, which is one request, those that share its commit.
//
// Where a crowd came during one commit, the next one waits for as long as that took: more come, and commits take half of
// the time at most. A few do not wait: they would gain nothing by it. Those who have time have waited for others already.
func (d *DB) collect(group []*request, took time.Duration) []*request {
	if store.IsUnhurried(group[0].ctx) {
		return gather(d.linger(group), d.queue)
	}
	group = gather(group, d.queue)
	if len(group) >= crowd && len(group) < enough && took <= maxPause {
		d.pause(took)
		group = gather(group, d.queue)
	}
	return group
}

// linger appends to group, which has time, what comes: until there are enough, or somebody who has none. It ends early if
// nobody comes for half of their patience: few are about to, or those who wait hold all the workers. (A timer for each fifth
// costs more than it saves.)
func (d *DB) linger(group []*request) []*request {
	began, gap := time.Now(), d.patience/2
	over := time.NewTimer(gap)
	defer over.Stop()
	for len(group) < enough {
		select {
		case <-over.C:
			return group
		case r, open := <-d.queue:
			if !open {
				return group
			}
			group = append(group, r)
			if !store.IsUnhurried(r.ctx) {
				return group
			}
			over.Reset(min(gap, d.patience-time.Since(began)))
		}
	}
	return group
}

// gather appends to group what waits in the queue, and what comes while others have their turn: on a single core, those
// who are about to ask could not before, and each would have a commit of its own.
func gather(group []*request, queue <-chan *request) []*request {
	for size := 0; size < len(group) && len(group) < maxGroup; {
		size = len(group)
		runtime.Gosched()
		group = take(group, queue)
	}
	return group
}

// take appends to group what waits in the queue, without waiting for more.
func take(group []*request, queue <-chan *request) []*request {
	for len(group) < maxGroup {
		select {
		case r, open := <-queue:
			if !open {
				return group
			}
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// serve runs the functions of group and commits what they wrote. An error is the answer to all of
// them: whatever they found out was read from a state that may never come to be.
func (d *DB) serve(group []*request) error {
	s, err := d.writable()
	if err != nil {
		return err
	}
	err = s.whole()
	if err == nil {
		err = d.transact(s, group)
	}
	if err != nil {
		return d.stop(s, err)
	}
	return nil
}

// transact is one commit for all of group. Its error means that bbolt failed.
func (d *DB) transact(s *stateFile, group []*request) error {
	id, updates, err := d.write(s, group)
	if err != nil || id == 0 {
		return err
	}
	if err := guard(func() error { return d.sync(s, updates) }); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	d.committed = id
	d.untold = d.memory()
	d.commits.Add(1)
	d.updates.Add(uint64(updates))
	return nil
}

// toDisk puts what was written to s on stable storage, for a group of so many. While a crowd is served the processor has
// other work: a sync that holds a thread is then told of sooner.
func (d *DB) toDisk(s *stateFile, group int) error {
	if d.async != nil && group < crowd {
		begun, err := d.async.sync(s.file.Fd())
		if !d.async.ready {
			d.log.Debug("no asynchronous sync from here on: each holds a thread", "path", d.path, "error", errors.Join(err, d.async.close()))
			d.async = nil
		}
		if begun {
			return err
		}
	}
	return s.bolt.Sync()
}

// write is the bbolt transaction for all of group, and returns its number, 0 if nothing was written, and of how many
// Updates it is. What it has written can be read, and is on the disk after a sync.
func (d *DB) write(s *stateFile, group []*request) (id, updates int, err error) {
	if err := guard(s.reads.hold); err != nil {
		return 0, 0, fmt.Errorf("end the reading of the state before: %w", err)
	}
	defer s.reads.release()
	tx, err := beginWriting(s.bolt)
	if err != nil {
		return 0, 0, err
	}
	defer tx.end()
	writes := 0
	for _, r := range group {
		if !r.taken.CompareAndSwap(false, true) {
			continue
		}
		updates++
		n, err := d.runOne(tx, r)
		if err != nil {
			return 0, 0, err
		}
		writes += n
	}
	if writes == 0 {
		return 0, updates, nil
	}
	id = tx.ID()
	err = guard(func() error {
		if err := tx.sweep(d.now(), max(sweepAtLeast, 2*writes)); err != nil {
			return err
		}
		if err := errors.Join(tx.contents.save(tx.about), saveCommit(tx.about)); err != nil {
			return err
		}
		// Its pages, and the meta page that leads to them: both are on the disk after one sync (see the package's text).
		return tx.Commit()
	})
	if err != nil {
		return 0, 0, fmt.Errorf("commit: %w", err)
	}
	return id, updates, nil
}

// runOne runs r's function, applies what it wrote to tx, all or nothing, and keeps the answer in
// r. It returns the number of writes. Its error means that bbolt failed.
func (d *DB) runOne(tx *writingTx, r *request) (writes int, err error) {
	t := &transaction{reader: reader{records: tx.lookUp, now: d.now(), log: d.log, key: tx.key}, touched: tx.touched[:0]}
	writes, r.err = d.decide(t, r)
	tx.key, tx.touched = t.key, t.touched
	if broken := panicIn(t.err); broken != nil {
		return 0, broken
	}
	if r.err == nil {
		return writes, guard(func() error { return t.apply(tx) })
	}
	return 0, nil
}

// decide runs r's function in t, and returns an error unless what it wrote, so many records, can be applied.
func (d *DB) decide(t *transaction, r *request) (writes int, err error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	err = d.call(func() error { return r.fn(t) })
	t.ended = true
	if err != nil {
		return 0, err
	}
	return t.prepare()
}

// call runs a caller's function. Its panic is its caller's error, and nobody else's.
func (d *DB) call(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			d.log.Error("a transaction's function panicked", "panic", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: the transaction's function panicked: %v", store.ErrUnavailable, cause)
		}
	}()
	return f()
}

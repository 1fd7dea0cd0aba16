package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

const (
	// maxRunning bounds the transactions that run at once. Who comes then waits until one ends or its own
	// context does.
	maxRunning = 256
	// maxTries bounds how often a transaction's function runs while others are faster.
	maxTries = 200
	// maxPause bounds the wait before each further try.
	maxPause = 50 * time.Millisecond
)

var _ store.Store = (*Store)(nil)

// A Store is a state in an etcd cluster.
type Store struct {
	cluster *cluster
	leases  *leases
	prefix  string
	timeout time.Duration
	log     *slog.Logger
	options Options
	// about is what the state says of itself, schema the revision at which it was written.
	about  store.About
	schema int64
	// node is what this node remembers.
	node node
	// slots is as full as there are transactions running.
	slots chan struct{}

	// gate is held for reading by whoever uses cluster, so that Close can wait for them.
	gate   sync.RWMutex
	closed bool

	commits, conflicts, unknown atomic.Uint64
}

// Open connects to the cluster and reads the state's schema, or begins a new state if there is none below the
// prefix. It fails if no majority answers within the timeout. The errors say what is wrong and what to do;
// they wrap [store.ErrUnavailable], [store.ErrCorrupt], [store.ErrSchema] if a newer Tandem wrote the state, or
// [store.ErrMoved] or [store.ErrPartial] if it is not to be served.
func Open(ctx context.Context, options Options) (*Store, error) {
	s, err := prepare(options)
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.enter(opening); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes a Store that has not looked at its state yet.
func prepare(options Options) (*Store, error) {
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	c, err := newCluster(options)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s := &Store{
		cluster: c,
		prefix:  options.Prefix,
		timeout: options.Timeout,
		log:     options.Logger,
		options: options,
		slots:   make(chan struct{}, maxRunning),
	}
	s.leases = newLeases(s.grantLease)
	return s, nil
}

// enter reads what the state says of itself, and compares it with what this node remembers.
func (s *Store) enter(ctx context.Context) error {
	if err := s.enterSchema(ctx); err != nil {
		return err
	}
	if err := s.served(); err != nil {
		return err
	}
	return s.meetWitness(ctx)
}

// Update implements [store.Store]. fn runs on the caller's goroutine, and again whenever another transaction
// has changed what it read. Once a commit is sent, the end of ctx is no longer waited for: Update returns the
// outcome, within [Options.Timeout].
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.run(ctx, func(try context.Context) error {
		t := &transaction{reader: s.newReader(try, ctx), began: s.leases.now(), writes: map[string]write{}}
		err := s.call(func() error { return fn(t) })
		t.ended = true
		switch {
		case t.again:
			return errAgain
		case err != nil:
			return err
		case t.err != nil: // a function that went on after a failed read did not know what it decided
			return t.err
		}
		return s.commit(t, s.node.floor())
	})
}

// View implements [store.Store].
func (s *Store) View(ctx context.Context, fn func(r store.Reader) error) error {
	return s.run(ctx, func(try context.Context) error {
		r := s.newReader(try, ctx)
		err := s.call(func() error { return fn(&r) })
		r.ended = true
		if r.again {
			return errAgain
		}
		return err
	})
}

// Check implements [store.Store]: it returns an error if no majority answers, the state was replaced, or the
// cluster has raised an alarm and takes no writes.
func (s *Store) Check(ctx context.Context) error {
	if err := s.enterGate(); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	try, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r := s.newReader(try, ctx)
	floor := s.node.floor() // before the state is read: commits that are acknowledged meanwhile raise it
	found, err := r.ask(s.prefix + schemaKey)
	if err != nil {
		return s.cluster.unavailable("check", err)
	}
	if err := s.sameSchema(found); err != nil {
		return err
	}
	if r.revision < floor {
		if err := s.wentBack(try, floor, r.revision); err != nil {
			return err
		}
	}
	return s.alarms(try)
}

// Close implements [store.Store]. It waits for what is under way. Records keep their leases. Closing again
// does nothing.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.cluster.close()
}

// Stats tell of a store's work since it was opened.
type Stats struct {
	// Commits were written. Conflicts were not, because another transaction was faster; each was tried again.
	Commits, Conflicts uint64
	// Unknown are commits that were sent and not answered.
	Unknown uint64
}

// Stats returns the present figures.
func (s *Store) Stats() Stats {
	return Stats{Commits: s.commits.Load(), Conflicts: s.conflicts.Load(), Unknown: s.unknown.Load()}
}

// run tries until the outcome is something else than errAgain. What try is given ends with the timeout.
func (s *Store) run(ctx context.Context, try func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enterGate(); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.repeat(ctx, try)
}

// repeat is run for those who have a place already.
func (s *Store) repeat(ctx context.Context, try func(ctx context.Context) error) error {
	for n := range maxTries {
		if n > 0 {
			if err := pause(ctx, min(time.Millisecond<<min(n, 10), maxPause)); err != nil {
				return err
			}
		}
		err := func() error {
			limited, cancel := context.WithTimeout(ctx, s.timeout)
			defer cancel()
			return try(limited)
		}()
		if !errors.Is(err, errAgain) {
			return err
		}
	}
	return s.cluster.unavailable("commit", fmt.Errorf("nothing was written: others were faster %d times in a row", maxTries))
}

func (s *Store) enterGate() error {
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return fmt.Errorf("%w: %w: etcd at %s", store.ErrUnavailable, store.ErrClosed, s.cluster.endpoints())
	}
	return nil
}

// call runs a caller's function. Its panic is its caller's error, and nobody else's.
func (s *Store) call(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.log.Error("a transaction's function panicked", "panic", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: the transaction's function panicked: %v", store.ErrUnavailable, cause)
		}
	}()
	return f()
}

// grantLease asks for a lease. One that was granted without our hearing of it runs out by itself.
func (s *Store) grantLease(ctx context.Context, seconds int64) (id clientv3.LeaseID, granted int64, err error) {
	err = s.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.leases.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: seconds})
		if err != nil {
			return err
		}
		id, granted = clientv3.LeaseID(reply.ID), reply.TTL
		return nil
	})
	return id, granted, err
}

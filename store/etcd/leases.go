package etcd

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// leases are what records with a ttl hang on. Records of about the same ttl share a lease:
//
//	a ttl is rounded up to its class, a multiple of step (1 s, or a power of two seconds up to 1/32 of the ttl);
//	a lease is granted for class + step, and used for new records during one step.
//
// So a record's lease lasts for at least its ttl from when it was put, and at most for ttl + 2 steps. etcd
// removes what has run out within a second. All in all a record is never early, and late by at most 3 s or
// 10 % of its ttl, whichever is more. A node holds at most some 65 live leases for each class.
//
// The local clock only measures how long ago this node asked for a lease; no two nodes' clocks are compared.
type leases struct {
	// grant asks for a lease of so many seconds, and returns how many it was given, which may be more.
	grant func(ctx context.Context, seconds int64) (id clientv3.LeaseID, granted int64, err error)
	now   func() time.Time
	// turn is held by who looks at held, and asks for a lease if there is none.
	turn chan struct{}
	held map[int64]lease // by class, in seconds
}

type lease struct {
	id clientv3.LeaseID
	// last is until when a record may be put on it.
	last time.Time
}

func newLeases(grant func(context.Context, int64) (clientv3.LeaseID, int64, error)) *leases {
	return &leases{grant: grant, now: time.Now, turn: make(chan struct{}, 1), held: map[int64]lease{}}
}

// lasting returns a lease that lasts for at least ttl from put, which is a moment in the past.
func (l *leases) lasting(ctx context.Context, ttl time.Duration, put time.Time) (clientv3.LeaseID, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	class, step := classOf(ttl)
	if held, found := l.held[class]; found && !put.After(held.last) {
		return held.id, nil
	}
	// The lease begins after this moment, so what is counted from here is on the safe side.
	asked := l.now()
	id, granted, err := l.grant(ctx, class+step)
	if err != nil {
		return 0, fmt.Errorf("ask for a lease of %d s: %w", class+step, err)
	}
	if granted < class+step {
		return 0, fmt.Errorf("asked for a lease of %d s and was given %d s", class+step, granted)
	}
	l.held[class] = lease{id: id, last: asked.Add(time.Duration(step) * time.Second)}
	return id, nil
}

// forget drops all leases: etcd does not know one of them, so it has run out, or the state is another.
func (l *leases) forget() {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	clear(l.held)
}

// classOf rounds ttl up, in seconds. There are at most 32 classes between a power of two and the next.
func classOf(ttl time.Duration) (class, step int64) {
	seconds := int64((ttl-1)/time.Second) + 1
	step = 1
	if n := bits.Len64(uint64(seconds / 32)); n > 1 {
		step = 1 << (n - 1)
	}
	class = (seconds + step - 1) / step * step
	return min(class, clientv3.MaxLeaseTTL-step), step
}

package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"tandem/store"
	"tandem/test/etcdtest"
)

// late is how long a record's lease may last beyond its ttl. (etcd may take a second more to remove it.)
func late(ttl time.Duration) time.Duration { return max(2*time.Second, ttl/10) }

// granter grants leases as etcd does, some time after it was asked, and by its own clock.
type granter struct {
	now    time.Time
	ahead  time.Duration                  // of the server's clock
	way    time.Duration                  // of the request, and of the reply
	ends   map[clientv3.LeaseID]time.Time // by the server's clock
	grants int
}

func (g *granter) grant(_ context.Context, seconds int64) (clientv3.LeaseID, int64, error) {
	g.grants++
	g.now = g.now.Add(g.way)
	g.ends[clientv3.LeaseID(g.grants)] = g.now.Add(g.ahead).Add(time.Duration(seconds) * time.Second)
	g.now = g.now.Add(g.way)
	return clientv3.LeaseID(g.grants), seconds, nil
}

func TestRow48_LeaseIsNeverTooShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &granter{
			now:   time.Date(2026, time.March, 29, 1, 59, 0, 0, time.UTC),
			ahead: time.Duration(rapid.IntRange(-600, 600).Draw(t, "the server's clock is ahead by")) * time.Second,
			ends:  map[clientv3.LeaseID]time.Time{},
		}
		l := newLeases(g.grant)
		l.now = func() time.Time { return g.now }
		for range rapid.IntRange(1, 50).Draw(t, "records") {
			ttl := time.Duration(rapid.Int64Range(1, int64(100*24*time.Hour)).Draw(t, "ttl"))
			if rapid.Bool().Draw(t, "usual") {
				ttl = rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 15 * time.Minute, 30 * 24 * time.Hour}).Draw(t, "ttl")
			}
			g.now = g.now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "later")))
			g.way = time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "way"))
			put := g.now
			id, err := l.lasting(context.Background(), ttl, put)
			if err != nil {
				t.Fatal(err)
			}
			lasts := g.ends[id].Sub(put.Add(g.ahead))
			// Whole seconds, and the time that asking took, come on top.
			if lasts < ttl || lasts > ttl+late(ttl)+time.Second+g.way {
				t.Fatalf("a record with a ttl of %v lasts for %v", ttl, lasts)
			}
		}
	})
}

func TestLeasesAreShared(t *testing.T) {
	g := &granter{now: time.Now(), ends: map[clientv3.LeaseID]time.Time{}}
	l := newLeases(g.grant)
	l.now = func() time.Time { return g.now }
	const ttl, records = time.Minute, 10_000
	for range records {
		if _, err := l.lasting(t.Context(), ttl, g.now); err != nil {
			t.Fatal(err)
		}
		g.now = g.now.Add(10 * ttl / records)
	}
	if g.grants > 10*65 {
		t.Errorf("%d leases in ten times a ttl of %v", g.grants, ttl)
	}
}

func TestLeaseRefused(t *testing.T) {
	short := newLeases(func(_ context.Context, seconds int64) (clientv3.LeaseID, int64, error) { return 1, seconds - 1, nil })
	if _, err := short.lasting(t.Context(), time.Minute, time.Now()); err == nil {
		t.Error("a lease shorter than asked was taken")
	}
	own := errors.New("no")
	fails := newLeases(func(context.Context, int64) (clientv3.LeaseID, int64, error) { return 0, 0, own })
	if _, err := fails.lasting(t.Context(), time.Minute, time.Now()); !errors.Is(err, own) {
		t.Error(err)
	}
}

// Two nodes whose clocks differ by a quarter of an hour put the same, and see the same.
func TestRow48_ExpiryIsTheStores(t *testing.T) {
	c := etcdtest.Start(t, 1)
	prefix, etcd := freshPrefix(), c.Client()
	var nodes []*Store
	for _, ahead := range []time.Duration{-7 * time.Minute, 8 * time.Minute} {
		s := mustOpen(t, Options{Endpoints: c.Endpoints(), Prefix: prefix})
		s.leases.now = func() time.Time { return time.Now().Add(ahead) }
		nodes = append(nodes, s)
	}
	key := prefix + recordsPrefix + "challenge"
	for i, s := range nodes {
		for _, ttl := range []time.Duration{time.Second, 1500 * time.Millisecond, time.Minute, 24 * time.Hour} {
			if err := s.Update(t.Context(), func(tx store.Tx) error { tx.Put("challenge", []byte("open"), ttl); return nil }); err != nil {
				t.Fatal(err)
			}
			found, err := etcd.Get(t.Context(), key)
			if err != nil || len(found.Kvs) != 1 {
				t.Fatal(found, err)
			}
			lease, err := etcd.TimeToLive(t.Context(), clientv3.LeaseID(found.Kvs[0].Lease))
			if err != nil {
				t.Fatal(err)
			}
			granted := time.Duration(lease.GrantedTTL) * time.Second
			if granted < ttl || granted > ttl+late(ttl) {
				t.Errorf("node %d: a record with a ttl of %v has a lease of %v", i, ttl, granted)
			}
			for _, reader := range nodes {
				if held, err := value(reader, "challenge"); string(held) != "open" || err != nil {
					t.Errorf("node %d, %v: %q, %v before etcd removes it", i, ttl, held, err)
				}
			}
			// What etcd does when the time has come:
			if _, err := etcd.Revoke(t.Context(), clientv3.LeaseID(found.Kvs[0].Lease)); err != nil {
				t.Fatal(err)
			}
			for _, reader := range nodes {
				if held, err := value(reader, "challenge"); held != nil || err != nil {
					t.Errorf("node %d, %v: %q, %v after etcd has removed it", i, ttl, held, err)
				}
			}
			// The node does not know yet that its lease has gone.
			if err := s.Update(t.Context(), func(tx store.Tx) error { tx.Put("challenge", []byte("open"), ttl); return nil }); err != nil {
				t.Errorf("put on a lease that is gone: %v", err)
			}
		}
	}
}

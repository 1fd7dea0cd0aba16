package faults

import (
	"context"
	"math"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/etcdtest"
)

// failoverTimeout is the NAS's: after it, it asks its next server.
const failoverTimeout = time.Second

// inThrough logs a person in through a NAS that has two servers, with a new code if one is rejected. It returns how
// many requests that took, and how long; in is false if it took too many.
func inThrough(p *person, servers [2]*node) (requests int, took time.Duration, in bool) {
	began := time.Now()
	step, _ := p.token.press(time.Now())
	for requests = 1; requests < 4; requests++ {
		server := servers[(requests-1)%2]
		sent := time.Since(p.estate.began)
		o := outcomeOf(radiusclient.Exchange(context.Background(), server.client(failoverTimeout, 0),
			radiusclient.Request{User: p.name, Password: secret.New(p.token.code(step)), NASIdentifier: "vpn", CallingStation: home}))
		p.record(step, o, sent, server.name+" failover")
		switch o {
		case accepted:
			return requests, time.Since(began), true
		case rejected: // the request before was decided, and its answer never came
			step, _ = p.token.press(time.Now())
		default:
		}
	}
	return requests, time.Since(began), false
}

// quickest is the least time that one of the next logins takes.
func quickest(p *person, server *node) time.Duration {
	least := time.Duration(math.MaxInt64)
	for range 2 {
		if _, took, in := inThrough(p, [2]*node{server, server}); in {
			least = min(least, took)
		}
	}
	return least
}

// TestRow47_Failover: one node or one member dies, hangs or is cut off, and somebody who logs in right then waits
// for one retransmission, or not for long; whoever comes after that does not wait at all. (Elections of the test's
// members take half a second, those of etcd's defaults one.)
func TestRow47_Failover(t *testing.T) {
	s := newCluster(t, 2, 1, 0, 0, nil)
	e, cluster, wires := s.estate, s.cluster, s.wires
	p, first, second := e.people[0], e.nodes[0], e.nodes[1]
	const nearest = 0 // the member that the first node asks first
	restart := func() {
		first.kill()
		if err := first.start(); err != nil {
			t.Fatal(err)
		}
		e.waitReady()
	}
	for _, tt := range []failure{
		{"nothing dies", func() {}, func() {}, first},
		{"the node dies", first.kill, restart, second},
		{"the node hangs", first.pause, first.resume, second},
		{"its member dies", func() { cluster.Kill(nearest) }, func() { cluster.Restart(nearest) }, first},
		{"its member hangs", func() { cluster.Pause(nearest) }, func() { cluster.Resume(nearest) }, first},
		{"the way to its member is cut", wires[0].Link(nearest).Cut, wires[0].Link(nearest).Heal, first},
		{"the way to its member drops everything", wires[0].Link(nearest).Hang, wires[0].Link(nearest).Heal, first},
		leaderFails(cluster, "the leader dies", cluster.Kill, cluster.Restart, first),
		leaderFails(cluster, "the leader hangs", cluster.Pause, cluster.Resume, first),
	} {
		// A machine that is busy with something else gets more than one try.
		for try := 1; ; try++ {
			restart() // then it asks its nearest member first
			tt.fail()
			requests, took, in := inThrough(p, [2]*node{first, second})
			next := quickest(p, tt.then)
			tt.mend()
			cluster.WaitHealthy()
			e.waitReady()
			t.Logf("%s: in after %d requests and %.2f s; the next ones in %.2f s", tt.name, requests, took.Seconds(), next.Seconds())
			if in && (requests <= 2 || took < 3*time.Second) && next < 400*time.Millisecond {
				break
			}
			if try == 3 {
				t.Fatalf("%s: in after %d requests and %v, the next ones in %v; want one retransmission or 3 s, and then no delay",
					tt.name, requests, took, next)
			}
		}
	}
	if err := p.check(); err != nil {
		t.Error(err)
	}
}

// A failure is something that fails, and how it is mended.
type failure struct {
	name       string
	fail, mend func()
	// then is the node that serves while it lasts.
	then *node
}

// leaderFails does something to whoever leads at that time.
func leaderFails(c *etcdtest.Cluster, name string, fail, mend func(member int), then *node) failure {
	var leader int
	return failure{name, func() { leader = c.Leader(); fail(leader) }, func() { mend(leader) }, then}
}

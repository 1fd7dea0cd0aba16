package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/test/etcdtest"
)

// A fault breaks something, holds it broken for a while, and mends it. It runs on the test's own goroutine.
type fault struct {
	name   string
	strike func(s *schedule)
}

// A schedule is the faults of one estate, in random order, over and over.
type schedule struct {
	t       testing.TB
	estate  *estate
	cluster *etcdtest.Cluster // nil: the state is in a file
	wires   []*etcdtest.Wire
	faults  []fault
	random  *rand.Rand
	// kills counts the members that were killed; the estate counts its nodes.
	kills int64
	tally map[string]int
}

// play strikes until enough says so, or the load fails. After each fault all nodes must become ready again by
// themselves.
func (s *schedule) play(l *load, enough func() bool) {
	s.t.Helper()
	s.tally = map[string]int{}
	for !enough() {
		for _, i := range s.random.Perm(len(s.faults)) {
			f := s.faults[i]
			f.strike(s)
			s.tally[f.name]++
			if s.cluster != nil {
				s.cluster.WaitHealthy()
			}
			s.estate.waitReady()
			select {
			case <-l.failed:
				return
			case <-time.After(time.Duration(200+s.random.IntN(400)) * time.Millisecond): // quiet
			}
			if enough() {
				return
			}
		}
	}
}

// hold lets a fault last.
func (s *schedule) hold(least, most time.Duration) {
	time.Sleep(least + time.Duration(s.random.Int64N(int64(most-least))))
}

func (s *schedule) anyNode() *node { return s.estate.nodes[s.random.IntN(len(s.estate.nodes))] }

// struck says what has happened, for the log.
func (s *schedule) struck() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.tally)) {
		parts = append(parts, fmt.Sprintf("%s %d×", name, s.tally[name]))
	}
	return strings.Join(parts, ", ")
}

// faultsOfNodes end and stop the daemons.
func faultsOfNodes() []fault {
	return []fault{
		{"node killed", func(s *schedule) {
			n := s.anyNode()
			n.kill()
			s.hold(0, 300*time.Millisecond)
			s.restart(n)
		}},
		{"node killed twice", func(s *schedule) { // the second time while it starts
			n := s.anyNode()
			n.kill()
			s.restart(n)
			s.hold(0, 60*time.Millisecond)
			n.kill()
			s.restart(n)
		}},
		{"all nodes killed", func(s *schedule) {
			for _, n := range s.estate.nodes {
				n.kill()
			}
			for _, n := range s.estate.nodes {
				s.restart(n)
			}
		}},
		{"node paused", func(s *schedule) {
			n := s.anyNode()
			n.pause()
			s.hold(500*time.Millisecond, time.Second)
			n.resume()
		}},
		{"node reloaded", func(s *schedule) {
			s.anyNode().reload()
		}},
	}
}

func (s *schedule) restart(n *node) {
	s.t.Helper()
	if err := n.start(); err != nil {
		s.t.Fatal(err)
	}
}

// faultsOfMembers end, stop and cut off etcd members.
func faultsOfMembers() []fault {
	link := func(fault func(*etcdtest.Link)) func(s *schedule) {
		return func(s *schedule) {
			w := s.wires[s.random.IntN(len(s.wires))]
			m := s.random.IntN(3)
			fault(w.Link(m))
			s.hold(300*time.Millisecond, time.Second)
			w.Link(m).Heal()
		}
	}
	wire := func(fault func(*etcdtest.Wire)) func(s *schedule) {
		return func(s *schedule) {
			w := s.wires[s.random.IntN(len(s.wires))]
			fault(w)
			s.hold(500*time.Millisecond, 1500*time.Millisecond)
			w.Heal()
		}
	}
	return []fault{
		{"member killed", func(s *schedule) { s.killMembers(s.random.IntN(3)) }},
		{"leader killed", func(s *schedule) { s.killMembers(s.cluster.Leader()) }},
		{"all members killed", func(s *schedule) { s.killMembers(0, 1, 2) }},
		{"member paused", func(s *schedule) { s.pauseMember(s.random.IntN(3)) }},
		{"leader paused", func(s *schedule) { s.pauseMember(s.cluster.Leader()) }},
		{"node cut off", wire((*etcdtest.Wire).Cut)},
		{"node's packets held back", wire((*etcdtest.Wire).Hang)},
		{"requests to a member lost", link((*etcdtest.Link).LoseRequests)},
		{"replies of a member lost", link((*etcdtest.Link).LoseReplies)},
		{"link cut", link((*etcdtest.Link).Cut)},
	}
}

func (s *schedule) killMembers(members ...int) {
	s.t.Helper()
	for _, m := range members {
		s.cluster.Kill(m)
		s.kills++
	}
	s.hold(200*time.Millisecond, 800*time.Millisecond)
	for _, m := range members {
		s.cluster.Restart(m)
	}
}

func (s *schedule) pauseMember(m int) {
	s.t.Helper()
	s.cluster.Pause(m)
	s.hold(500*time.Millisecond, 1500*time.Millisecond)
	s.cluster.Resume(m)
}

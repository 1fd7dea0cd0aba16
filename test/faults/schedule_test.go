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
	// kills: a node dies.
	kills bool
	// loses: what a node and a member say to each other gets lost, and both live on.
	loses bool
}

// harmless are those of the faults that no node dies of.
func harmless(faults []fault) []fault {
	return slices.DeleteFunc(faults, func(f fault) bool { return f.kills })
}

// A schedule is the faults of one estate, in random order, over and over.
type schedule struct {
	t       testing.TB
	estate  *estate
	cluster *etcdtest.Cluster // nil: the state is in a file
	wires   []*etcdtest.Wire
	faults  []fault
	random  *rand.Rand
	// quiet is how long nothing happens after a fault, and up to twice as long.
	quiet time.Duration
	// immortal is a node that is not killed, so that it can be seen to grow; nil: there is none.
	immortal *node
	// kills counts the members that were killed; the estate counts its nodes.
	kills int64
	tally map[string]int
}

// newSchedule plays faults on an estate, in an order that is always the same.
func newSchedule(e *estate, faults []fault) *schedule {
	return &schedule{
		t: e.t, estate: e, faults: faults, tally: map[string]int{},
		quiet: 500 * time.Millisecond, random: rand.New(rand.NewPCG(3, 4)),
	}
}

// playTime bounds the short form: what has not happened until then is an error.
const playTime = 2 * time.Minute

// play strikes until every fault has struck and enough has happened, or the load fails. After each fault all
// nodes must become ready again by themselves.
func (s *schedule) play(l *load, enough func(now summary) bool) {
	s.t.Helper()
	for {
		for _, i := range s.random.Perm(len(s.faults)) {
			s.strike(s.faults[i])
			if !s.pause(l) || s.over(l, enough) {
				return
			}
		}
		if len(s.faults) == 0 && (!s.pause(l) || s.over(l, enough)) {
			return
		}
	}
}

// over reports whether enough has happened, or never will.
func (s *schedule) over(l *load, enough func(now summary) bool) bool {
	done := enough(s.summary(l))
	return done && len(s.tally) == len(s.faults) || time.Since(l.began) > max(playTime, *soakTime+time.Minute)
}

func (s *schedule) strike(f fault) {
	s.t.Helper()
	f.strike(s)
	s.tally[f.name]++
	if s.cluster != nil {
		s.cluster.WaitHealthy()
	}
	s.estate.waitReady()
}

// pause lets the load go on undisturbed; false: it has failed.
func (s *schedule) pause(l *load) bool {
	select {
	case <-l.failed:
		return false
	case <-time.After(s.quiet + time.Duration(s.random.Int64N(int64(s.quiet)))):
		return true
	}
}

// summary is the load's so far, with the members that were killed.
func (s *schedule) summary(l *load) summary {
	sum := l.summary()
	sum.kills += s.kills
	return sum
}

// hold lets a fault last.
func (s *schedule) hold(least, most time.Duration) {
	time.Sleep(least + time.Duration(s.random.Int64N(int64(most-least))))
}

func (s *schedule) anyNode() *node { return s.estate.nodes[s.random.IntN(len(s.estate.nodes))] }

// mortals are the nodes that may be killed.
func (s *schedule) mortals() []*node {
	return slices.DeleteFunc(slices.Clone(s.estate.nodes), func(n *node) bool { return n == s.immortal })
}

func (s *schedule) anyMortal() *node {
	all := s.mortals()
	return all[s.random.IntN(len(all))]
}

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
		{name: "node killed", kills: true, strike: func(s *schedule) {
			n := s.anyMortal()
			n.kill()
			s.hold(0, 300*time.Millisecond)
			s.restart(n)
		}},
		{name: "node killed twice", kills: true, strike: func(s *schedule) { // the second time while it starts
			n := s.anyMortal()
			n.kill()
			s.restart(n)
			s.hold(0, 60*time.Millisecond)
			n.kill()
			s.restart(n)
		}},
		{name: "nodes killed at once", kills: true, strike: func(s *schedule) {
			for _, n := range s.mortals() {
				n.kill()
			}
			for _, n := range s.mortals() {
				s.restart(n)
			}
		}},
		{name: "node paused", strike: func(s *schedule) {
			n := s.anyNode()
			n.pause()
			s.hold(500*time.Millisecond, time.Second)
			n.resume()
		}},
		{name: "node reloaded", strike: func(s *schedule) {
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

// faultsOfDisk fail the disk that a host has its state on, and repair it. Nobody restarts anything.
func faultsOfDisk(d *disk) []fault {
	fails := func(fail func()) func(s *schedule) {
		return func(s *schedule) {
			fail()
			down(s.t, s.estate.nodes[0])
			d.restore()
		}
	}
	return []fault{
		{name: "I/O errors", strike: fails(d.cut)},
		{name: "disk read-only", strike: fails(d.freeze)},
	}
}

// faultsOfMembers end, stop and cut off etcd members.
func faultsOfMembers() []fault {
	wire := func(fault func(*etcdtest.Wire)) func(s *schedule) {
		return func(s *schedule) {
			w := s.wires[s.random.IntN(len(s.wires))]
			fault(w)
			s.hold(500*time.Millisecond, 1500*time.Millisecond)
			w.Heal()
		}
	}
	return []fault{
		{name: "member killed", strike: func(s *schedule) { s.killMembers(s.random.IntN(3)) }},
		{name: "leader killed", strike: func(s *schedule) { s.killMembers(s.cluster.Leader()) }},
		{name: "all members killed", strike: func(s *schedule) { s.killMembers(0, 1, 2) }},
		{name: "member paused", strike: func(s *schedule) { s.pauseMember(s.random.IntN(3)) }},
		{name: "leader paused", strike: func(s *schedule) { s.pauseMember(s.cluster.Leader()) }},
		{name: "node cut off", strike: wire((*etcdtest.Wire).Cut)},
		{name: "node's packets held back", strike: wire((*etcdtest.Wire).Hang)},
		{name: "requests to the members lost", strike: slowly((*etcdtest.Link).LoseRequests), loses: true},
		{name: "replies of the members lost", strike: slowly((*etcdtest.Link).LoseReplies), loses: true},
	}
}

// slowly makes the links of all nodes slow, so that many commits are on their way, and then lets one node lose
// what is on its links.
func slowly(lose func(*etcdtest.Link)) func(s *schedule) {
	return func(s *schedule) {
		each := func(w *etcdtest.Wire, do func(*etcdtest.Link)) {
			for m := range w.Endpoints() {
				do(w.Link(m))
			}
		}
		delay := func(d time.Duration) {
			for _, w := range s.wires {
				each(w, func(l *etcdtest.Link) { l.Delay(d) })
			}
		}
		delay(20 * time.Millisecond)
		s.hold(500*time.Millisecond, 800*time.Millisecond)
		w := s.wires[s.random.IntN(len(s.wires))]
		each(w, lose)
		delay(0)
		s.hold(500*time.Millisecond, 1500*time.Millisecond)
		w.Heal()
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

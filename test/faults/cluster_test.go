package faults

import (
	"testing"
	"time"
)

// TestRow47_ClusterUnderFaults: three nodes on three etcd members, all of which are killed, paused and cut off.
func TestRow47_ClusterUnderFaults(t *testing.T) {
	s := newCluster(t, 3, 40, 4, 8, append(faultsOfNodes(), faultsOfMembers()...))
	e := s.estate
	l := startLoad(t, e)
	s.play(l, func(now summary) bool { return now.kills >= nodesKills && now.answered() >= nodesLogins })
	e.wantEverybodyIn(l)
	sum := s.summary(l)
	t.Logf("%v; %s", sum, s.struck())
	sum.judge(t, nodesKills, nodesLogins)
}

// TestRow25_EverywhereAtOnce: nothing breaks, and everybody shows each code to three nodes, over RADIUS and PAM, at once.
func TestRow25_EverywhereAtOnce(t *testing.T) {
	s := newCluster(t, 3, 20, 2, 4, nil)
	l := startLoad(t, s.estate)
	s.play(l, func(now summary) bool { return now.answered() >= 2000 })
	sum := s.summary(l)
	t.Log(sum)
	sum.judge(t, 0, 2000)
}

// TestRow25_CommitsGetLost: what nodes send to members, or what these answer, gets lost, so that nobody knows what
// was written.
func TestRow25_CommitsGetLost(t *testing.T) {
	var lossy []fault
	for _, f := range faultsOfMembers() {
		if f.loses {
			lossy = append(lossy, f)
		}
	}
	s := newCluster(t, 3, 80, 0, 0, lossy)
	s.quiet = 100 * time.Millisecond
	l := startLoad(t, s.estate)
	unheard := func() (sum int) {
		for _, n := range s.estate.nodes {
			sum += n.logged("a commit was sent to etcd and not answered")
		}
		return sum
	}
	s.play(l, func(summary) bool { return unheard() >= 8 })
	sum := s.summary(l)
	t.Logf("%d commits were not answered: %v; %s", unheard(), sum, s.struck())
	sum.judge(t, 0, 500)
}

package faults

import (
	"testing"
	"time"
)

// The bars of the short form: with those of the cluster, 25 kills and 50,000 answered logins.
const (
	hostKills   = 10
	hostLogins  = 35_000
	nodesKills  = 15
	nodesLogins = 16_000
)

// TestRow44_KillNineUnderLoad: one host, its state in a file, ended with SIGKILL again and again.
func TestRow44_KillNineUnderLoad(t *testing.T) {
	e := newEstate(t, 1, inFile(""), 150, 8, 8)
	l := startLoad(t, e)
	s := newSchedule(e, faultsOfNodes())
	s.quiet = 800 * time.Millisecond
	s.play(l, func(now summary) bool { return now.kills >= hostKills && now.answered() >= hostLogins })
	e.wantEverybodyIn(l)
	sum := s.summary(l)
	t.Logf("%v; %s", sum, s.struck())
	sum.judge(t, hostKills, hostLogins)
}

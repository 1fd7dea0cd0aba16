package faults

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The bars of the short form: with those of the cluster, 25 kills and 50,000 answered logins.
const (
	hostKills   = 10
	hostLogins  = 35_000
	nodesKills  = 15
	nodesLogins = 15_000
)

// TestRow44_KillNineUnderLoad: one host, its state in a file, ended with SIGKILL again and again.
func TestRow44_KillNineUnderLoad(t *testing.T) {
	e := newEstate(t, 1, inFile(""), 40, 4, 4)
	l := startLoad(t, e)
	s := &schedule{t: t, estate: e, faults: faultsOfNodes(), random: rand.New(rand.NewPCG(1, 2))}
	s.play(l, func() bool {
		now := l.summary()
		return now.kills >= hostKills && now.answered() >= hostLogins || now.took > 2*time.Minute
	})
	e.wantEverybodyIn(l)
	sum := l.end()
	t.Logf("%v; %s", sum, s.struck())
	sum.judge(t, hostKills, hostLogins)
}

package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 0, "how long TestSoak lasts; 0: it is left out")

// progressEvery is how often a soak says how it is doing.
const progressEvery = 10 * time.Second

// TestSoak holds load with faults for as long as -soak says (`make soak`), on a cluster and on a host of its own at
// once. In each there is a node that lives all the time: it must not grow.
func TestSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("takes as long as one likes: make soak SOAK=30m")
	}
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		s := newCluster(t, 3, 30, 3, 10, append(faultsOfNodes(), faultsOfMembers()...))
		s.soak(s.estate.nodes[0])
	})
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		d := newExt4(t)
		e := newEstate(t, 1, inFile(d.dir), 30, 3, 10)
		s := newSchedule(e, append(faultsOfDisk(d), harmless(faultsOfNodes())...))
		s.soak(e.nodes[0])
	})
}

// soak plays the schedule with the load of its estate, and compares what the immortal holds when nobody logs in,
// after a first part and at the end.
func (s *schedule) soak(immortal *node) {
	s.immortal, s.quiet = immortal, 2*time.Second
	warmUp := *soakTime / 10
	s.playFor(warmUp)
	start := s.settled(immortal)
	s.say("nobody logs in: %v", start)
	l := s.playFor(*soakTime - warmUp)
	end := s.settled(immortal)
	s.estate.wantEverybodyIn(l)
	sum := s.summary(l)
	s.say("the end: %v", sum)
	s.say("struck: %s", s.struck())
	s.say("%s at the start: %v; at the end: %v", immortal.name, start, end)
	sum.judge(s.t, 0, 1)
	if end.outgrows(start) {
		s.t.Errorf("%s has grown: %v at the start, %v at the end", immortal.name, start, end)
	}
}

// playFor plays the schedule for a while and ends the load.
func (s *schedule) playFor(d time.Duration) *load {
	l := startLoad(s.t, s.estate)
	said := time.Now()
	for time.Since(l.began) < d {
		s.play(l, func(now summary) bool {
			if time.Since(said) >= progressEvery {
				said = said.Add(progressEvery)
				u, _ := s.immortal.usage() // nothing while it is paused
				s.say("%v; %v", now, u)
			}
			return time.Since(l.began) >= d
		})
		if s.t.Failed() {
			break
		}
	}
	l.end()
	return l
}

// say prints at once; the log of a parallel test comes only at its end.
func (s *schedule) say(format string, args ...any) {
	fmt.Fprintf(os.Stdout, "%s %s: %s\n", time.Now().Format(time.TimeOnly), s.t.Name(), fmt.Sprintf(format, args...))
}

// settled is what a node holds once all that the load has left is gone: replies that are kept for retransmissions,
// connections. It waits until nothing changes any more, or for some time.
func (s *schedule) settled(n *node) (u usage) {
	s.t.Helper()
	unchanged := 0
	for deadline := time.Now().Add(patience); unchanged < 5 && time.Now().Before(deadline); time.Sleep(time.Second) {
		now, err := n.usage()
		if err != nil {
			s.t.Fatal(err)
		}
		if unchanged++; now.descriptors != u.descriptors || now.goroutines != u.goroutines {
			unchanged = 0
		}
		u = now
	}
	return u
}

// outgrows reports whether u is clearly more than before. Memory that Go has not given back yet is not growth.
func (u usage) outgrows(before usage) bool {
	return u.descriptors > before.descriptors+10 || u.goroutines > before.goroutines+20 || u.rss > before.rss*3/2+16<<20
}

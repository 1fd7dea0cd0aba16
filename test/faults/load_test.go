package faults

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tandem/directory"
)

// window is how many rounds of a person are checked at a time.
const window = 10

// A load is all people of an estate logging in, over and over.
type load struct {
	estate *estate
	stop   context.CancelFunc
	ended  chan struct{}
	failed chan struct{} // closed at the first violation
	began  time.Time
	over   bool // the estate knows how long it was
}

// startLoad begins. Everybody logs in until the load is ended, or until somebody got in who must not.
func startLoad(t testing.TB, e *estate) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{estate: e, stop: cancel, ended: make(chan struct{}), failed: make(chan struct{}), began: time.Now()}
	var all sync.WaitGroup
	fail := sync.OnceFunc(func() { close(l.failed) })
	for _, p := range e.people {
		all.Go(func() {
			if err := l.live(ctx, p); err != nil {
				t.Errorf("%v: %v", p.name, err)
				fail()
				cancel()
			}
		})
	}
	go func() { // ends with the people, whom stop ends
		all.Wait()
		close(l.ended)
	}()
	t.Cleanup(l.end)
	return l
}

func (l *load) live(ctx context.Context, p *person) error {
	for round := 1; ctx.Err() == nil; round++ {
		if err := p.logIn(); err != nil {
			return err
		}
		if round%window == 0 {
			if err := p.check(); err != nil {
				return err
			}
		}
	}
	return p.check()
}

// end lets everybody finish and be judged.
func (l *load) end() {
	l.stop()
	<-l.ended
	if !l.over {
		l.over = true
		l.estate.busy += time.Since(l.began)
	}
}

// A summary is what came of all loads of an estate so far, and how long they were.
type summary struct {
	counts
	kills   int64
	doubles int
	took    time.Duration
}

func (l *load) summary() summary {
	s := summary{kills: l.estate.kills(), took: l.estate.busy}
	if !l.over {
		s.took += time.Since(l.began)
	}
	for _, p := range l.estate.people {
		p.mu.Lock()
		s.add(p.counts)
		s.doubles += p.history.doubles
		p.mu.Unlock()
	}
	return s
}

func (s summary) String() string {
	return fmt.Sprintf("%d requests in %.0f s (%.0f/s): %d accepts, %d rejects, %d challenges opened, %d without an answer; "+
		"%d kills; %d double accepts, %d lost challenges, %d fresh codes refused",
		s.answered()+s.unknown, s.took.Seconds(), float64(s.answered()+s.unknown)/s.took.Seconds(),
		s.accepts, s.rejects, s.challenges, s.unknown, s.kills, s.doubles, s.lost, s.refused)
}

// judge fails the test unless so much has happened, and nothing that must not.
func (s summary) judge(t testing.TB, kills, logins int64) {
	t.Helper()
	if s.doubles > 0 || s.lost > 0 {
		t.Errorf("%d codes were accepted twice, %d challenges were lost", s.doubles, s.lost)
	}
	if 100*s.refused > s.accepts { // some may meet a host that is too busy
		t.Errorf("%d fresh codes were refused, %d accepted", s.refused, s.accepts)
	}
	if s.kills < kills || s.answered() < logins {
		t.Errorf("%d kills and %d answered logins in %v, want %d and %d", s.kills, s.answered(), s.took, kills, logins)
	}
}

// wantEverybodyIn ends the load, and checks that afterwards each person gets in, at one door of one node after the
// other.
func (e *estate) wantEverybodyIn(l *load) {
	e.t.Helper()
	l.end()
	select {
	case <-l.failed:
		return
	default:
	}
	for i, p := range e.people {
		n, d := e.nodes[i%len(e.nodes)], doors[i/len(e.nodes)%len(doors)]
		if p.token.device.Type == directory.TypeTOTP {
			continue // it may have nothing new to show for a while
		}
		var o outcome
		for range 3 { // whose token is far ahead shows two codes in a row
			step, _ := p.token.press(time.Now())
			if o = p.send(send{step, n, d}, p.token.code(step)).outcome; o == accepted {
				break
			}
		}
		if o != accepted {
			e.t.Fatalf("%s does not get in over %s of %s after all faults: %v\n%s", p.name, d.name, n.name, o, n.said())
		}
		if err := p.check(); err != nil {
			e.t.Error(err)
		}
	}
}

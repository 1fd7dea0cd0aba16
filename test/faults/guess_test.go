package faults

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRow28_GuessesOnAllNodes: who guesses on three nodes, over RADIUS and PAM and from everywhere at once, gets no
// more guesses than on one, also if nodes are killed meanwhile.
func TestRow28_GuessesOnAllNodes(t *testing.T) {
	const nodes, allowed, guesses, atOnce = 3, 20, 300, 30
	_, wires := newWires(t, nodes)
	narrow := strings.NewReplacer("1000\n", "5\n", "10000\n", fmt.Sprintln(allowed), `"1s"`, `"1h"`)
	e := newEstate(t, nodes, func(i int) string { return narrow.Replace(inCluster(wires)(i)) }, 1, 0, 0)
	victim := e.people[0]
	for first := 0; first < guesses; first += atOnce {
		var all sync.WaitGroup
		for i := first; i < first+atOnce; i++ {
			code := victim.token.wrong(i)
			all.Go(func() {
				from := fmt.Sprintf("203.0.113.%d", i%250)
				if o := doors[i/nodes%len(doors)].ask(e.nodes[i%nodes], victim.name, from, code); o == accepted {
					t.Errorf("guess %d got in", i)
				}
			})
		}
		if first == atOnce { // while the second lot is on its way
			e.nodes[1].kill()
			if err := e.nodes[1].start(); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
		e.waitReady()
	}
	counted, refused := 0, 0
	for _, n := range e.nodes {
		for _, l := range n.audit(t) {
			switch l.Reason {
			case "wrong-code":
				counted++
			case "throttled":
				refused++
			}
		}
	}
	t.Logf("%d guesses: %d were looked at, %d refused", guesses, counted, refused)
	// Each node may be looking at one while another's fills the bucket. One that was killed may have counted guesses
	// that it has not written into the audit.
	if counted < allowed/2 || counted >= allowed+nodes {
		t.Errorf("%d guesses were looked at, want about %d", counted, allowed)
	}
	step, _ := victim.token.press(time.Now())
	if o := askRADIUS(e.nodes[2], victim.name, "192.0.2.99", victim.token.code(step)); o != rejected {
		t.Errorf("the right code after that: %v", o)
	}
}

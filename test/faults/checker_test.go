package faults

import (
	"testing"
	"time"
)

// The checker itself: what it must allow, and what it must not.
func TestChecker(t *testing.T) {
	op := func(step uint64, o outcome, sent, answered time.Duration) operation {
		return operation{step: step, outcome: o, sent: sent, answered: answered}
	}
	for _, tt := range []struct {
		name       string
		operations []operation
		legal      bool
	}{
		{"nothing", nil, true},
		{"one after the other", []operation{op(0, accepted, 0, 1), op(1, accepted, 2, 3), op(5, accepted, 4, 5)}, true},
		{"a replay is rejected", []operation{op(3, accepted, 0, 1), op(3, rejected, 2, 3)}, true},
		{"a fresh code is rejected", []operation{op(3, rejected, 0, 1), op(3, accepted, 2, 3)}, true},
		{"twice, one after the other", []operation{op(3, accepted, 0, 1), op(3, accepted, 2, 3)}, false},
		{"twice, at once", []operation{op(3, accepted, 0, 5), op(3, accepted, 1, 4)}, false},
		{"a counter moves back", []operation{op(4, accepted, 0, 1), op(3, accepted, 2, 3)}, false},
		{"two codes at once, whichever is first", []operation{op(4, accepted, 0, 5), op(3, accepted, 1, 4)}, true},
		{"no answer, and it has not happened", []operation{op(3, unknown, 0, 1), op(3, accepted, 2, 3)}, true},
		{"no answer, and it has happened", []operation{op(3, unknown, 0, 1), op(3, rejected, 2, 3)}, true},
		{"no answer, and it happens later", []operation{op(3, unknown, 0, 1), op(3, rejected, 2, 3), op(2, accepted, 4, 5)}, true},
		{"no answer excuses no second yes", []operation{op(3, unknown, 0, 1), op(3, accepted, 2, 3), op(3, accepted, 4, 5)}, false},
		{"no answer, between a yes and a lower one", []operation{op(5, accepted, 0, 1), op(6, unknown, 2, 3), op(4, accepted, 4, 5)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory()
			h.operations = tt.operations
			if err := h.check(); (err == nil) != tt.legal {
				t.Errorf("%v, want legal to be %t", err, tt.legal)
			}
		})
	}
}

// What was accepted before a check holds after it.
func TestCheckerRemembers(t *testing.T) {
	h := newHistory()
	h.operations = []operation{{step: 7, outcome: accepted, sent: 0, answered: 1}}
	if err := h.check(); err != nil {
		t.Fatal(err)
	}
	h.operations = []operation{{step: 7, outcome: accepted, sent: 2, answered: 3}}
	if err := h.check(); err == nil || h.doubles != 1 {
		t.Errorf("accepted again after a check: %v, %d double accepts", err, h.doubles)
	}
}

// A long history in which nobody answers for a while is judged quickly, be it good or bad.
func TestCheckerIsQuick(t *testing.T) {
	const rounds = 40
	for _, bad := range []bool{false, true} {
		h := newHistory()
		now := time.Duration(0)
		for round := range uint64(rounds) {
			for i := range time.Duration(8) { // a round of logins, all at once
				o := operation{step: round, outcome: rejected, sent: now + i, answered: now + 100 - i}
				switch {
				case round%10 == 3:
					o.outcome = unknown
				case i == 3:
					o.outcome = accepted
				}
				h.operations = append(h.operations, o)
			}
			now += 100
		}
		if bad {
			h.operations = append(h.operations, operation{step: rounds / 2, outcome: accepted, sent: now, answered: now + 1})
		}
		began := time.Now()
		if err := h.check(); (err != nil) != bad {
			t.Errorf("bad %t: %v", bad, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("bad %t: judged after %v", bad, took)
		}
	}
}

package faults

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// An outcome is what the client knows of a login.
type outcome int

const (
	// unknown: no answer came. The login may have happened, may happen yet, or not.
	unknown outcome = iota
	accepted
	rejected
	// unasked: nobody was there to be asked. It is no operation.
	unasked
)

func (o outcome) String() string { return [...]string{"unknown", "accepted", "rejected", "unasked"}[o] }

// An operation is one login: the code of one step, sent once, to one door of one node.
type operation struct {
	step    uint64
	outcome outcome
	// sent and answered are by one monotonic clock. answered is when the client gave up if nothing came.
	sent, answered time.Duration
	where          string
}

func (o operation) String() string {
	return fmt.Sprintf("%10.4fs to %10.4fs  step %d  %-8s  %s", o.sent.Seconds(), o.answered.Seconds(), o.step, o.outcome, o.where)
}

// A history is what became of one person's codes. There is one device, and so one register, in each.
type history struct {
	operations []operation // since the last check
	// high is the highest step accepted before those; none: there is none.
	high int64
	// accepted are all steps that were accepted. doubles counts those that were accepted once more.
	accepted map[uint64]bool
	doubles  int
}

// checkTime bounds one check. What could not be judged in it is treated as a violation: those that are legal are
// judged in no time.
const checkTime = 20 * time.Second

// none is the state of the register in which no step has been accepted.
const none = int64(-1)

func newHistory() *history { return &history{high: none, accepted: map[uint64]bool{}} }

// check judges the operations since the last check, none of which may be under way, and forgets them. What is
// carried over to the next check is the highest step accepted. An operation without an answer may be written
// later still, but that could only forbid what would else be allowed.
func (h *history) check() error {
	for _, o := range h.operations {
		if o.outcome == accepted {
			if h.accepted[o.step] {
				h.doubles++
			}
			h.accepted[o.step] = true
		}
	}
	var telling []porcupine.Operation
	for _, o := range settle(h.operations) {
		if o.outcome != rejected {
			telling = append(telling, porcupine.Operation{Input: o.step, Output: o.outcome, Call: int64(o.sent), Return: int64(o.answered)})
		}
	}
	if result := porcupine.CheckOperationsTimeout(register(h.high), telling, checkTime); result != porcupine.Ok {
		return fmt.Errorf("the history is %s: a code was accepted twice, or a counter moved back (%d double accepts; the highest step before was %d)\n%s",
			result, h.doubles, h.high, list(h.operations))
	}
	h.high = h.highest()
	h.operations = h.operations[:0]
	return nil
}

// highest is the highest step accepted so far.
func (h *history) highest() int64 {
	high := h.high
	for _, o := range h.operations {
		if o.outcome == accepted {
			high = max(high, int64(o.step))
		}
	}
	return high
}

// register is the model: the highest step accepted, which only grows.
//
// A reject is legal in any state, and so is not looked at: too many people, a full throttle or a slow disk may be
// why. That a right code is rejected for no reason is no question of safety, and counted apart (person_test.go).
func register(initial int64) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{initial} },
		Step: func(state, input, output any) []any {
			high, step := state.(int64), int64(input.(uint64))
			switch {
			case step > high && output == accepted:
				return []any{step}
			case step > high: // without an answer: either
				return []any{high, step}
			case output == accepted:
				return nil
			}
			return []any{high}
		},
	}
	return model.ToModel()
}

// settle gives operations without an answer an end, so that the checker need not try them at every later moment.
//
// One may take effect at any time after it was sent. But once a step at least as high has been accepted it has no
// effect any more, whether it happens then or later. So its end is the answer of the first such accept that
// came after it was sent.
func settle(operations []operation) []operation {
	settled := append([]operation(nil), operations...)
	for i := range settled {
		o := &settled[i]
		if o.outcome != unknown {
			continue
		}
		o.answered = math.MaxInt64
		for _, a := range operations {
			if a.outcome == accepted && a.step >= o.step && a.answered >= o.sent {
				o.answered = min(o.answered, a.answered)
			}
		}
	}
	return settled
}

// list shows the operations with the steps that were accepted, which are those that tell.
func list(operations []operation) string {
	shown := map[uint64]bool{}
	for _, o := range operations {
		if o.outcome == accepted {
			shown[o.step] = true
		}
	}
	var b strings.Builder
	for _, o := range operations {
		if shown[o.step] && o.outcome != rejected {
			fmt.Fprintln(&b, o)
		}
	}
	return b.String()
}

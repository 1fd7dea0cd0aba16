package radiusd

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"tandem/verify"
)

func TestRejectsWaitFromArrivalOn(t *testing.T) {
	for took, left := range map[time.Duration]time.Duration{
		0:                      time.Second,
		700 * time.Millisecond: 300 * time.Millisecond,
		time.Second:            0,
		2 * time.Second:        0,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(t, &fakeCore{decide: func(context.Context, []byte, verify.Attempt) verify.Verdict {
				time.Sleep(took)
				return verify.Verdict{Outcome: verify.Reject, Hold: true}
			}}, nil)
			raw := ask{}.bytes(t)
			b.put(raw, fromStrict)
			time.Sleep(took + left - 1)
			if took+left > 1 {
				b.noReply()
			}
			time.Sleep(time.Nanosecond)
			wantCode(t, b.oneReply(), raw, radius.CodeAccessReject)
		})
	}
}

// A reject without Hold waits all the same, and a held challenge does, too: it may stand for a reject.
func TestWhatIsHeld(t *testing.T) {
	for _, test := range []struct {
		verdict verify.Verdict
		held    bool
	}{
		{verify.Verdict{Outcome: verify.Accept}, false},
		{verify.Verdict{Outcome: verify.Challenge, State: []byte("s")}, false},
		{verify.Verdict{Outcome: verify.Challenge, State: []byte("s"), Hold: true}, true},
		{verify.Verdict{Outcome: verify.Reject}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(t, always(test.verdict), nil)
			b.put(ask{}.bytes(t), fromStrict)
			if at := len(b.replies()); (at == 0) != test.held {
				t.Errorf("%v, hold %v: %d replies at once", test.verdict.Outcome, test.verdict.Hold, at)
			}
			time.Sleep(DefaultRejectDelay)
			if after := len(b.replies()); (after == 1) != test.held {
				t.Errorf("%v, hold %v: %d replies later", test.verdict.Outcome, test.verdict.Hold, after)
			}
		})
	}
}

func TestDelayedRepliesLeaveInOrderOfArrivalAndWithoutGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, always(verify.Verdict{Outcome: verify.Reject}), func(c *Config) { c.Workers = 1 })
		synctest.Wait()
		before := runtime.NumGoroutine()
		for id := range byte(200) {
			b.put(ask{id: id}.bytes(t), fromStrict)
			if id%2 == 1 { // so that pairs are due at the same time
				time.Sleep(time.Millisecond)
			}
		}
		synctest.Wait()
		if b.delays.size() != 200 {
			t.Fatalf("%d replies wait, want 200", b.delays.size())
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines while 200 replies wait, %d before", after, before)
		}
		time.Sleep(DefaultRejectDelay)
		sent := b.replies()
		if len(sent) != 200 {
			t.Fatalf("%d replies, want 200", len(sent))
		}
		for i, s := range sent {
			if s.raw[1] != byte(i) {
				t.Fatalf("reply %d belongs to request %d", i, s.raw[1])
			}
		}
	})
}

func TestDelayLineIsBounded(t *testing.T) {
	d := newDelayLine(2)
	for i, want := range []bool{true, true, false} {
		if got := d.add(&reply{}, time.Now()); got != want {
			t.Errorf("reply %d was taken: %v", i, got)
		}
	}
}

// An earlier reply than the one waited for is not late.
func TestDelayLineWakesForAnEarlierReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDelayLine(10)
		start := time.Now()
		var sent []string
		note := func(r *reply) { sent = append(sent, fmt.Sprint(r.code, " ", time.Since(start))) }
		go d.run(t.Context(), note, note)
		synctest.Wait()
		d.add(&reply{code: 1}, start.Add(3*time.Second))
		synctest.Wait()
		d.add(&reply{code: 2}, start.Add(time.Second))
		time.Sleep(5 * time.Second)
		d.close()
		synctest.Wait()
		if got := fmt.Sprint(sent); got != "[Access-Accept 1s Access-Request 3s]" {
			t.Errorf("sent %s", got)
		}
	})
}

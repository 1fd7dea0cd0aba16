package radiusd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"tandem/verify"
)

func TestRow05_StormOfOnePacketIsDecidedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		raw := ask{}.bytes(t)
		const copies = 10_000
		for range copies {
			b.put(raw, fromStrict)
		}
		gate <- verify.Verdict{Outcome: verify.Accept}
		b.oneReply()
		b.wantCalls(1)
		if got := b.duplicates(duplicatePending); got != copies-1 {
			t.Errorf("%d copies were dropped as pending, want %d", got, copies-1)
		}
	})
}

func TestRow05_QueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleRig(t, &fakeCore{}, func(c *Config) { c.Queue = 10 })
		for id := range byte(100) {
			b.put(ask{id: id}.bytes(t), fromStrict)
		}
		if got := b.queue.depth(); got != 10 {
			t.Errorf("%d requests are queued, want 10", got)
		}
		b.wantDropped(dropQueueFull, 90)
		if got := b.cache.size(); got != 10 {
			t.Errorf("%d requests are remembered, want the 10 that are queued", got)
		}
		t.Cleanup(b.startWork())
		if got := len(b.replies()); got != 10 {
			t.Errorf("%d replies, want 10", got)
		}
		b.put(ask{id: 50}.bytes(t), fromStrict) // the retransmission of one that had no room
		b.oneReply()
	})
}

func TestRow05_AnswersToChallengesAreServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleRig(t, &fakeCore{plausible: "ours"}, func(c *Config) { c.Queue, c.Workers = 10, 1 })
		for id := range byte(100) { // a storm that fills the queue
			b.put(ask{id: id, user: "storm", state: "not ours"}.bytes(t), fromStrict)
		}
		b.put(ask{id: 200, user: "alice", state: "ours"}.bytes(t), fromStrict)
		t.Cleanup(b.startWork())
		b.wantCalls(11)
		if first := b.core.calls()[0]; first.attempt.User != "alice" || first.state != "ours" {
			t.Errorf("the first request served is %+v, want the answer to the challenge", first)
		}
	})
}

func TestRequestThatWaitedTooLongIsNotDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, func(c *Config) { c.Workers = 1 })
		b.put(ask{id: 1}.bytes(t), fromStrict) // keeps the only worker busy until its deadline
		synctest.Wait()
		b.put(ask{id: 2}.bytes(t), fromStrict)
		time.Sleep(DefaultRequestTimeout)
		b.noReply()
		b.wantCalls(1)
		b.wantDropped(dropUnavailable, 1)
		b.wantDropped(dropExpired, 1)
		raw := ask{id: 2}.bytes(t) // its retransmission has a chance again
		b.put(raw, fromStrict)
		gate <- verify.Verdict{Outcome: verify.Accept}
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
	})
}

func TestDeadlineCountsFromArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var deadlines []time.Duration
		core := &fakeCore{decide: func(ctx context.Context, _ []byte, _ verify.Attempt) verify.Verdict {
			deadline, _ := ctx.Deadline()
			deadlines = append(deadlines, deadline.Sub(start))
			return verify.Verdict{}
		}}
		b := newIdleRig(t, core, nil)
		b.put(ask{}.bytes(t), fromStrict)
		time.Sleep(2 * time.Second) // in the queue
		t.Cleanup(b.startWork())
		b.wantCalls(1)
		if deadlines[0] != DefaultRequestTimeout {
			t.Errorf("the deadline is %v after arrival, want %v", deadlines[0], DefaultRequestTimeout)
		}
	})
}

func TestQueueEmptiesBothLanesWhenClosed(t *testing.T) {
	for answers := range 3 {
		for others := range 3 {
			t.Run(fmt.Sprintf("%d answers, %d others", answers, others), func(t *testing.T) {
				q := newQueue(3)
				for range answers {
					q.put(&request{}, true)
				}
				for range others {
					q.put(&request{}, false)
				}
				q.close()
				taken := 0
				for {
					r, ok := q.next()
					if !ok {
						break
					}
					if r == nil {
						t.Fatal("next returned no request")
					}
					taken++
				}
				if taken != answers+others {
					t.Errorf("%d requests came out, want %d", taken, answers+others)
				}
			})
		}
	}
}

// A reply that could not be sent is kept for the retransmission.
func TestSendFailureIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		b.sock.write = func([]byte, []byte, netip.AddrPort) (int, int, error) { return 0, 0, errors.New("no route to host") }
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		b.noReply()
		b.wantDropped(dropSendFailed, 1)
		if !strings.Contains(b.logs.String(), "no route to host") {
			t.Errorf("the log does not say why:\n%s", b.logs)
		}
		b.sock.write = b.record
		b.put(raw, fromStrict)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		b.wantCalls(1)
	})
}

func TestPanicCostsOnePacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := &fakeCore{decide: func(_ context.Context, _ []byte, a verify.Attempt) verify.Verdict {
			if a.User == "mallory" {
				panic("boom")
			}
			return verify.Verdict{Outcome: verify.Accept}
		}, ready: func() error { panic("boom") }}
		b := newRig(t, core, func(c *Config) { c.Workers = 1 })
		b.put(ask{id: 1, user: "mallory"}.bytes(t), fromStrict)
		b.put(ask{id: 2, code: radius.CodeStatusServer}.bytes(t), fromStrict)
		b.noReply()
		raw := ask{id: 3}.bytes(t)
		b.put(raw, fromStrict)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		if got := count(t, b.metrics.panics); got != 2 {
			t.Errorf("%d panics were counted, want 2", got)
		}
		if b.cache.size() != 1 {
			t.Errorf("%d requests are remembered, want only the answered one", b.cache.size())
		}
	})
}

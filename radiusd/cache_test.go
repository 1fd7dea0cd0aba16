package radiusd

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"tandem/verify"
)

// gated makes a core that decides only when a verdict is sent to it.
func gated() (*fakeCore, chan verify.Verdict) {
	gate := make(chan verify.Verdict)
	return &fakeCore{decide: func(ctx context.Context, _ []byte, _ verify.Attempt) verify.Verdict {
		select {
		case v := <-gate:
			return v
		case <-ctx.Done():
			return verify.Verdict{Outcome: verify.Unavailable}
		}
	}}, gate
}

func TestRow03_RetransmissionGetsTheSameBytes(t *testing.T) {
	for _, outcome := range []verify.Outcome{verify.Accept, verify.Reject, verify.Challenge} {
		t.Run(outcome.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, always(verify.Verdict{Outcome: outcome, State: []byte("s")}), nil)
				raw := ask{}.bytes(t)
				b.put(raw, fromStrict)
				time.Sleep(DefaultRejectDelay)
				first := b.oneReply()
				for range 3 {
					time.Sleep((DefaultReplyCache - DefaultRejectDelay - 1) / 3) // the last is just within the time
					b.put(raw, fromStrict)
					if again := b.oneReply(); !bytes.Equal(again.raw, first.raw) || again.to != first.to {
						t.Fatalf("the retransmission got %x, the first copy %x", again.raw, first.raw)
					}
				}
				b.wantCalls(1)
				if got := b.duplicates(duplicateResent); got != 3 {
					t.Errorf("%d retransmissions were counted, want 3", got)
				}
			})
		})
	}
}

func TestRow03_PendingRetransmissionIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		b.noReply()
		b.put(raw, fromStrict) // while the core decides
		b.noReply()
		gate <- verify.Verdict{Outcome: verify.Reject, Hold: true}
		b.noReply()
		b.put(raw, fromStrict) // while the reply is held back
		b.noReply()
		time.Sleep(DefaultRejectDelay)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessReject)
		b.wantCalls(1)
		if got := b.duplicates(duplicatePending); got != 2 {
			t.Errorf("%d pending retransmissions were counted, want 2", got)
		}
	})
}

func TestReplyIsForgottenSomeTimeAfterItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, always(verify.Verdict{Outcome: verify.Reject}), nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		time.Sleep(DefaultRejectDelay) // the reply is sent now
		b.oneReply()
		time.Sleep(DefaultReplyCache - time.Millisecond)
		b.put(raw, fromStrict)
		b.oneReply()
		b.wantCalls(1)
		time.Sleep(time.Millisecond)
		b.put(raw, fromStrict)
		b.wantCalls(2)
	})
}

func TestRow04_NewAuthenticatorPurgesTheOldRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		first, second := ask{authenticator: 1}.bytes(t), ask{authenticator: 2}.bytes(t)
		b.put(first, fromStrict)
		b.wantCalls(1)
		b.put(second, fromStrict)
		b.wantCalls(2)
		gate <- verify.Verdict{Outcome: verify.Accept}
		gate <- verify.Verdict{Outcome: verify.Accept}
		wantCode(t, b.oneReply(), second, radius.CodeAccessAccept) // and the late reply to the first is not sent
		b.wantDropped(dropSuperseded, 1)

		third := ask{authenticator: 3}.bytes(t) // the same with an answered one
		b.put(third, fromStrict)
		gate <- verify.Verdict{Outcome: verify.Accept}
		wantCode(t, b.oneReply(), third, radius.CodeAccessAccept)
		b.put(third, fromStrict)
		wantCode(t, b.oneReply(), third, radius.CodeAccessAccept)
		b.wantCalls(3)
	})
}

// What the NAS gave up before it was looked at is not looked at: its code stays unused.
func TestRow04_SupersededRequestInTheQueueIsNotDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleRig(t, &fakeCore{}, nil)
		b.put(ask{authenticator: 1, user: "old"}.bytes(t), fromStrict)
		b.put(ask{authenticator: 2, user: "new"}.bytes(t), fromStrict)
		t.Cleanup(b.startWork())
		b.oneReply()
		if calls := b.core.calls(); len(calls) != 1 || calls[0].attempt.User != "new" {
			t.Errorf("the core was asked %+v, want only the new request", calls)
		}
		b.wantDropped(dropSuperseded, 1)
	})
}

func TestRow04_BadMessageAuthenticatorDoesNotTouchTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		raw := ask{authenticator: 1}.bytes(t)
		forged := ask{authenticator: 2, secret: "other"}.bytes(t) // the same address, port and ID
		b.put(raw, fromStrict)
		b.put(forged, fromStrict) // must not purge the pending one
		synctest.Wait()
		gate <- verify.Verdict{Outcome: verify.Accept}
		first := b.oneReply()
		wantCode(t, first, raw, radius.CodeAccessAccept)
		b.put(forged, fromStrict) // nor the answered one
		b.put(raw, fromStrict)
		if again := b.oneReply(); !bytes.Equal(again.raw, first.raw) {
			t.Errorf("the retransmission got %x, the first copy %x", again.raw, first.raw)
		}
		b.wantCalls(1)
		b.wantDropped(dropForged, 2)
	})
}

// Requests differ by what can differ while an Identifier is busy.
func TestRequestsFromDifferentSocketsDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		b.put(raw, fromLenient)
		b.put(ask{id: 1}.bytes(t), fromStrict)
		other := *b.sock
		other.local = netipPort(b.sock.local, 1645)
		b.receive(raw, path{socket: &other, peer: fromStrict, asked: other.local})
		b.put(raw, netipPort(fromStrict, 50001))
		b.wantCalls(5)
	})
}

func TestCacheIsBounded(t *testing.T) {
	c := newReplyCache(2)
	now := time.Now()
	key := func(id byte) cacheKey { return cacheKey{identifier: id} }
	arrive := func(id byte) (arrival, *cacheEntry) {
		what, e, _ := c.arrive(key(id), [16]byte{}, now, time.Minute)
		return what, e
	}
	_, first := arrive(1)
	_, second := arrive(2)
	if what, _ := arrive(3); what != arrivalNoRoom {
		t.Fatalf("a cache full of pending requests took another: %v", what)
	}
	c.answer(second, []byte("two"), now)
	c.answer(first, []byte("one"), now)
	if what, _ := arrive(3); what != arrivalNew {
		t.Fatalf("no room was made for a new request: %v", what)
	}
	if what, _ := arrive(1); what != arrivalAnswered {
		t.Error("the reply sent last was evicted first")
	}
	if c.current(second) || c.size() != 2 {
		t.Errorf("the reply sent first is still there, and %d entries", c.size())
	}
}

// A request that nobody could decide leaves nothing behind, so that its retransmission can be.
func TestUnavailableIsSilentAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		gate <- verify.Verdict{Outcome: verify.Unavailable, Hold: true}
		time.Sleep(DefaultRejectDelay)
		b.noReply()
		b.wantDropped(dropUnavailable, 1)
		b.put(raw, fromStrict)
		gate <- verify.Verdict{Outcome: verify.Accept}
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		b.wantCalls(2)
	})
}

func TestUnavailableIsARejectIfTheClientSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, always(verify.Verdict{Outcome: verify.Unavailable, Message: "Not now."}), func(c *Config) {
			c.Clients[0].RejectWhenUnavailable = true
		})
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		b.noReply() // held back like every reject
		time.Sleep(DefaultRejectDelay)
		p := wantCode(t, b.oneReply(), raw, radius.CodeAccessReject)
		if got := string(p.Get(18)); got != "Not now." {
			t.Errorf("Reply-Message is %q", got)
		}
	})
}

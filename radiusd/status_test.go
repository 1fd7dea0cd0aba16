package radiusd

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
)

func TestStatusServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down error
		asked := 0
		b := newRig(t, &fakeCore{ready: func() error { asked++; return down }}, nil)
		raw := ask{code: radius.CodeStatusServer, noPassword: true}.bytes(t)

		b.put(raw, fromStrict)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		b.put(raw, fromStrict) // what the core said is good for a second
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		if asked != 1 {
			t.Errorf("the core was asked %d times within a second", asked)
		}

		down = errors.New("the store is gone")
		time.Sleep(readyFor)
		b.put(raw, fromStrict)
		b.noReply()
		b.wantDropped(dropNotReady, 1)
		b.wantCalls(0)
		if b.cache.size() != 0 {
			t.Error("a Status-Server is in the reply cache")
		}
	})
}

func TestStatusServerRateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		for id := range byte(statusPerSecond + 5) {
			b.put(ask{code: radius.CodeStatusServer, id: id}.bytes(t), fromStrict)
			synctest.Wait()
		}
		if got := len(b.replies()); got != statusPerSecond {
			t.Errorf("%d replies in a second, want %d", got, statusPerSecond)
		}
		b.wantDropped(dropStatusRate, 5)
		b.put(ask{code: radius.CodeStatusServer}.bytes(t), fromLenient) // others are not affected
		b.oneReply()
		time.Sleep(time.Second)
		b.put(ask{code: radius.CodeStatusServer}.bytes(t), fromStrict)
		b.oneReply()
	})
}

// A core that hangs when asked keeps nobody but other Status-Servers waiting.
func TestStatusServerDoesNotBlockLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newRig(t, &fakeCore{ready: func() error { <-release; return nil }}, nil)
		for id := range byte(statusQueue + 10) {
			b.put(ask{code: radius.CodeStatusServer, id: id}.bytes(t), fromStrict)
			synctest.Wait()
		}
		b.wantDropped(dropStatusRate, 9) // one is being answered, the queue is full
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
		close(release)
		synctest.Wait()
	})
}

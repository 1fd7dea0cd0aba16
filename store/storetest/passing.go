package storetest

import (
	"testing"
	"time"
)

// How time passes: at a word for a store with a [Clock], really for one without.

// minute and hour are times to live of which the second is far beyond the first. On a real clock they are seconds.
func (b Backend) minute() time.Duration { return b.scaled(time.Minute, time.Second) }
func (b Backend) hour() time.Duration   { return b.scaled(time.Hour, 5*time.Second) }

// second is a part of a minute.
func (b Backend) second() time.Duration { return b.scaled(time.Second, time.Second/2) }

func (b Backend) scaled(byClock, real time.Duration) time.Duration {
	if b.Clock != nil {
		return byClock
	}
	return real
}

// advance lets d pass.
func (b Backend) advance(d time.Duration) {
	if b.Clock != nil {
		b.Clock.Advance(d)
		return
	}
	time.Sleep(d)
}

// now is the time that the store goes by.
func (b Backend) now() time.Time {
	if b.Clock != nil {
		return b.Clock.Now()
	}
	return time.Now()
}

// wantUntil expects value under key if it is not yet end. A real clock may have come so far while we looked.
func (b Backend) wantUntil(t testing.TB, end time.Time, key, value string) {
	t.Helper()
	if got := get(t, b.Store, key); got != value && b.now().Before(end) {
		t.Errorf("%s = %q before the end of its time, want %q", key, got, value)
	}
}

// wantExpired expects nothing under key, whose time has come: at once, or on a real clock soon.
func (b Backend) wantExpired(t testing.TB, key string) {
	t.Helper()
	for deadline := b.now().Add(10 * time.Second); b.Clock == nil && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if get(t, b.Store, key) == absent {
			return
		}
	}
	want(t, b.Store, key, absent)
}

package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"tandem/store"
)

// Throttle bounds guessing (RFC 4226 §7.3, NIST SP 800-63B §5.2.2) by two leaky buckets of failures:
// a small one per user and source, a larger one per user over every source, device, front door
// and node. A full bucket refuses; it leaks one failure per refill, so that it heals by itself.
//
// A source from which the user logged in lately is bound by its own bucket alone, so that strangers'
// failures cannot shut the user out.
type Throttle struct {
	SourceBurst int
	// SourceRefill is how long it takes until one failure from a source is forgotten.
	SourceRefill time.Duration
	UserBurst    int
	UserRefill   time.Duration
	// RememberSources is how long a source counts as the user's own after a login.
	RememberSources time.Duration
}

// bucket is the state of a GCRA (generic cell rate algorithm): everything about a leaky bucket in the
// moment at which it will be empty.
type bucket struct {
	burst  int
	refill time.Duration
}

// refusedUntil returns when the next failure would fit into the bucket, or zero if one does now.
func (b bucket) refusedUntil(empty, now time.Time) time.Time {
	if fits := empty.Add(-time.Duration(b.burst-1) * b.refill); now.Before(fits) {
		return fits
	}
	return time.Time{}
}

// charge returns when the bucket will be empty after one more failure.
func (b bucket) charge(empty, now time.Time) time.Time {
	if empty.Before(now) {
		empty = now
	}
	return empty.Add(b.refill)
}

// capacity is how long a full bucket takes to empty.
func (b bucket) capacity() time.Duration { return time.Duration(b.burst) * b.refill }

func (t Throttle) source() bucket { return bucket{t.SourceBurst, t.SourceRefill} }
func (t Throttle) user() bucket   { return bucket{t.UserBurst, t.UserRefill} }

// The user's record holds when its bucket will be empty, and a generation that an unlock raises;
// a source's bucket of an older generation counts as empty.
type throttleRecord struct {
	empty      time.Time
	generation uint64
}

func throttleUserKey(user string) string { return "throttle/" + userKey(user) }

func throttleSourceKey(user, source string) string {
	return "throttle/" + userKey(user) + "/" + sourceHash(source)
}

func knownSourceKey(user, source string) string {
	return "source/" + userKey(user) + "/" + sourceHash(source)
}

func sourceHash(source string) string {
	h := sha256.Sum256([]byte(source))
	return hex.EncodeToString(h[:16])
}

// refusedUntil returns when the user may try again from source, or zero if now.
func (t Throttle) refusedUntil(r store.Reader, user, source string, now time.Time) (time.Time, error) {
	u, s, err := t.read(r, user, source)
	if err != nil {
		return time.Time{}, err
	}
	until := t.source().refusedUntil(s.empty, now)
	known, err := r.Get(knownSourceKey(user, source))
	if err != nil {
		return time.Time{}, err
	}
	if known == nil {
		if all := t.user().refusedUntil(u.empty, now); all.After(until) {
			until = all
		}
	}
	return until, nil
}

// fail charges both buckets.
func (t Throttle) fail(tx store.Tx, user, source string, now time.Time) error {
	u, s, err := t.read(tx, user, source)
	if err != nil {
		return err
	}
	u.empty, s.empty = t.user().charge(u.empty, now), t.source().charge(s.empty, now)
	t.putUser(tx, user, u)
	putThrottle(tx, throttleSourceKey(user, source), s, t.source().capacity())
	return nil
}

// succeed forgives the source's failures and remembers the source. The user's bucket is not
// emptied: a login does not give somebody who guesses elsewhere a fresh start.
func (t Throttle) succeed(tx store.Tx, user, source string, now time.Time) {
	tx.Delete(throttleSourceKey(user, source))
	if t.RememberSources > 0 {
		tx.Put(knownSourceKey(user, source), binary.BigEndian.AppendUint64(nil, uint64(now.Unix())), t.RememberSources)
	}
}

// reset empties all buckets of the user.
func (t Throttle) reset(tx store.Tx, user string, now time.Time) (until time.Time, err error) {
	u, err := readThrottle(tx, throttleUserKey(user))
	if err != nil {
		return time.Time{}, err
	}
	until = t.user().refusedUntil(u.empty, now)
	t.putUser(tx, user, throttleRecord{generation: u.generation + 1})
	return until, nil
}

func (t Throttle) read(r store.Reader, user, source string) (u, s throttleRecord, err error) {
	if u, err = readThrottle(r, throttleUserKey(user)); err != nil {
		return u, s, err
	}
	if s, err = readThrottle(r, throttleSourceKey(user, source)); err != nil {
		return u, s, err
	}
	if s.generation != u.generation {
		s = throttleRecord{generation: u.generation}
	}
	return u, s, nil
}

// putUser keeps the user's record for as long as either kind of bucket could matter, so that no
// source's bucket outlives the generation that made it void.
func (t Throttle) putUser(tx store.Tx, user string, u throttleRecord) {
	putThrottle(tx, throttleUserKey(user), u, max(t.user().capacity(), t.source().capacity()))
}

func readThrottle(r store.Reader, key string) (throttleRecord, error) {
	b, err := r.Get(key)
	switch {
	case err != nil || b == nil:
		return throttleRecord{}, err
	case len(b) != 16:
		return throttleRecord{}, fmt.Errorf("%w: the throttle %s has %d octets instead of 16", store.ErrCorrupt, key, len(b))
	}
	rec := throttleRecord{generation: binary.BigEndian.Uint64(b[8:])}
	if ns := binary.BigEndian.Uint64(b); ns != 0 {
		rec.empty = time.Unix(0, int64(ns))
	}
	return rec, nil
}

func putThrottle(tx store.Tx, key string, rec throttleRecord, keep time.Duration) {
	b := make([]byte, 0, 16)
	var ns uint64
	if !rec.empty.IsZero() {
		ns = uint64(rec.empty.UnixNano())
	}
	b = binary.BigEndian.AppendUint64(b, ns)
	b = binary.BigEndian.AppendUint64(b, rec.generation)
	tx.Put(key, b, keep)
}

package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
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
	// SendBurst is how many codes may be sent to one user in a row, over all factors and nodes, and SendRefill
	// after how long one is forgotten; 0: any number.
	SendBurst  int
	SendRefill time.Duration
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

// charge returns when the bucket will be empty after one more failure. A full bucket stays full: failures
// that are refused anyway must not put the end further off.
func (b bucket) charge(empty, now time.Time) time.Time {
	if empty.Before(now) {
		empty = now
	}
	return b.clamp(empty.Add(b.refill), now)
}

// clamp returns empty, or when a bucket that is full now will be empty, if that is earlier: no bucket can
// hold more.
func (b bucket) clamp(empty, now time.Time) time.Time {
	if full := now.Add(b.capacity()); empty.After(full) {
		return full
	}
	return empty
}

// capacity is how long a full bucket takes to empty.
func (b bucket) capacity() time.Duration { return time.Duration(b.burst) * b.refill }

func (t Throttle) source() bucket { return bucket{t.SourceBurst, t.SourceRefill} }
func (t Throttle) user() bucket   { return bucket{t.UserBurst, t.UserRefill} }

// place is where a user tries to log in from: the keys of what is counted and remembered of that.
type place struct {
	// user and source are those of the buckets of failures, known that of a login from here.
	user, source, known string
	// personal: it says something about the person, not only about the client that all its users share. Only
	// such a place can become one that a user is known at.
	personal bool
}

// newPlace makes a place of a user and of its name, which may be of any length and hold anything.
func newPlace(user, name string, personal bool) place {
	h := sha256.Sum256([]byte(name))
	at := "/" + hex.EncodeToString(h[:16])
	all := throttleUserKey(user)
	return place{user: all, source: all + at, known: "source/" + userKey(user) + at, personal: personal}
}

// errFromTheFuture means that a bucket holds more than it can: its failures were counted by a clock that was ahead.
var errFromTheFuture = errors.New("failures were counted in the future")

// The user's record holds when its bucket will be empty, and a generation that an unlock raises;
// a source's bucket of an older generation counts as empty.
type throttleRecord struct {
	empty      time.Time
	generation uint64
}

func throttleSendKey(user string) string { return throttleUserKey(user) + "/sent" }

func throttleEnrolKey(user string) string { return throttleUserKey(user) + "/enrolments" }

func throttleUserKey(user string) string { return "throttle/" + userKey(user) }

// refusedUntil returns when the user may try again from p, or zero if now. The error may be
// errFromTheFuture: heal then sets it right.
func (t Throttle) refusedUntil(r store.Reader, p place, now time.Time) (time.Time, error) {
	u, s, err := t.read(r, p)
	if err != nil {
		return time.Time{}, err
	}
	if u.empty != t.user().clamp(u.empty, now) || s.empty != t.source().clamp(s.empty, now) {
		return time.Time{}, errFromTheFuture
	}
	until := t.source().refusedUntil(s.empty, now)
	known, err := r.Get(p.known)
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

// heal makes buckets of failures that a wrong clock has counted full ones, which drain from now on.
func (t Throttle) heal(tx store.Tx, p place, now time.Time) (until time.Time, err error) {
	u, s, err := t.read(tx, p)
	if err != nil {
		return time.Time{}, err
	}
	u.empty, s.empty = t.user().clamp(u.empty, now), t.source().clamp(s.empty, now)
	t.putUser(tx, p.user, u)
	putThrottle(tx, p.source, s, t.source().capacity())
	return t.refusedUntil(tx, p, now)
}

// fail charges both buckets.
func (t Throttle) fail(tx store.Tx, p place, now time.Time) error {
	u, s, err := t.read(tx, p)
	if err != nil {
		return err
	}
	u.empty, s.empty = t.user().charge(u.empty, now), t.source().charge(s.empty, now)
	t.putUser(tx, p.user, u)
	putThrottle(tx, p.source, s, t.source().capacity())
	return nil
}

// succeed forgives the failures at a personal place and remembers it. The user's bucket is not emptied, nor
// that of a place that all of a client's users share: a login does not give somebody who guesses elsewhere a
// fresh start.
func (t Throttle) succeed(tx store.Tx, p place, now time.Time) {
	if !p.personal {
		return
	}
	tx.Delete(p.source)
	if t.RememberSources > 0 {
		tx.Put(p.known, binary.BigEndian.AppendUint64(nil, uint64(now.Unix())), t.RememberSources)
	}
}

// chargeSend counts a code that is about to be sent, or returns errTooManySends. Codes that nobody could answer
// are not failures, and a new code does not make failures undone: the two are counted apart.
func (t Throttle) chargeSend(tx store.Tx, user string, now time.Time) error {
	if t.SendBurst == 0 {
		return nil
	}
	return chargeBucket(tx, throttleSendKey(user), bucket{t.SendBurst, t.SendRefill}, now, errTooManySends)
}

// chargeBucket counts one more in the bucket that is kept under key, or returns tooMany, with the time of the next.
func chargeBucket(tx store.Tx, key string, b bucket, now time.Time, tooMany error) error {
	held, err := readThrottle(tx, key)
	if err != nil {
		return err
	}
	held.empty = b.clamp(held.empty, now)
	if until := b.refusedUntil(held.empty, now); !until.IsZero() {
		return fmt.Errorf("%w: the next is possible after %s", tooMany, until.UTC().Format(time.TimeOnly))
	}
	held.empty = b.charge(held.empty, now)
	putThrottle(tx, key, held, b.capacity())
	return nil
}

// refundSend forgets the last code that chargeSend has counted.
func (t Throttle) refundSend(tx store.Tx, user string, now time.Time) error {
	sent, err := readThrottle(tx, throttleSendKey(user))
	if err != nil || sent.empty.IsZero() {
		return err
	}
	sent.empty = sent.empty.Add(-t.SendRefill)
	if !sent.empty.After(now) {
		tx.Delete(throttleSendKey(user))
		return nil
	}
	putThrottle(tx, throttleSendKey(user), sent, bucket{t.SendBurst, t.SendRefill}.capacity())
	return nil
}

// reset empties all buckets of the user.
func (t Throttle) reset(tx store.Tx, user string, now time.Time) (until time.Time, err error) {
	key := throttleUserKey(user)
	u, err := readThrottle(tx, key)
	if err != nil {
		return time.Time{}, err
	}
	until = t.user().refusedUntil(u.empty, now)
	t.putUser(tx, key, throttleRecord{generation: u.generation + 1})
	tx.Delete(throttleSendKey(user))
	tx.Delete(throttleEnrolKey(user))
	return until, nil
}

func (t Throttle) read(r store.Reader, p place) (u, s throttleRecord, err error) {
	if u, err = readThrottle(r, p.user); err != nil {
		return u, s, err
	}
	if s, err = readThrottle(r, p.source); err != nil {
		return u, s, err
	}
	if s.generation != u.generation {
		s = throttleRecord{generation: u.generation}
	}
	return u, s, nil
}

// putUser keeps a user's record. One with a generation is kept for ever, so that no source's bucket, of
// whatever capacity it was made, outlives the generation that made it void.
func (t Throttle) putUser(tx store.Tx, key string, u throttleRecord) {
	keep := t.user().capacity()
	if u.generation > 0 {
		keep = 0
	}
	putThrottle(tx, key, u, keep)
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

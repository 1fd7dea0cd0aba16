package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// RestoredKey is the record that says that the state went back in time. It is written by whoever notices (a backend
// whose witness knows better, a restore), read by the core with each claim, and settled by an administrator's
// acceptance. Being a record, it is part of every transaction that reads it, and all nodes see it at once.
const RestoredKey = "meta/restored"

// Restored tells of a state that went back: it may have forgotten that codes were used.
type Restored struct {
	// Since is when it was noticed last. Nothing that was accepted from then on is forgotten.
	Since time.Time `json:"since"`
	// Why says how it was noticed.
	Why string `json:"why"`
	// Pending: nobody has accepted it yet.
	Pending bool `json:"pending"`
	// Advancing is an acceptance that has begun.
	Advancing *Advance `json:"advancing,omitempty"`
	// Accepted are the acceptances of the past, oldest first.
	Accepted []Acceptance `json:"accepted,omitempty"`
}

// Advance is how far an acceptance has come.
type Advance struct {
	// Margin is what is added to each counter.
	Margin uint64 `json:"margin"`
	// Done is the last key that was looked at; empty: none yet.
	Done string `json:"done"`
}

// Acceptance is an administrator's word that no token has made more than Margin codes that the state does not know of.
type Acceptance struct {
	At     time.Time `json:"at"`
	Margin uint64    `json:"margin"`
}

// ReadRestored returns the record under [RestoredKey]. A state that never went back has none: Since is zero then.
func ReadRestored(r Reader) (Restored, error) {
	b, err := r.Get(RestoredKey)
	if err != nil || b == nil {
		return Restored{}, err
	}
	return DecodeRestored(b)
}

// DecodeRestored decodes what is kept under [RestoredKey].
func DecodeRestored(value []byte) (r Restored, err error) {
	if err := json.Unmarshal(value, &r); err != nil {
		return r, fmt.Errorf("%w: decode %s: %w", ErrCorrupt, RestoredKey, err)
	}
	return r, nil
}

// PutRestored keeps r for ever.
func PutRestored(tx Tx, r Restored) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode %s: %w", RestoredKey, err)
	}
	tx.Put(RestoredKey, b, 0)
	return nil
}

// Knowing returns r with the acceptances of other, too: those of two states of which one follows the other.
func (r Restored) Knowing(other Restored) Restored {
	all := append(slices.Clone(r.Accepted), other.Accepted...)
	slices.SortFunc(all, func(a, b Acceptance) int { return a.At.Compare(b.At) })
	r.Accepted = slices.CompactFunc(all, func(a, b Acceptance) bool { return a.At.Equal(b.At) })
	return r
}

// NoteRestored records that the state was found to have gone back, at the time now. An acceptance that has begun is
// void: it did not know of this.
func NoteRestored(tx Tx, now time.Time, why string) error {
	r, err := ReadRestored(tx)
	if err != nil {
		return err
	}
	if r.Pending && r.Why != why {
		why = r.Why + "; then " + why
	}
	const most = 1 << 10 // it may happen again and again, and a record has a bound
	if len(why) > most {
		why = why[:most]
	}
	r.Since, r.Why, r.Pending, r.Advancing = now.UTC(), why, true, nil
	return PutRestored(tx, r)
}

// RestoredRemedy is what to do about a state that went back, for errors and logs.
const RestoredRemedy = "codes of HOTP tokens, Yubikeys and recovery codes are refused until `tandem store accept-restore` " +
	"(docs/cluster.md says which margin); codes by time come back by themselves"

// Package hotp checks counter-based one-time passwords (RFC 4226).
//
// The counter is the mark kept in the store: the highest one accepted. The directory's counter is
// only where a new device begins; a lower one never moves the mark back.
package hotp

import (
	"context"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/oath"
)

// resyncTime is how long the first of two codes in a row waits for the second.
const resyncTime = 10 * time.Minute

// Config holds what a device that says nothing uses, and the windows.
type Config struct {
	oath.Settings
	// LookAhead is how many codes the device may be ahead of us (s in RFC 4226 §7.2).
	LookAhead int
	// ResyncWindow is how many counters beyond the look-ahead window are searched for the first of
	// two codes in a row (RFC 4226 §7.4); 0: no resynchronisation.
	ResyncWindow int
}

// Factor is the HOTP factor.
type Factor struct{ config Config }

var _ verify.Checker = (*Factor)(nil)

// New makes the factor.
func New(c Config) *Factor { return &Factor{config: c} }

// Name implements [verify.Factor].
func (*Factor) Name() string { return "hotp" }

// Label implements [verify.Factor].
func (*Factor) Label() string { return "token" }

// Shapes implements [verify.Factor].
func (f *Factor) Shapes(u *directory.User) []verify.Shape {
	return f.config.Shapes(u, directory.TypeHOTP)
}

// Check implements [verify.Checker]: any of the user's HOTP devices may answer.
func (f *Factor) Check(_ context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	return f.config.Any(u, directory.TypeHOTP, code, func(d directory.Device) (verify.Finding, error) {
		return f.checkDevice(d, code, marks)
	})
}

func (f *Factor) checkDevice(d directory.Device, code string, marks verify.Marks) (verify.Finding, error) {
	key := markKey(d)
	next, err := first(d, marks)
	if err != nil {
		return verify.Finding{}, err
	}
	codes, err := f.config.Codes(d)
	if err != nil {
		return verify.Finding{}, err
	}
	window := uint64(f.config.LookAhead) + 1

	if counter, ok := find(&codes, code, next, window); ok {
		return verify.Finding{
			Result: verify.Match, Device: d.Name, Claim: verify.Claim{Key: key, Value: counter},
			Detail: fmt.Sprintf("%d ahead", counter-next),
		}, nil
	}
	// As far back as resynchronisation reaches ahead: a counter that was put ahead because the state had forgotten how
	// far it was is caught up with by pressing the button, and codes on the way are no guesses.
	behind := min(next, window+uint64(f.config.ResyncWindow))
	if counter, ok := find(&codes, code, next-behind, behind); ok {
		return verify.Finding{Result: verify.Used, Device: d.Name, Detail: fmt.Sprintf("%d behind", next-counter)}, nil
	}
	if f.config.ResyncWindow == 0 {
		return verify.Finding{}, nil
	}
	return f.resync(d, &codes, code, marks, key, next)
}

// first is the lowest counter that may be accepted. The directory's is that of a device that was never used; if the
// state has forgotten of some devices that they were, it is put ahead by as much as was stated.
func first(d directory.Device, marks verify.Marks) (uint64, error) {
	mark, marked, err := marks.Mark(markKey(d))
	switch {
	case err != nil:
		return 0, err
	case marked:
		return max(d.Counter, mark+1), nil
	}
	forgetful, ok := marks.(verify.Forgetful)
	if !ok {
		return d.Counter, nil
	}
	var registered time.Time
	if d.Epoch > 0 {
		registered = time.Unix(d.Epoch, 0)
	}
	forgotten, err := forgetful.Forgotten(registered)
	return d.Counter + forgotten, err
}

// resync looks for two codes in a row beyond the look-ahead window: the first is noted and rejected,
// the second, if it comes soon, is a match and moves the counter.
func (f *Factor) resync(d directory.Device, codes *oath.Codes, code string, marks verify.Marks, key string, next uint64) (verify.Finding, error) {
	note := key + "/resync"
	first, noted, err := marks.Mark(note)
	if err != nil {
		return verify.Finding{}, err
	}
	if noted && first >= next && codes.Match(first+1, code) {
		return verify.Finding{
			Result: verify.Match, Device: d.Name, Claim: verify.Claim{Key: key, Value: first + 1},
			Notes:  []verify.Note{{Key: note}},
			Detail: fmt.Sprintf("resynchronised, %d ahead", first+1-next),
		}, nil
	}
	counter, ok := find(codes, code, next+uint64(f.config.LookAhead)+1, uint64(f.config.ResyncWindow))
	if !ok {
		return verify.Finding{}, nil
	}
	return verify.Finding{
		Result: verify.Resync, Device: d.Name,
		Notes:  []verify.Note{{Key: note, Value: counter, For: resyncTime}},
		Detail: fmt.Sprintf("%d ahead", counter-next),
	}, nil
}

// find looks for code among n counters from first on.
func find(codes *oath.Codes, code string, first, n uint64) (counter uint64, ok bool) {
	for counter = first; counter < first+n; counter++ {
		if codes.Match(counter, code) {
			return counter, true
		}
	}
	return 0, false
}

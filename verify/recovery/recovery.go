// Package recovery checks recovery codes: ten codes on paper, each good for one login, for the day on which the
// phone is lost.
//
// An admin makes a set with `tandem recovery USER`, which prints the codes and has their hashes kept in the store,
// in one record of the user's. A new set replaces that record, so that the old codes are worth nothing from then on.
//
// A login consumes a code by exchanging the record: from what was read when the code was checked, to the same with
// that code marked as used. The store does it only if the record is still what was read, so of any number of
// attempts with one code, on any number of nodes, one is accepted.
//
// The price: of two attempts with two different codes at the very same time on two nodes, one is rejected as
// used although its code was good. That code is not consumed, and is accepted when it is typed again. On one
// node it cannot happen, as the attempts of a user are served one after the other.
package recovery

import (
	"context"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/verify"
)

// Key is what the record of a user's codes is kept under.
const Key = "recovery"

// Factor is the recovery code factor.
type Factor struct {
	now func() time.Time
}

var (
	_ verify.Checker = (*Factor)(nil)
	_ verify.Holder  = (*Factor)(nil)
)

// New makes the factor; now is the clock that says when a code was used.
func New(now func() time.Time) *Factor { return &Factor{now: now} }

// Name implements [verify.Factor].
func (*Factor) Name() string { return "recovery" }

// Label implements [verify.Factor].
func (*Factor) Label() string { return "recovery code" }

// Shapes implements [verify.Factor]: codes look alike for everybody, and who has any is for Holds to say.
func (*Factor) Shapes(*directory.User) []verify.Shape { return shapes }

// Holds implements [verify.Holder].
func (*Factor) Holds(marks verify.Marks) (left, enrolled bool, err error) {
	record, err := marks.Record(Key)
	if err != nil {
		return false, false, err
	}
	n, err := Left(record)
	return n > 0, record != nil, err
}

// Check implements [verify.Checker].
func (f *Factor) Check(_ context.Context, _ *directory.User, typed string, marks verify.Marks) (verify.Finding, error) {
	code, ok := parse(typed)
	if !ok {
		return verify.Finding{}, nil
	}
	record, err := marks.Record(Key)
	if err != nil {
		return verify.Finding{}, err
	}
	s, err := read(record)
	if err != nil {
		return verify.Finding{}, err
	}
	place, err := s.find(code)
	if err != nil || place < 0 {
		return verify.Finding{}, err
	}
	finding := verify.Finding{Device: fmt.Sprintf("recovery code %d of %d", place+1, len(s.Codes))}
	if used := s.Codes[place].Used; !used.IsZero() {
		finding.Result = verify.Used
		finding.Detail = "used at " + used.Format(time.RFC3339)
		return finding, nil
	}
	after, err := s.without(place, f.now())
	if err != nil {
		return verify.Finding{}, fmt.Errorf("mark a recovery code as used: %w", err)
	}
	finding.Result = verify.Match
	finding.Claim = verify.Claim{Key: Key, From: record, To: after}
	finding.Detail = fmt.Sprintf("%d left after this one", s.left()-1)
	return finding, nil
}

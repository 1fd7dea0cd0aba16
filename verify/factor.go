package verify

import (
	"context"
	"time"

	"tandem/directory"
)

// Factor checks one kind of second factor. A factor knows no other factor and no front door, and
// changes nothing itself: it says what to claim, and the core claims it.
//
// Factors may offer more by further small interfaces; the core asks for them by type assertion.
type Factor interface {
	// Name is the factor's name in policies, logs and metrics: "totp".
	Name() string
	// Shapes says which shapes a code for u may have, one per device or fewer; none: the factor
	// cannot serve this user.
	Shapes(u *directory.User) []Shape
	// Check looks whether code is one of u's, without consuming it. It compares in constant time.
	// An error means that nothing is known, and is a reject.
	Check(ctx context.Context, u *directory.User, code string, marks Marks) (Finding, error)
}

// Shape is what a code looks like, so that it can be told from a password it is appended to.
type Shape struct {
	// Length of the code in octets.
	Length int
	// Alphabet holds every octet that the code may consist of.
	Alphabet string
}

// Digits is the alphabet of OATH codes: ASCII digits and no others.
const Digits = "0123456789"

// Marks reads the high-water marks kept for the user whose code is checked.
type Marks interface {
	// Mark returns the highest value accepted (or noted) under key; ok is false if there is none.
	Mark(key string) (value uint64, ok bool, err error)
}

// Finding is what a factor found out about a code.
type Finding struct {
	Result Result
	// Device is the name of the device that the code belongs to, for the audit.
	Device string
	// Claim is what a Match consumes.
	Claim Claim
	// Notes are kept whatever becomes of the attempt (unless the store fails).
	Notes []Note
	// Detail says more, for logs and explanations; never the code.
	Detail string
}

// Result is what a code is.
type Result int

// The results; the zero value is NoMatch.
const (
	// NoMatch: not a code of this user's, or not one that may be used now.
	NoMatch Result = iota
	// Match: right and not yet used. The core still has to claim it.
	Match
	// Used: it was right once. Not counted as a guess.
	Used
	// ClockBehind: it would be right now, but a later step has been accepted already: a clock jumped.
	ClockBehind
	// Resync: right for a counter too far ahead; the next code in a row will be accepted (RFC 4226 §7.4).
	Resync
)

// Better reports whether f says more about a code than g, which another device gave: a wrong guess for a
// device that could answer outweighs one that could not.
func (f Finding) Better(g Finding) bool {
	rank := map[Result]int{ClockBehind: 0, NoMatch: 1, Resync: 2, Used: 3, Match: 4}
	return rank[f.Result] > rank[g.Result]
}

// Claim consumes a code: it succeeds once, when Value is above the mark kept under Key, and raises
// the mark to Value.
type Claim struct {
	Key   string
	Value uint64
}

// Note keeps Value under Key for a while, for the factor's own later checks.
type Note struct {
	Key   string
	Value uint64
	// For is how long the note is kept; 0 deletes it.
	For time.Duration
}

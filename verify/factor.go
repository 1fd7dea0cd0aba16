package verify

import (
	"context"
	"io"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
)

// Factor is one kind of second factor. A factor knows no other factor and no front door, and changes
// nothing itself: it says what to claim, and the core claims it.
//
// What it can do is said by further interfaces: a [Checker] can tell whether a code is right; a [Sender]
// brings something to the user first. A Sender is either a [Maker], whose codes the core makes known to it,
// keeps and checks, or a Checker, because the service behind it makes its own codes.
type Factor interface {
	// Name is the factor's name in policies, logs, metrics and in what users type: "totp".
	Name() string
	// Label is what people call it in a menu: "authenticator app".
	Label() string
	// Shapes says which shapes a code for u may have, one per device or fewer; none: the factor
	// cannot serve this user.
	Shapes(u *directory.User) []Shape
}

// Checker is a factor that knows which codes are right.
type Checker interface {
	Factor
	// Check looks whether code is one of u's, without consuming it as far as that lies with us. It
	// compares in constant time. An error means that nothing is known, and is never a yes.
	Check(ctx context.Context, u *directory.User, code string, marks Marks) (Finding, error)
}

// Sender is a factor that has to bring a code to the user before one can be typed.
type Sender interface {
	Factor
	// Target says where a code for u goes, masked so that it tells nobody who does not know it
	// already ("a…@e…", "…12"); it may be empty. ok is false if u cannot be reached at all.
	Target(u *directory.User) (masked string, ok bool)
	// Send brings code to u, or, if it is empty, has the service send one of its own. It returns when
	// that is done, or has failed, or ctx ends. Its error never holds the code.
	Send(ctx context.Context, u *directory.User, code secret.String) error
	// ResendAfter is how long after one code the next may be sent.
	ResendAfter() time.Duration
}

// Maker is a Sender whose codes are ours: the core keeps a hash of the code that was sent last, and checks.
// A code lives for Lifetime and is good for one login.
type Maker interface {
	Sender
	// NewCode makes a code by the system's randomness. It has one of the Shapes.
	NewCode() (secret.String, error)
	// Lifetime is how long a code that was sent may be used, at most ten minutes.
	Lifetime() time.Duration
}

// Holder is a factor for which what is written in the store decides whether a user has it. Its Shapes say what its
// codes look like for anybody.
type Holder interface {
	Factor
	// Holds reports whether the user has any code left, and whether there ever were any: who has used up
	// all of them is not somebody who has no second factor.
	Holds(marks Marks) (left, enrolled bool, err error)
}

// Enroller is a Checker that can make a device for a user who has none.
type Enroller interface {
	Checker
	// NewDevice makes a device with a fresh key out of random. It says all about its codes itself, and has neither
	// Name nor Epoch.
	NewDevice(random io.Reader) (directory.Device, error)
}

// Shape is what a code looks like, so that it can be told from a password it is appended to.
type Shape struct {
	// Length of the code in octets; 0: any, and then it cannot be split off a password.
	Length int
	// Alphabet holds every octet that the code may consist of; not looked at if Length is 0.
	Alphabet string
}

// Digits is the alphabet of OATH codes: ASCII digits and no others.
const Digits = "0123456789"

// Marks reads what is kept for the user whose code is checked: high-water marks, and records.
type Marks interface {
	// Mark returns the highest value accepted (or noted) under key; ok is false if there is none.
	Mark(key string) (value uint64, ok bool, err error)
	// Record returns what is kept under key, nil if nothing is.
	Record(key string) ([]byte, error)
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

// Claim consumes a code, once. Either Value is above the mark kept under Key, and the mark is raised to it;
// or, if From is not nil, the record kept under Key is still From, and it becomes To.
type Claim struct {
	Key   string
	Value uint64
	// For is how long the mark or record is kept; 0: for ever. A mark for a while is for codes that
	// somebody else makes, of which we know only that each is good once.
	For      time.Duration
	From, To []byte // To nil: the record is deleted
	// Reusable: nothing is consumed. Only for what is not single-use by its nature, a second password.
	Reusable bool
}

// Note keeps Value under Key for a while, for the factor's own later checks.
type Note struct {
	Key   string
	Value uint64
	// For is how long the note is kept; 0 deletes it.
	For time.Duration
}

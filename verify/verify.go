// Package verify is the core of Tandem: it takes one login from its first word to a verdict.
//
// Front doors turn packets or PAM frames into an [Attempt], call [Core.Start], and if the verdict is
// a Challenge, [Core.Resume] with the answer. They decide nothing. The core knows neither RADIUS nor
// PAM; it knows a [Directory], a [store.Store] and a list of [Factor]s.
//
// The rules that everything else serves:
//
//   - A code is accepted once. Its claim is a compare-and-set in the store, committed before Accept
//     is returned, in the same transaction that spends the challenge.
//   - A wrong code costs no password check at the directory; a wrong password consumes no code.
//   - Every doubt is a no. What cannot be decided is Unavailable, what cannot be recorded is not accepted.
//   - The user learns nothing from a reject: one text, one delay.
package verify

import (
	"context"

	"tandem/directory"
)

// PasswordChecker is a first factor.
type PasswordChecker interface {
	// CheckPassword returns nil only if password has just been found to be u's, and
	// [directory.ErrWrongPassword] only if it has just been found not to be. Never called with an empty
	// password, and refuses one all the same (RFC 4513 §5.1.2).
	CheckPassword(ctx context.Context, u *directory.User, password string) error
}

// Voucher is a first factor that says more of a user than that the password is right.
type Voucher interface {
	PasswordChecker
	// Vouch is CheckPassword, and returns what the front door's client is to be told if the user gets in.
	Vouch(ctx context.Context, u *directory.User, password string) ([]Attribute, error)
}

// Directory finds users and checks their passwords.
type Directory interface {
	PasswordChecker
	// Lookup finds the one user of that name. Its errors are [directory.ErrNoUser],
	// [directory.ErrAmbiguous], or anything else for "nothing is known".
	Lookup(ctx context.Context, name string) (*directory.User, error)
}

// Auditor keeps the record of each step. The core does not answer before Record has returned, and
// accepts nobody if it fails.
type Auditor interface {
	Record(r Record) error
}

// AuditFunc makes a function an [Auditor].
type AuditFunc func(Record) error

// Record calls f.
func (f AuditFunc) Record(r Record) error { return f(r) }

// Registry writes down which devices a user holds.
type Registry interface {
	// ChangeDevices does all of c, or nothing, to what is written down for u at that moment. Its errors are those of
	// [directory.Change], [directory.ErrReadOnly], or anything else for "nothing is known".
	ChangeDevices(ctx context.Context, u *directory.User, c directory.Change) error
}

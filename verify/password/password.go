// Package password checks the second password of LemonLDAP::NG's "Password" second factor.
//
// It is no one-time code, and nothing can make it one: whoever has read it once over a shoulder, off a keyboard or
// out of a VPN client's settings can use it again until it is changed. It is there for users who have registered
// nothing else at their portal yet. Tandem's rule that a code is accepted once cannot hold for it, so it
// is off unless the configuration switches it on.
package password

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"tandem/directory"
	"tandem/verify"
)

// Factor is the second password factor.
type Factor struct{}

var _ verify.Checker = Factor{}

// New makes the factor.
func New() Factor { return Factor{} }

// Name implements [verify.Factor].
func (Factor) Name() string { return "password" }

// Label implements [verify.Factor].
func (Factor) Label() string { return "second password" }

// Shapes implements [verify.Factor]: a second password may be any text, so nothing can tell where a first one in
// the same field ends.
func (Factor) Shapes(u *directory.User) []verify.Shape {
	for _, d := range u.Devices {
		if usable(d) {
			return []verify.Shape{{Length: 0}}
		}
	}
	return nil
}

// Check implements [verify.Checker]: any of the user's Password devices may answer. A Match claims nothing, as there
// is nothing that could be used up.
func (Factor) Check(_ context.Context, u *directory.User, typed string, _ verify.Marks) (verify.Finding, error) {
	var finding verify.Finding
	for _, d := range u.Devices {
		if usable(d) && same(d.Secret.Reveal(), typed) {
			finding = verify.Finding{Result: verify.Match, Device: d.Name, Claim: verify.Claim{Reusable: true}}
		}
	}
	return finding, nil
}

// usable: without the portal's key a device has no secret, and an empty one is no password.
func usable(d directory.Device) bool { return d.Type == directory.TypePassword && !d.Secret.Empty() }

// same compares hashes, so that not even the length of the password shows in the time that it takes.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

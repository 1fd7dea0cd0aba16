// Package password makes password hashes and checks passwords against them.
//
// Four kinds are taken, in the form that crypt(3) and the argon2 tools write: argon2id, bcrypt,
// sha512-crypt and yescrypt. Nothing weaker is, and no plain text. The mathematics is
// github.com/go-crypt/crypt's; what stands here is what it leaves to its callers: a strict form, a
// bound on what one hash may cost, and a bound on how many are computed at once.
//
//	hash, err := password.Hash("correct horse", password.Default, rand.Reader)
//	…
//	err = password.Verify(ctx, secret.New(hash), typed) // nil, ErrMismatch, or nothing is known
package password

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"tandem/internal/secret"
)

// ErrMismatch means that the hash is not one of this password.
var ErrMismatch = errors.New("the password does not match")

// slots bounds the hashes computed at once, because each of them fills a core and tens of megabytes:
// a burst of logins has to wait, not to eat the machine.
var slots = make(chan struct{}, runtime.GOMAXPROCS(0))

// Check returns nil if [Verify] can use hash, else an error that says what it is and what to do.
// It does not compute anything costly.
func Check(hash secret.String) error {
	_, err := parse(hash.Reveal())
	return err
}

// Verify returns nil if hash was made of password, and [ErrMismatch] if it was not. Any other error
// means that nothing is known: hash is unusable (see [Check]), or ctx ended before it was its turn.
//
// No hash is made of a password with a NUL, nor bcrypt of more than 72 octets: those stop there, and
// everything that only begins like the right password would match.
func Verify(ctx context.Context, hash secret.String, password string) error {
	parsed, err := parse(hash.Reveal())
	if err != nil {
		return err
	}
	if parsed.scheme.refuses(password) != nil {
		return ErrMismatch
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return fmt.Errorf("waiting to check a password, because %d are being checked: %w", cap(slots), ctx.Err())
	}
	matches, err := parsed.digest.MatchAdvanced(password)
	if err != nil {
		return fmt.Errorf("checking a password against its %s hash: %w", parsed.scheme.name, err)
	}
	if !matches {
		return ErrMismatch
	}
	return nil
}

// refuses says why no hash of this scheme is made of password, or nil.
func (s *scheme) refuses(password string) error {
	switch {
	case strings.ContainsRune(password, 0):
		return errors.New("a password cannot hold a NUL")
	case s.longest > 0 && len(password) > s.longest:
		return fmt.Errorf("%s reads only the first %d octets of a password, and this one has %d: use another algorithm", s.name, s.longest, len(password))
	}
	return nil
}

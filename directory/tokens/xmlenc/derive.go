package xmlenc

import (
	"crypto/pbkdf2"
	"fmt"
	"strings"
)

// MaxIterations is how many rounds of PBKDF2 a file may ask for: a few seconds' worth, and more than anybody advises.
const MaxIterations = 10_000_000

// Derivation is how a key is made out of a password, by PBKDF2 (RFC 8018 §5.2).
type Derivation struct {
	Salt       []byte
	Iterations int
	// Length of the key in octets.
	Length int
	// PRF is the name of the HMAC; empty: HMAC-SHA1, PBKDF2's own default.
	PRF string
}

// Key makes the key. The error is [ErrUnknown], or says which number is out of bounds.
func (d Derivation) Key(password string) ([]byte, error) {
	prf := d.PRF
	if prf == "" {
		prf = "hmac-sha1"
	}
	h, err := hmacOf(prf)
	switch {
	case err != nil:
		return nil, err
	case d.Iterations < 1 || d.Iterations > MaxIterations:
		return nil, fmt.Errorf("%d rounds of PBKDF2 are asked for: it must be 1 to %d", d.Iterations, MaxIterations)
	case d.Length < 16 || d.Length > 64:
		return nil, fmt.Errorf("a key of %d octets is asked for: it must be 16 to 64", d.Length)
	case len(d.Salt) < 1 || len(d.Salt) > 1024:
		return nil, fmt.Errorf("the salt has %d octets: it must be 1 to 1024", len(d.Salt))
	}
	return pbkdf2.Key(h, password, d.Salt, d.Iterations, d.Length)
}

// Derives reports whether a key derivation of that name is the one that [Derivation] does.
func Derives(algorithm string) bool { return strings.HasSuffix(algorithm, "#pbkdf2") }

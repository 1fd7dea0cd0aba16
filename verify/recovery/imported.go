package recovery

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
)

const (
	// importedLength is that of the scratch codes of pam_google_authenticator: 8 digits.
	importedLength = 8
	// maxImported bounds a set that another program made.
	maxImported = 64
	// rounds of PBKDF2 make a guess at a stolen record some ten milliseconds dear. With 8 digits it stays possible.
	rounds = 100_000
)

// importedShape is how codes that another program made are typed.
var importedShape = verify.Shape{Length: importedLength, Alphabet: verify.Digits}

// From makes the record of codes that another program made and the user has on paper already, such as the scratch
// codes in ~/.google_authenticator. Each code is one of 8 digits or one that [Make] made; 1 to 64 of them.
//
// Codes of 8 digits hold 26 bits. Guessed at the door they are as safe as codes of an app are, as guesses are
// throttled. Whoever steals the record, however, finds them in days, slow hash or not: give out a new set
// when there is time for it.
func From(codes []secret.String, now time.Time) (record []byte, err error) {
	if len(codes) == 0 || len(codes) > maxImported {
		return nil, fmt.Errorf("take over recovery codes: there are %d: it must be 1 to %d", len(codes), maxImported)
	}
	s := set{Version: version, Made: now.UTC().Truncate(time.Second), Salt: newSalt()}
	seen := map[string]bool{}
	for i, written := range codes {
		code, ok := parse(written.Reveal())
		if !ok {
			return nil, fmt.Errorf("take over recovery codes: code %d of %d is neither of %d digits nor one of `tandem recovery`", i+1, len(codes), importedLength)
		}
		if seen[string(code)] {
			return nil, fmt.Errorf("take over recovery codes: code %d of %d stands there twice: it would be good for two logins", i+1, len(codes))
		}
		seen[string(code)] = true
		if len(code) != importedLength {
			salt := newSalt()
			s.Codes = append(s.Codes, kept{Salt: salt, Hash: hash(salt, code)})
			continue
		}
		slow, err := slowHash(s.Salt, code)
		if err != nil {
			return nil, err
		}
		s.Codes = append(s.Codes, kept{Slow: true, Hash: slow})
	}
	if record, err = json.Marshal(s); err != nil {
		return nil, errors.New("take over recovery codes: the record cannot be written") // err could quote hashes
	}
	return record, nil
}

func newSalt() []byte {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails: it ends the program instead
	return salt
}

// slowHash is for codes so short that all of them can be gone through.
func slowHash(salt, code []byte) ([]byte, error) {
	h, err := pbkdf2.Key(sha256.New, "tandem imported recovery code\x00"+string(code), salt, rounds, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("hash a recovery code: %w", err)
	}
	return h, nil
}

// parseImported reads a code that another program made.
func parseImported(typed string) (code []byte, ok bool) {
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	if len(typed) != importedLength || strings.TrimLeftFunc(typed, digit) != "" {
		return nil, false
	}
	return []byte(typed), true
}

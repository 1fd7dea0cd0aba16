package tokens

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tandem/directory"
	"tandem/directory/otpauth"
)

// otpauth reads otpauth:// and otpauth-migration:// URIs, one a line.
func (r *reader) otpauth(text string) {
	batches := map[int32]*batches{}
	r.lines(text, func(line int, s string) {
		s = strings.TrimSpace(s)
		if data, is := cutFold(s, migrationPrefix); is {
			r.migration(line, data, batches)
			return
		}
		k, err := otpauth.Parse(s)
		if err != nil {
			var wrong *otpauth.Error
			errors.As(err, &wrong)
			r.fail(line, wrong.Param, "%s", wrong.Why)
			return
		}
		r.add(Token{Line: line, User: k.Account, Issuer: k.Issuer, Device: k.Device})
	})
	r.missingBatches(batches)
}

func cutFold(s, prefix string) (rest string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// WriteOTPAuth writes TOTP and HOTP tokens as otpauth:// URIs, one a line. Devices must say their digits, period and
// algorithm. Nothing is written if there is another device among them.
func WriteOTPAuth(to io.Writer, tokens []Token) error {
	var b strings.Builder
	for _, t := range tokens {
		if err := writable(t); err != nil {
			return fmt.Errorf("write otpauth URIs: %w", err)
		}
		b.WriteString(otpauth.Key{Device: t.Device, Issuer: t.Issuer, Account: t.User}.URI() + "\n")
	}
	if _, err := io.WriteString(to, b.String()); err != nil {
		return fmt.Errorf("write otpauth URIs: %w", err)
	}
	return nil
}

// writable reports whether there is all of a token that another program needs.
func writable(t Token) error {
	switch d := t.Device; {
	case d.Type != directory.TypeTOTP && d.Type != directory.TypeHOTP:
		return fmt.Errorf("%s is of the type %q: only TOTP and HOTP devices can be exported", t.Label(), d.Type)
	case d.Secret.Empty():
		return fmt.Errorf("%s has no key", t.Label())
	case d.Digits == 0 || d.Algorithm == "" || d.Type == directory.TypeTOTP && d.Period == 0:
		return fmt.Errorf("%s does not say its digits, period and algorithm: the defaults must be filled in", t.Label())
	}
	return nil
}

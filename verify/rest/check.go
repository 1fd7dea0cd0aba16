package rest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/provider"
)

const (
	// remembered is how long a code that was right is known to be used. Services forget theirs far sooner.
	remembered = 24 * time.Hour
	// maxCode is the longest code that the service is asked about, in octets.
	maxCode = 64
)

// check asks the service about a code. Whether the service itself takes a code twice is not known, so what it once
// said yes to is not asked about again, and is claimed under a hash of the code.
func (s *service) check(ctx context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	if !s.canBe(code) {
		return verify.Finding{Detail: "the service was not asked: no code looks like that"}, nil
	}
	key := s.config.Name + "/" + provider.Fingerprint(code)
	_, used, err := marks.Mark(key)
	if err != nil {
		return verify.Finding{}, err
	}
	if used {
		return verify.Finding{Result: verify.Used}, nil
	}
	yes, err := s.ask(ctx, s.verify, false, u, code)
	if err != nil {
		return verify.Finding{}, err
	}
	if !yes {
		return verify.Finding{Detail: "the service says no"}, nil
	}
	return verify.Finding{
		Result: verify.Match, Detail: "the service says yes",
		Claim: verify.Claim{Key: key, Value: 1, For: remembered},
	}, nil
}

// canBe reports whether code is worth a request. Only visible ASCII is: services differ in what they make of spaces
// and of other scripts' digits.
func (s *service) canBe(code string) bool {
	if n := s.config.Digits; n > 0 {
		return len(code) == n && strings.Trim(code, verify.Digits) == ""
	}
	return code != "" && len(code) <= maxCode &&
		!strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' })
}

// errNotSent: the service has answered, and has not sent a code.
var errNotSent = errors.New("the service says that it has not sent a code (its result is false)")

// send has the service send a code: ours, or one of its own if code is empty.
func (s *service) send(ctx context.Context, u *directory.User, code secret.String) error {
	if code.Empty() != (s.config.OwnDigits == 0) {
		return fmt.Errorf("REST factor %q: a code is made either here or by the service, and both or neither has made one", s.config.Name)
	}
	sent, err := s.ask(ctx, s.init, s.config.InitStatusOnly, u, code.Reveal())
	if err == nil && !sent {
		err = fmt.Errorf("REST factor %q: %w", s.config.Name, errNotSent)
	}
	return err
}

// ask makes one request and returns the service's yes or no.
func (s *service) ask(ctx context.Context, r *request, statusOnly bool, u *directory.User, code string) (yes bool, err error) {
	body, err := r.arguments.object(u, code)
	if err != nil {
		return false, fmt.Errorf("REST factor %q: %w", s.config.Name, err)
	}
	err = s.guard.Do(ctx, func(ctx context.Context) (err error) {
		if statusOnly {
			yes, err = true, s.caller.notify(ctx, r.url, body)
		} else {
			yes, err = s.caller.ask(ctx, r.url, body)
		}
		return withoutCode(err, code)
	})
	if err != nil {
		return false, fmt.Errorf("REST factor %q: ask %s: %w", s.config.Name, shown(r.url), err)
	}
	return yes, nil
}

// maxError is the longest error that is passed on, in octets: a malformed header is quoted in it.
const maxError = 500

// withoutCode keeps the code out of an error. Errors of net/http quote what the service sent, and that may be what it
// was sent.
func withoutCode(err error, code string) error {
	if err == nil {
		return nil
	}
	says := err.Error()
	if len(says) <= maxError && (code == "" || !strings.Contains(says, code)) {
		return err
	}
	if code != "" {
		says = strings.ReplaceAll(says, code, secret.Redacted)
	}
	return errors.New(strings.ToValidUTF8(says[:min(len(says), maxError)], ""))
}

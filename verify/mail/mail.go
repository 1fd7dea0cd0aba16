// Package mail sends codes by mail.
//
// A code goes to the address that the directory has of the user, through one of the configured SMTP servers, over TLS
// (RFC 3207, RFC 8314) and with a login if they want one. The codes are made here and the core keeps and checks them:
// the factor is a [verify.Maker].
//
// What stands in the directory may have been written by the user. So an address is taken only if it is exactly one
// and has nothing beside it (see [parseAddress]); what enters a header is encoded, and a line break there is an
// error. A server that does not want one recipient says nothing about the others, and so does not count as failing:
// otherwise an account with a full mailbox could switch the factor off for all.
//
// Neither the dialogue with the server nor the code is ever logged, also not where the server repeats it.
package mail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/provider"
)

// Config says through which servers mails go, and what stands in them.
type Config struct {
	// Name and Label are what the factor is called in the configuration and in menus.
	Name, Label string
	// Servers are "host" or "host:port", the preferred one first; the usual port follows from TLS.
	Servers []string
	// TLS protects the connections.
	TLS TLS
	// AllowPlaintext permits [NoTLS] to other hosts.
	AllowPlaintext bool
	// CAFile holds the authorities (PEM) to trust; empty: the host's own.
	CAFile string
	// Username and Password log in, if Username is not empty.
	Username string
	Password secret.String
	// HELO is how we introduce ourselves; empty: by the host's name.
	HELO string
	// From is the sender, with or without a name: "Tandem <tandem@example.org>".
	From string
	// Subject and Body are templates (text/template) of [Fields]. The subject has one line.
	Subject, Body string
	// Attribute holds the users' addresses; empty: [directory.User].Mail.
	Attribute string

	// Digits is the length of a code.
	Digits int
	// Lifetime is how long a code may be used, at most ten minutes.
	Lifetime time.Duration
	// ResendInterval is the time between one code and the next.
	ResendInterval time.Duration
	// Timeout and MaxConcurrent bound the deliveries; see [provider.Limits].
	Timeout       time.Duration
	MaxConcurrent int
}

// Factor sends codes by mail. It may be used by many goroutines at once.
type Factor struct {
	config  Config
	letter  *letter
	servers []*server
	// working is the place in servers of the one that took the last mail.
	working atomic.Int64
	guard   *provider.Guard
}

var _ verify.Maker = (*Factor)(nil)

// New makes the factor; now is the clock for the mails' dates. It connects to nobody yet.
func New(c Config, now func() time.Time) (*Factor, error) {
	l, err := newLetter(c, now)
	if err != nil {
		return nil, fmt.Errorf("mail factor %q: %w", c.Name, err)
	}
	servers, err := newServers(c)
	if err != nil {
		return nil, fmt.Errorf("mail factor %q: %w", c.Name, err)
	}
	guard := provider.New(provider.Limits{Timeout: c.Timeout, MaxConcurrent: c.MaxConcurrent})
	return &Factor{config: c, letter: l, servers: servers, guard: guard}, nil
}

// Name implements [verify.Factor].
func (f *Factor) Name() string { return f.config.Name }

// Label implements [verify.Factor].
func (f *Factor) Label() string { return f.config.Label }

// Shapes implements [verify.Factor]: users without a usable address are not served.
func (f *Factor) Shapes(u *directory.User) []verify.Shape {
	if _, err := f.addressOf(u); err != nil {
		return nil
	}
	return []verify.Shape{{Length: f.config.Digits, Alphabet: verify.Digits}}
}

// Target implements [verify.Sender].
func (f *Factor) Target(u *directory.User) (masked string, ok bool) {
	to, err := f.addressOf(u)
	return provider.MaskMail(to.text), err == nil
}

// ResendAfter implements [verify.Sender].
func (f *Factor) ResendAfter() time.Duration { return f.config.ResendInterval }

// NewCode implements [verify.Maker].
func (f *Factor) NewCode() (secret.String, error) { return provider.NewDigits(f.config.Digits) }

// Lifetime implements [verify.Maker].
func (f *Factor) Lifetime() time.Duration { return f.config.Lifetime }

// addressOf is where u's codes go.
func (f *Factor) addressOf(u *directory.User) (address, error) {
	text := u.Mail
	if f.config.Attribute != "" {
		text = ""
		if values := u.Attributes[f.config.Attribute]; len(values) > 0 {
			text = values[0]
		}
	}
	return parseAddress(text)
}

// Send implements [verify.Sender].
func (f *Factor) Send(ctx context.Context, u *directory.User, code secret.String) error {
	to, err := f.addressOf(u)
	if err != nil {
		return fmt.Errorf("mail factor %q: the address of %q: %w", f.config.Name, u.Name, err)
	}
	m, err := f.letter.write(to, u, code)
	if err != nil {
		return fmt.Errorf("mail factor %q: %w", f.config.Name, err)
	}
	var refused error
	err = f.guard.Do(ctx, func(ctx context.Context) error {
		err := f.withoutSecrets(f.deliver(ctx, to, m), code)
		if isRefusal(err) {
			refused = err
			return nil // a definite answer, and about this mail alone
		}
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("mail factor %q: send a code to %s: %w", f.config.Name, provider.MaskMail(to.text), err)
	}
	return nil
}

// maxError is the longest error that is passed on, in octets.
const maxError = 500

// withoutSecrets keeps the code, and our own password, out of an error: servers repeat what they do not like.
func (f *Factor) withoutSecrets(err error, code secret.String) error {
	if err == nil {
		return nil
	}
	says := err.Error()
	for _, s := range []secret.String{code, f.config.Password} {
		if !s.Empty() {
			says = strings.ReplaceAll(says, s.Reveal(), secret.Redacted)
		}
	}
	says = strings.ToValidUTF8(says[:min(len(says), maxError)], "")
	switch {
	case isRefusal(err):
		return &refusal{why: says}
	case says == err.Error():
		return err
	}
	return errors.New(says)
}

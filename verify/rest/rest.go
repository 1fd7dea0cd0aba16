// Package rest has codes delivered, checked or both by a web service that speaks JSON, as the REST second factor of
// LemonLDAP::NG does.
//
// Both requests are a POST of one JSON object. The first, to InitURL, has the service send a code; the second, to
// VerifyURL, asks whether a code is right:
//
//	POST /init    {"user": "dwho", "mail": "dwho@badwolf.org"}   →  {"result": true}
//	POST /verify  {"user": "dwho", "code": "4321"}               →  {"result": true}
//
// What counts as a yes is as narrow as can be, because whoever makes this package take something else for a yes is
// let in: status 200, a JSON content type, one object of at most 64 KiB in which "result" stands exactly once and is
// the boolean true. false is a definite no. Everything else, a redirection among it, means that nothing is known
// (see [parseAnswer]). The service cannot be asked over an unprotected network unless the configuration says so.
//
// There are three kinds of service, and [New] makes another [verify.Factor] of each: one that checks codes which
// users have from elsewhere ([verify.Checker]); one that sends codes of its own and checks them (a
// [verify.Sender] too); and one that only sends what it is given, as SMS gateways do ([verify.Maker]).
package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/provider"
)

// Config says what one service is asked, and how.
type Config struct {
	// Name and Label are what the factor is called in the configuration and in menus.
	Name, Label string
	// InitURL sends a code; empty: the users have their codes from elsewhere.
	InitURL string
	// VerifyURL checks a code; empty if OwnDigits is set, and only then.
	VerifyURL string
	// InitArguments and VerifyArguments are members of the two JSON objects, by their names. In the texts, $code is
	// put in, or the user's attribute of any other name (see [attribute]); ${name} is the same, and $$ is a dollar.
	// A user who lacks one of them is not served. "user" is $user, and "code" is $code where there is a code, unless
	// they stand here; a member whose text is empty is left out.
	InitArguments, VerifyArguments map[string]string
	// InitStatusOnly takes any status from 200 to 299 of InitURL for a success, and reads no more of the answer:
	// for gateways whose answer is not LemonLDAP::NG's. It lets nobody in.
	InitStatusOnly bool
	// Target is an attribute such as "$phone" that says where codes go. It is shown masked, and who lacks it
	// cannot be reached; empty: nothing is shown.
	Target string

	// Token, if any, is sent in the header TokenHeader: after the word Bearer if that is Authorization (RFC 6750
	// §2.1), by itself in any other.
	Token       secret.String
	TokenHeader string
	// Username and Password are sent as RFC 7617 says, if Username is not empty.
	Username string
	Password secret.String
	// CAFile holds the authorities (PEM) to trust; empty: the host's own. CertFile and KeyFile are our own
	// certificate, for services that ask for one.
	CAFile, CertFile, KeyFile string
	// AllowPlaintext permits http:// to other hosts.
	AllowPlaintext bool

	// Timeout and MaxConcurrent bound the requests; see [provider.Limits].
	Timeout       time.Duration
	MaxConcurrent int
	// ResendInterval is the time between one code and the next.
	ResendInterval time.Duration
	// Digits is the length of the service's codes; 0: they may look like anything.
	Digits int
	// OwnDigits is the length of codes that are made here for InitURL to send; 0: the service makes them.
	OwnDigits int
	// Lifetime is how long codes made here may be used.
	Lifetime time.Duration
}

// New makes the factor that c describes: it can check, or send, or both. It asks nobody yet.
func New(c Config) (verify.Factor, error) {
	s, err := newService(c)
	if err != nil {
		return nil, fmt.Errorf("REST factor %q: %w", c.Name, err)
	}
	switch {
	case c.OwnDigits > 0:
		return maker{sender{s}}, nil
	case s.init != nil:
		return senderChecker{sender{s}}, nil
	default:
		return checker{s}, nil
	}
}

// service is what all kinds of factor here are made of.
type service struct {
	config       Config
	init, verify *request // nil: there is no such URL
	target       text
	caller       *caller
	guard        *provider.Guard
}

func newService(c Config) (*service, error) {
	s := &service{config: c, guard: provider.New(provider.Limits{Timeout: c.Timeout, MaxConcurrent: c.MaxConcurrent})}
	var err error
	switch {
	case c.OwnDigits > 0 && (c.InitURL == "" || c.VerifyURL != ""):
		return nil, errors.New("codes that are made here need a URL that sends them, and none that checks them")
	case c.OwnDigits == 0 && c.VerifyURL == "":
		return nil, errors.New("there is no URL that checks codes, and none are made here")
	}
	if c.InitURL != "" {
		if s.init, err = newRequest(c, c.InitURL, c.InitArguments, c.OwnDigits > 0); err != nil {
			return nil, fmt.Errorf("init URL: %w", err)
		}
	}
	if c.VerifyURL != "" {
		if s.verify, err = newRequest(c, c.VerifyURL, c.VerifyArguments, true); err != nil {
			return nil, fmt.Errorf("verify URL: %w", err)
		}
	}
	if c.Target != "" {
		if s.target, err = parseText(c.Target); err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
	}
	s.caller, err = newCaller(c)
	return s, err
}

// Name implements [verify.Factor].
func (s *service) Name() string { return s.config.Name }

// Label implements [verify.Factor].
func (s *service) Label() string { return s.config.Label }

// Shapes implements [verify.Factor]: a user who lacks an attribute that a request needs is not served.
func (s *service) Shapes(u *directory.User) []verify.Shape {
	for _, r := range []*request{s.init, s.verify} {
		if r != nil && !r.arguments.filledBy(u) {
			return nil
		}
	}
	length := s.config.Digits + s.config.OwnDigits // one of them is 0
	if length == 0 {
		return []verify.Shape{{}}
	}
	return []verify.Shape{{Length: length, Alphabet: verify.Digits}}
}

// checker is a service that checks codes which it does not send.
type checker struct{ *service }

var _ verify.Checker = checker{}

// Check implements [verify.Checker].
func (c checker) Check(ctx context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	return c.check(ctx, u, code, marks)
}

// sender is a service that sends codes.
type sender struct{ *service }

var _ verify.Sender = sender{}

// Target implements [verify.Sender].
func (s sender) Target(u *directory.User) (masked string, ok bool) {
	if !s.init.arguments.filledBy(u) {
		return "", false
	}
	target, err := s.target.fill(u, "")
	if err != nil {
		return "", false
	}
	return provider.Mask(target), true
}

// Send implements [verify.Sender].
func (s sender) Send(ctx context.Context, u *directory.User, code secret.String) error {
	return s.send(ctx, u, code)
}

// ResendAfter implements [verify.Sender].
func (s sender) ResendAfter() time.Duration { return s.config.ResendInterval }

// senderChecker is a service that sends codes of its own and checks them.
type senderChecker struct{ sender }

var _ interface {
	verify.Sender
	verify.Checker
} = senderChecker{}

// Check implements [verify.Checker].
func (s senderChecker) Check(ctx context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	return s.check(ctx, u, code, marks)
}

// maker is a service that sends codes which are made here.
type maker struct{ sender }

var _ verify.Maker = maker{}

// NewCode implements [verify.Maker].
func (m maker) NewCode() (secret.String, error) { return provider.NewDigits(m.config.OwnDigits) }

// Lifetime implements [verify.Maker].
func (m maker) Lifetime() time.Duration { return m.config.Lifetime }

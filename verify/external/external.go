// Package external has other people's programs deliver and check codes, as LemonLDAP::NG's External second factor
// does. There are three kinds, by what is configured:
//
//	code and send        the core makes a code, send brings it to the user, the core checks the answer
//	validate             the user has codes from elsewhere, such as a token whose server validate asks
//	send and validate    send has a service bring a code of its own to the user, validate asks that service
//
// A program's exit status 0 is a yes. Of validate any other is a no; of send, a failure. What it writes to its
// standard output is not read; its standard error goes to the log, without the code.
//
// How programs are run, and what may stand in their arguments, is the subject of package command; package pattern
// makes the codes.
package external

import (
	"fmt"
	"log/slog"
	"time"

	"tandem/verify"
	"tandem/verify/external/command"
	"tandem/verify/external/pattern"
	"tandem/verify/provider"
)

// Config is one external factor.
type Config struct {
	// Name is what users type and policies say; Label is what menus show.
	Name, Label string
	// Code makes the codes, which the core then checks; nil: a service makes them and Validate asks it.
	Code *pattern.Pattern
	// Send brings a code to the user: required with Code, else optional. Validate checks one: required without
	// Code. Their variables are $code and a user's attributes, see [variable].
	Send, Validate *command.Template
	// CodeOnStdin gives the programs the code as a line on standard input. In their arguments ($code) every user
	// of the host can read it while they run.
	CodeOnStdin bool
	// Digits is how many digits the codes of a service have; 0: they have any form. Not used with Code.
	Digits int
	// Target is the variable, without its dollar sign, that says where codes go. It is shown to the user, masked;
	// empty: nothing is shown.
	Target string
	// Lifetime is how long a code made by Code may be used; ResendInterval is how long after one code the next may
	// be sent.
	Lifetime, ResendInterval time.Duration
	// Timeout and MaxConcurrent bound the runs of both programs together, see [provider.Limits].
	Timeout       time.Duration
	MaxConcurrent int
	// Account is who the programs run as; nil: as the service does.
	Account *command.Account
}

// New makes the factor: a [verify.Maker] with Code, else a [verify.Checker], which with Send is a [verify.Sender]
// as well. What the programs write to standard error goes to log.
func New(c Config, log *slog.Logger) (verify.Factor, error) {
	if err := c.Account.Check(); err != nil {
		return nil, fmt.Errorf("factor %q: %w", c.Name, err)
	}
	f := &factor{
		config: c, log: log,
		guard: provider.New(provider.Limits{Timeout: c.Timeout, MaxConcurrent: c.MaxConcurrent}),
	}
	if c.Send != nil {
		f.send = command.New(c.Send.Program(), c.Account)
	}
	if c.Validate != nil {
		f.validate = command.New(c.Validate.Program(), c.Account)
	}
	switch {
	case c.Code != nil && c.Send != nil && c.Validate == nil:
		return &maker{f, delivery{f}}, nil
	case c.Code == nil && c.Send == nil && c.Validate != nil:
		return &checker{f}, nil
	case c.Code == nil && c.Send != nil && c.Validate != nil:
		return &sendingChecker{checker{f}, delivery{f}}, nil
	}
	return nil, fmt.Errorf("factor %q: needs code and send, or validate, or send and validate", c.Name)
}

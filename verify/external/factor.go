package external

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/external/command"
	"tandem/verify/provider"
)

// factor is what all kinds have.
type factor struct {
	config         Config
	log            *slog.Logger
	guard          *provider.Guard
	send, validate *command.Program // nil: not configured
}

// Name implements [verify.Factor].
func (f *factor) Name() string { return f.config.Name }

// Label implements [verify.Factor].
func (f *factor) Label() string { return f.config.Label }

// Shapes implements [verify.Factor]. Who lacks an attribute that a program needs, or has a value there that it must
// not get, is not served.
func (f *factor) Shapes(u *directory.User) []verify.Shape {
	for _, t := range []*command.Template{f.config.Send, f.config.Validate} {
		if t == nil {
			continue
		}
		if _, err := arguments(t, u, secret.New("0")); err != nil {
			return nil
		}
	}
	if f.config.Code == nil {
		return []verify.Shape{{Length: f.config.Digits, Alphabet: verify.Digits}}
	}
	var shapes []verify.Shape
	for _, length := range f.config.Code.Lengths() {
		shapes = append(shapes, verify.Shape{Length: length, Alphabet: f.config.Code.Alphabet()})
	}
	return shapes
}

// run runs one of the factor's programs for a user within the factor's bounds, and returns its exit status.
func (f *factor) run(ctx context.Context, p *command.Program, t *command.Template, u *directory.User, code secret.String) (status int, err error) {
	args, err := arguments(t, u, code)
	if err != nil {
		return -1, fmt.Errorf("%s for user %q: %w", t.Program(), u.Name, err)
	}
	status = -1 // whatever follows, only a program that ran can say 0
	err = f.guard.Do(ctx, func(ctx context.Context) error {
		exit, err := p.Run(ctx, command.Call{Args: args, Code: code, OnStdin: f.config.CodeOnStdin && !code.Empty()})
		status = exit.Status
		if exit.Stderr != "" {
			f.log.Warn("a program of an external factor has written to its standard error",
				"factor", f.config.Name, "program", t.Program(), "user", u.Name, "status", status, "stderr", exit.Stderr)
		}
		if err == nil && status != 0 && p == f.send {
			err = fmt.Errorf("%s ended with exit status %d", t.Program(), status)
		}
		return err
	})
	if errors.Is(err, provider.ErrBusy) || errors.Is(err, provider.ErrResting) {
		err = fmt.Errorf("%s: %w", t.Program(), err)
	}
	return status, err
}

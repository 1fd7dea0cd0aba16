package compose

import (
	"fmt"
	"log/slog"

	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/external/command"
	"tandem/verify/external/pattern"
)

// externalFactor makes a factor of programs. internal/config has checked every line of it.
func externalFactor(e *config.External, log *slog.Logger) (verify.Factor, error) {
	target, _ := e.TargetVariable()
	c := external.Config{
		Name: e.Name, Label: e.Label, CodeOnStdin: e.CodeOnStdin, Digits: e.Digits, Target: target,
		Lifetime: e.Lifetime, ResendInterval: e.ResendInterval, Timeout: e.Timeout, MaxConcurrent: e.MaxConcurrent,
	}
	if c.Label == "" {
		c.Label = e.Name
	}
	var err error
	if e.Code != "" {
		if c.Code, err = pattern.Compile(e.Code); err != nil {
			return nil, fmt.Errorf("code: %w", err)
		}
	}
	if len(e.Send) > 0 {
		if c.Send, err = command.Parse(e.Send); err != nil {
			return nil, fmt.Errorf("send: %w", err)
		}
	}
	if len(e.Validate) > 0 {
		if c.Validate, err = command.Parse(e.Validate); err != nil {
			return nil, fmt.Errorf("validate: %w", err)
		}
	}
	if c.Account, err = command.LookupAccount(e.User, e.Group); err != nil {
		return nil, err
	}
	return external.New(c, log)
}

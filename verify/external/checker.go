package external

import (
	"context"
	"strings"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/external/command"
	"tandem/verify/provider"
)

// usedFor is how long a code that a program said yes to is known to be used, whatever the program says then.
const usedFor = 24 * time.Hour

// checker asks a program which codes are right.
type checker struct{ *factor }

// sendingChecker has codes sent first, by the service that it then asks.
type sendingChecker struct {
	checker
	delivery
}

var (
	_ verify.Checker = (*checker)(nil)
	_ verify.Checker = (*sendingChecker)(nil)
	_ verify.Sender  = (*sendingChecker)(nil)
)

// Check implements [verify.Checker]. The service behind the program may use a code up by being asked.
func (c *checker) Check(ctx context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	if !c.typeable(code) {
		return verify.Finding{Detail: "it has not the form of a code, so the program was not asked"}, nil
	}
	claim := verify.Claim{Key: c.usedKey(code), Value: 1, For: usedFor}
	switch _, used, err := marks.Mark(claim.Key); {
	case err != nil:
		return verify.Finding{}, err
	case used:
		return verify.Finding{Result: verify.Used, Device: c.config.Name}, nil
	}
	status, err := c.run(ctx, c.validate, c.config.Validate, u, secret.New(code))
	if err != nil || status != 0 {
		return verify.Finding{}, err
	}
	return verify.Finding{Result: verify.Match, Device: c.config.Name, Claim: claim}, nil
}

// typeable reports whether code can be one of the service's at all. Nothing else gets near the program: no space, no
// line break, nothing that it would take for an option.
func (c *checker) typeable(code string) bool {
	if n := c.config.Digits; n > 0 {
		return len(code) == n && strings.Trim(code, verify.Digits) == ""
	}
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	return code != "" && len(code) <= command.MaxCode && code[0] != '-' &&
		!strings.ContainsFunc(code, func(r rune) bool { return !visible(r) })
}

// usedKey is where it is kept that code was used, without the code.
func (c *checker) usedKey(code string) string {
	return c.config.Name + "/" + provider.Fingerprint(code)
}

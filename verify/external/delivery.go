package external

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/external/command"
)

// delivery is the part of a factor that sends codes.
type delivery struct{ of *factor }

// Target implements [verify.Sender].
func (d delivery) Target(u *directory.User) (masked string, ok bool) {
	if len(d.of.Shapes(u)) == 0 {
		return "", false
	}
	if d.of.config.Target == "" {
		return "", true
	}
	address := variable(u, d.of.config.Target)
	if command.CheckValue(address) != nil {
		return "", false
	}
	return mask(address), true
}

// Send implements [verify.Sender].
func (d delivery) Send(ctx context.Context, u *directory.User, code secret.String) error {
	_, err := d.of.run(ctx, d.of.send, d.of.config.Send, u, code)
	return err
}

// ResendAfter implements [verify.Sender].
func (d delivery) ResendAfter() time.Duration { return d.of.config.ResendInterval }

// maker sends codes that the core keeps and checks.
type maker struct {
	*factor
	delivery
}

var _ verify.Maker = (*maker)(nil)

// NewCode implements [verify.Maker].
func (m *maker) NewCode() (secret.String, error) { return m.config.Code.New(rand.Reader) }

// Lifetime implements [verify.Maker].
func (m *maker) Lifetime() time.Duration { return m.config.Lifetime }

// mask shows as much of an address as its owner needs to know it by: "a…@e…" of a mail address, "…12" of anything
// else. Of what is so short that this would be half of it, nothing.
func mask(address string) string {
	if name, domain, ok := strings.Cut(address, "@"); ok {
		return firstRune(name) + "…@" + firstRune(domain) + "…"
	}
	const shown = 2
	runes := []rune(address)
	if len(runes) < 3*shown {
		return "…"
	}
	return "…" + string(runes[len(runes)-shown:])
}

func firstRune(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}

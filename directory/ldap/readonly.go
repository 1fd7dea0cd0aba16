package ldap

import (
	"context"
	"errors"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// bindWriter logs in on c who writes devices. A refusal is final: that account does not exist on the others either.
func (d *Directory) bindWriter(ctx context.Context, c *conn) error {
	if d.config.Write.DN == "" {
		return d.bindService(ctx, c)
	}
	err := c.bind(ctx, d.config.Write.DN, d.config.Write.Password.Reveal())
	what := fmt.Sprintf("log in as the write account %q", d.config.Write.DN)
	var answer *answerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return readOnly(what, answer, "check the DN and the password, and whether the account is locked")
	}
	return failed(what, err)
}

// writeAccount names who writes.
func (d *Directory) writeAccount() string {
	switch {
	case d.config.Write.DN != "":
		return d.config.Write.DN
	case d.config.BindDN != "":
		return d.config.BindDN
	}
	return "anonymous"
}

// refusedWrite says what a server's answer to a write means. A lost race is an error of its own; what another server
// may do instead stays a server's fault; all else is final.
func (d *Directory) refusedWrite(at location, err error) error {
	what := fmt.Sprintf("write %s of %q as %q", at.attribute, at.dn, d.writeAccount())
	var answer *answerError
	if !errors.As(err, &answer) {
		return failed(what, err)
	}
	switch code := answer.answer.ResultCode; {
	case isLostRace(err):
		return &lostRaceError{fmt.Errorf("cannot %s: %w", what, err)}
	case code == goldap.LDAPResultReferral || code == goldap.LDAPResultUnwillingToPerform:
		// A replica, or a read-only domain controller: one that takes writes may be next.
		return fmt.Errorf("%w: cannot %s: %w (this server takes no writes: name one that does in URLs; referrals are never followed)",
			directory.ErrReadOnly, what, err)
	case code == goldap.LDAPResultInsufficientAccessRights, code == goldap.LDAPResultStrongAuthRequired:
		return readOnly(what, answer, "let this account write the attribute, or name one that may as the write account; see docs/devices.md")
	case code == goldap.LDAPResultBusy || code == goldap.LDAPResultUnavailable:
		return failed(what, err)
	default:
		return fmt.Errorf("cannot %s: %s%s", what, answer.Error(), writeAdvice(code, at))
	}
}

// writeAdvice says what would mend a write that can succeed on no server.
func writeAdvice(code uint16, at location) string {
	switch code {
	case goldap.LDAPResultObjectClassViolation:
		if at.source == SourceAttribute {
			return " (the entry's object classes do not allow the attribute: add the auxiliary class that does, tandemUser with Tandem's schema, or name it in Devices.ObjectClass; see docs/devices.md)"
		}
		return " (the entry's object classes do not allow the attribute: add the class that does)"
	case goldap.LDAPResultUndefinedAttributeType:
		return " (the server does not know the attribute: load its schema; see packaging/ldap)"
	case goldap.LDAPResultConstraintViolation:
		return " (the server allows no such value, or no second one: the attribute must take several values, of any length)"
	}
	return ""
}

// readOnly is a final [directory.ErrReadOnly]: the answer is quoted and not wrapped, or other servers would be asked.
func readOnly(what string, answer *answerError, advice string) error {
	return fmt.Errorf("%w: cannot %s: %s (%s)", directory.ErrReadOnly, what, answer.Error(), advice)
}

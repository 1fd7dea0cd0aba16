package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tandem/directory"
)

// CheckPassword binds as u with password, on a connection of its own kind. It returns nil only if a server has
// just said yes, an error that wraps [directory.ErrWrongPassword] only if one has just refused the
// password or the account, and anything else if nothing is known. Where a domain controller of Active Directory says
// why, the error is a [directory.AccountError].
//
// A password that has expired but is right is accepted where the server does so (pwdReset, grace logins).
func (d *Directory) CheckPassword(ctx context.Context, u *directory.User, password string) error {
	if password == "" {
		return errors.New("ldap: refused to check an empty password: servers accept one, as nobody (RFC 4513 §5.1.2)")
	}
	if strings.TrimSpace(u.DN) == "" {
		return errors.New("ldap: refused to check a password without the DN of an entry: servers accept it, as nobody (RFC 4513 §5.1.1)")
	}
	// A server that is written in C may take it for a shorter one, or an empty one.
	if strings.IndexByte(password, 0) >= 0 {
		return errors.New("ldap: refused to check a password with a NUL octet")
	}
	return d.ask(ctx, binding, func(ctx context.Context, c *conn) error {
		err := c.bind(ctx, u.DN, password)
		switch {
		case err == nil:
			return nil
		case refusesLogin(err):
			return refusal(u.DN, err)
		}
		return failed(fmt.Sprintf("bind as %q", u.DN), err)
	})
}

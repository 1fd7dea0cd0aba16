package ldap

import (
	"context"
	"errors"

	goldap "github.com/go-ldap/ldap/v3"
)

// refusesLogin reports whether a bind's answer means: not with this password, or not this account.
//
//	49 invalidCredentials           the password is wrong; also, in Active Directory, with ppolicy and elsewhere, the
//	                                account is locked, disabled or expired
//	48 inappropriateAuthentication  the entry has no password
//	53 unwillingToPerform           389 DS, eDirectory: the account is inactivated, locked or expired
//	19 constraintViolation          389 DS: too many wrong passwords
//	32 noSuchObject                 the entry has gone since it was found
//
// Were the last four "nothing is known", everybody could lock an account and so make the NAS believe that
// the whole service is down.
func refusesLogin(err error) bool {
	return goldap.IsErrorAnyOf(err, goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication,
		goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultConstraintViolation, goldap.LDAPResultNoSuchObject)
}

// isServersFault reports whether another server may know better.
func isServersFault(err error) bool {
	if err == nil { // as it is at nearly every login, and looking into an error is not free
		return false
	}
	var b *brokenError
	var w *waitError
	var a *answerError
	return errors.As(err, &b) || errors.As(err, &w) || errors.As(err, &a)
}

// isLostRace reports whether a write's answer means that somebody else has changed, between the reading and the
// writing, what was to be changed (RFC 4511 §4.6, §4.7).
func isLostRace(err error) bool {
	return goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists,
		goldap.LDAPResultEntryAlreadyExists, goldap.LDAPResultNoSuchObject)
}

// isDown reports whether err is a reason to pass the server over for a while. The caller's own end of patience is not.
func isDown(err error) bool {
	var slow *slowError
	var b *brokenError
	var w *waitError
	switch {
	case errors.As(err, &w):
		return false
	case errors.As(err, &slow):
		return true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &b):
		return true
	}
	return goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable)
}

// wasClosed reports whether the server ended the connection without an answer.
func wasClosed(err error) bool {
	var b *brokenError
	return errors.As(err, &b) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

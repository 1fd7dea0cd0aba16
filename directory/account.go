package directory

import "fmt"

// Condition is why an account may not log in although it is there, in one word for the audit.
type Condition string

// The conditions.
const (
	PasswordExpired    Condition = "password-expired"
	PasswordMustChange Condition = "password-must-change"
	AccountDisabled    Condition = "account-disabled"
	AccountExpired     Condition = "account-expired"
	LockedOut          Condition = "locked-out"
	OutsideHours       Condition = "outside-hours"
	OtherWorkstation   Condition = "other-workstation"
)

// String says it in words that end a sentence about the account.
func (c Condition) String() string {
	switch c {
	case PasswordExpired:
		return "its password has expired"
	case PasswordMustChange:
		return "its password must be changed first"
	case AccountDisabled:
		return "it is disabled"
	case AccountExpired:
		return "it has expired"
	case LockedOut:
		return "it is locked out after wrong passwords"
	case OutsideHours:
		return "it may not log in at this hour"
	case OtherWorkstation:
		return "it may not log in from here"
	}
	return string(c)
}

// AccountError is a definite no with its reason. It is never more than that: whoever does not look at the condition
// treats it as what it counts as.
type AccountError struct {
	Condition Condition
	// CountsAs is [ErrWrongPassword] from a check of a password, and [ErrNoUser] from a look-up.
	CountsAs error
	// PasswordRight: the directory gives this condition only to who has just sent the right password. No other
	// condition may be told to a user, or the reject would say to strangers what they could not know.
	PasswordRight bool
	// Detail is whose account it is and what the directory said, for logs.
	Detail string
}

// Error gives the condition and the detail.
func (e *AccountError) Error() string {
	return fmt.Sprintf("the account may not log in, as %s: %s", e.Condition, e.Detail)
}

// Unwrap gives what e counts as.
func (e *AccountError) Unwrap() error { return e.CountsAs }

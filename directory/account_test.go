package directory_test

import (
	"errors"
	"strings"
	"testing"

	"tandem/directory"
)

// TestAnAccountErrorIsADefiniteNo: who does not know of conditions must still understand it.
func TestAnAccountErrorIsADefiniteNo(t *testing.T) {
	for _, c := range []directory.Condition{
		directory.PasswordExpired, directory.PasswordMustChange, directory.AccountDisabled, directory.AccountExpired,
		directory.LockedOut, directory.OutsideHours, directory.OtherWorkstation,
	} {
		var err error = &directory.AccountError{Condition: c, CountsAs: directory.ErrWrongPassword, Detail: "the server said so"}
		if !errors.Is(err, directory.ErrWrongPassword) || errors.Is(err, directory.ErrNoUser) {
			t.Errorf("%s: %v", string(c), err)
		}
		if c.String() == string(c) || !strings.Contains(err.Error(), c.String()) || !strings.Contains(err.Error(), "the server said so") {
			t.Errorf("%s says %q", string(c), err)
		}
	}
}

package verify_test

import (
	"errors"
	"testing"

	"tandem/verify"
)

// What cannot be recorded did not happen: somebody with a stolen password who fills the disk must not come by a device of
// which neither the audit nor the log has a word.
func TestRow45_NoDeviceWithoutItsAuditLine(t *testing.T) {
	n := newNewcomer(t, nil)
	v := n.try(password)
	code := n.shown(v, 0)
	n.auditErr = errors.New("no space left on device")
	want(t, n.answer(v.State, code), verify.Reject, verify.ReasonAuditDown)
	if n.alice().HasDevices() {
		t.Errorf("the login was rejected, and the device stays: %+v", n.alice().Devices)
	}
}

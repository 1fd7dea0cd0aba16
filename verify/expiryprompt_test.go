package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"tandem/verify"
	"tandem/verify/policy"
)

// A RADIUS packet holds 4096 octets: a prompt that does not fit is not sent at all, so that old devices, however many
// and whatever they are called, would shut their user out.
func TestRow22_PromptsNameFewExpiredDevices(t *testing.T) {
	n := newVeteran(t, func(n *newcomer) {
		n.policy.Mode = policy.Challenge
		n.alice().Devices = nil
		for i := range 120 {
			d := n.aged(totpDevice(fmt.Sprintf("%020d", i)), old)
			d.Name = fmt.Sprintf("%s %d", strings.Repeat("語", 30), i)
			n.alice().Devices = append(n.alice().Devices, d)
		}
		n.alice().Devices = append(n.alice().Devices, n.aged(totpDevice(rfcKey), 0))
	})
	v := n.try(password)
	want(t, v, verify.Challenge, verify.ReasonCodeWanted)
	if len(v.Message) > 1024 {
		t.Errorf("a prompt of %d octets", len(v.Message))
	}
}

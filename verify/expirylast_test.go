package verify_test

import (
	"testing"

	"tandem/verify"
)

// Somebody's phone was stolen, and an administrator removes it while its last login is under way (or while the entry
// that this login looked up is still remembered). The other device expired long ago: were it removed now, the user
// would be one who never had any, to whom a policy offers an enrolment for the password alone.
func TestRow17_ExpiredDeviceStaysIfTheOtherHasGone(t *testing.T) {
	n := newVeteran(t, func(n *newcomer) {
		n.setup.Devices.DeleteExpired = true
		n.alice().Devices = append(n.alice().Devices, n.aged(hotpDevice(otherKey, 0), old))
	})
	n.registry.meanwhile = func() {
		n.people.mu.Lock()
		defer n.people.mu.Unlock()
		left := *n.people.users["alice"]
		left.Devices = left.Devices[:1] // the expired one
		for name, u := range n.people.users {
			if u.ID == left.ID {
				n.people.users[name] = &left
			}
		}
	}
	want(t, n.try(password+n.digits(otherKey, 0, 6)), verify.Accept, verify.ReasonOK)
	if !n.alice().HasDevices() {
		t.Error("alice had two devices, and counts now as somebody who never had one")
	}
}

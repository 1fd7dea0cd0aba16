package verify

import (
	"time"

	"tandem/directory"
	"tandem/verify/policy"
)

// Devices are the rules for all of users' devices.
type Devices struct {
	// Issuer is what an authenticator app shows above an account, and Label makes the account's name of what is
	// known about the user; without a value, it is the user's name.
	Issuer string
	Label  policy.Template
	// Name is what a device is called that was enrolled at a login.
	Name string
	// Most is how many devices a user may have; 0: [directory.MaxDevices].
	Most int
	// TTL is how long after its Epoch a device of that type may be used; none, or 0: for ever. A device that does
	// not say since when it is there has expired.
	TTL map[string]time.Duration
	// DeleteExpired has expired devices removed at the user's next login by another one.
	DeleteExpired bool
}

// Expired reports whether d may not be used any more at that time, and since when; zero if that is not known, because
// d does not say when it was registered, or says a time that has not come.
func (d *Devices) Expired(device directory.Device, now time.Time) (expired bool, since time.Time) {
	ttl := d.TTL[device.Type]
	if ttl <= 0 {
		return false, time.Time{}
	}
	const skew = 24 * 60 * 60 // in seconds: clocks differ, and some are set wrong for a while
	if device.Epoch <= 0 || device.Epoch > now.Unix()+skew {
		return true, time.Time{}
	}
	since = time.Unix(device.Epoch, 0).Add(ttl)
	return !now.Before(since), since
}

// account is the user's name in an authenticator app. It is bounded, as a RADIUS packet is, and a QR code.
func (d *Devices) account(user *directory.User, known func(name string) []string) string {
	const most = 64
	account := user.Name
	if labels := d.Label.Expand(known); len(labels) > 0 && labels[0] != "" {
		account = labels[0]
	}
	if runes := []rune(account); len(runes) > most {
		account = string(runes[:most])
	}
	return account
}

// Account is what an authenticator app is to show as the name of the user's account.
func (d *Devices) Account(user *directory.User) string {
	return d.account(user, (&login{user: user}).known)
}

package directory

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

var (
	// ErrReadOnly means that the place where devices are written may not be written by us.
	ErrReadOnly = errors.New("the devices cannot be written with these rights")
	// ErrHasDevices means that a [Change] was for a user without devices, and there is one.
	ErrHasDevices = errors.New("the user has a device already")
	// ErrTooManyDevices means that the user would have more devices than are allowed.
	ErrTooManyDevices = errors.New("the user would have too many devices")
	// ErrNoDevice means that no device, or more than one, has the ID that a [Change] names.
	ErrNoDevice = errors.New("no such device")
	// ErrSameDevice means that a new device has the key or the ID of one that is there.
	ErrSameDevice = errors.New("the user has this device already")
)

// Change is what is done to the devices of one user: all of it or nothing, on what is written down at that
// moment. Two changes at the same time are done one after the other; none is lost.
//
// Members and types of entries that Tandem does not know stay as they are, octet for octet.
type Change struct {
	// Add are new devices. Their names are those that [CheckDeviceName] allows; Epoch must be set.
	Add []Device
	// Remove holds the IDs of the devices that go; see [Device.ID] and [Problem.ID].
	Remove []string
	// Rename gives devices, by their IDs, new names.
	Rename map[string]string
	// OnlyFirst refuses the change with [ErrHasDevices] if the user has any device, readable or not: of two
	// enrolments at once, one is left.
	OnlyFirst bool
	// Most is how many devices the user may have if the change adds any; 0: [MaxDevices].
	Most int
}

// ID names a device among those of its user as LemonLDAP::NG's own tools do: the base64 of
// "epoch::type::name". It changes when the device is renamed.
func (d Device) ID() string { return deviceID(d.Epoch, d.Type, d.Name) }

func deviceID(epoch int64, kind, name string) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d::%s::%s", epoch, kind, name))
}

// MaxNewName is how long the name of a new device may be, in characters (LemonLDAP::NG's limit).
const MaxNewName = 20

var newName = regexp.MustCompile(`^[\p{L}\p{N}_ -]+$`)

// CheckDeviceName refuses names that LemonLDAP::NG's device manager would not give: it allows letters, digits,
// "_", "-" and spaces, at most [MaxNewName] characters.
func CheckDeviceName(name string) error {
	switch {
	case name == "":
		return errors.New("the device's name is empty")
	case utf8.RuneCountInString(name) > MaxNewName:
		return fmt.Errorf("the device's name %q has %d characters: at most %d are allowed", clip(name, maxQuoted), utf8.RuneCountInString(name), MaxNewName)
	case !newName.MatchString(name):
		return fmt.Errorf("the device's name %q holds more than letters, digits, \"_\", \"-\" and spaces", clip(name, maxQuoted))
	}
	return nil
}

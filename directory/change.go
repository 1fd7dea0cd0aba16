package directory

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	// KeepOne refuses the change with [ErrNoDevice] if it would leave the user without any device, readable or not:
	// then they would be somebody who never had one.
	KeepOne bool
	// Most is how many devices the user may have if the change adds any; 0: [MaxDevices].
	Most int
}

// Check says whether c may be made to a user who has these devices and these unreadable entries. Who writes
// devices asks it on what is written down at that moment, each time anew. Its errors are [ErrHasDevices],
// [ErrTooManyDevices], [ErrNoDevice], [ErrSameDevice], or say what is wrong with the change itself.
func (c Change) Check(present []Device, skipped []Problem) error {
	if c.OnlyFirst && len(present)+len(skipped) > 0 {
		return ErrHasDevices
	}
	ids := map[string]int{}
	for _, d := range present {
		ids[d.ID()]++
	}
	for _, p := range skipped {
		ids[p.ID]++
	}
	if err := c.checkNamed(ids); err != nil {
		return err
	}
	removed, err := c.checkIDs(present, skipped, ids)
	if err != nil {
		return err
	}
	if err := c.checkKeys(present); err != nil {
		return err
	}
	most := c.Most
	if most == 0 {
		most = MaxDevices
	}
	count := len(present) + len(skipped) - removed + len(c.Add)
	if c.KeepOne && count <= 0 {
		return fmt.Errorf("%w beside those that are to be removed", ErrNoDevice)
	}
	if len(c.Add) > 0 && count > most {
		return fmt.Errorf("%w: %d, and %d are allowed; delete one that is not used any more", ErrTooManyDevices, count, most)
	}
	return nil
}

// checkNamed refuses IDs of nothing, or of more than one thing; ids counts those that are there.
func (c Change) checkNamed(ids map[string]int) error {
	named := func(id string) error {
		switch {
		case id == "" || ids[id] == 0:
			return fmt.Errorf("%w: none has the ID %q", ErrNoDevice, clip(id, maxQuoted))
		case ids[id] > 1:
			return fmt.Errorf("%w: %d have the ID %q", ErrNoDevice, ids[id], clip(id, maxQuoted))
		}
		return nil
	}
	for _, id := range c.Remove {
		if err := named(id); err != nil {
			return err
		}
	}
	for id, name := range c.Rename {
		if err := named(id); err != nil {
			return err
		}
		if slices.Contains(c.Remove, id) {
			return fmt.Errorf("the device with the ID %q cannot be removed and renamed at once", clip(id, maxQuoted))
		}
		if err := CheckDeviceName(name); err != nil {
			return err
		}
	}
	for _, d := range c.Add {
		if err := CheckDeviceName(d.Name); err != nil {
			return err
		}
		if d.Epoch <= 0 || d.Type == "" {
			return fmt.Errorf("the new device %q has no type or no time of registration", d.Name)
		}
	}
	return nil
}

// checkIDs refuses a change after which two devices have one ID, and counts those that go.
func (c Change) checkIDs(present []Device, skipped []Problem, ids map[string]int) (removed int, err error) {
	after := map[string]bool{}
	count := func(id string) error {
		if after[id] && id != "" {
			return fmt.Errorf("%w: another one of that type and name was registered in the same second", ErrSameDevice)
		}
		after[id] = true
		return nil
	}
	// What has one ID twice already was not made by this change: only what it makes is looked at.
	for id := range ids {
		_, renamed := c.Rename[id]
		if slices.Contains(c.Remove, id) {
			removed++
		} else if !renamed {
			after[id] = true
		}
	}
	for _, d := range present {
		if name, ok := c.Rename[d.ID()]; ok {
			if err := count(deviceID(d.Epoch, d.Type, name)); err != nil {
				return 0, err
			}
		}
	}
	for _, p := range skipped {
		if name, ok := c.Rename[p.ID]; ok {
			if err := count(renamedID(p.ID, name)); err != nil {
				return 0, err
			}
		}
	}
	for _, d := range c.Add {
		if err := count(d.ID()); err != nil {
			return 0, err
		}
	}
	return removed, nil
}

// checkKeys refuses a new device with the key of another, whatever else it says: both would share one record of
// used codes. A key may come back whose device goes in the same change.
func (c Change) checkKeys(present []Device) error {
	known := map[string]bool{}
	for _, d := range present {
		if key, has := keyOf(d); has && !slices.Contains(c.Remove, d.ID()) {
			known[key] = true
		}
	}
	for _, d := range c.Add {
		key, has := keyOf(d)
		if has && known[key] {
			return fmt.Errorf("%w: one has the key of %q", ErrSameDevice, d.Name)
		}
		known[key] = true
	}
	return nil
}

// keyOf is the same for two devices of one type and key, however they are read.
func keyOf(d Device) (key string, has bool) {
	source, has := sourceOf(d)
	return source.kind + " " + source.fingerprint, has
}

// ID names a device among those of its user as LemonLDAP::NG's own tools do: the base64 of
// "epoch::type::name". It changes when the device is renamed.
func (d Device) ID() string { return deviceID(d.Epoch, d.Type, d.Name) }

// renamedID is the ID of an entry whose ID was id, under a new name.
func renamedID(id, name string) string {
	text, err := base64.StdEncoding.DecodeString(id)
	parts := strings.SplitN(string(text), "::", 3)
	if err != nil || len(parts) != 3 {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(parts[0] + "::" + parts[1] + "::" + name))
}

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

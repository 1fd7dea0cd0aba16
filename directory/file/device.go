package file

import (
	"slices"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
)

// deviceKeys says which keys each type of device has, besides type, name and epoch.
var deviceKeys = map[string][]string{
	directory.TypeTOTP:    {"secret", "digits", "period", "algorithm"},
	directory.TypeHOTP:    {"secret", "digits", "algorithm", "counter"},
	directory.TypeYubikey: {"public_id", "aes_key", "private_id"},
}

// device adds one entry to the devices of u.
func (l *loader) device(key string, u *directory.User, e *deviceEntry) {
	known, ok := deviceKeys[e.Type]
	if !ok {
		l.file.Errorf(key+".type", "is %q: write TOTP, HOTP or UBK (a Yubikey)", e.Type)
		return
	}
	for _, written := range e.keys() {
		if !slices.Contains(known, written) {
			l.file.Errorf(key+"."+written, "is nothing that a %s device has: remove it", e.Type)
		}
	}
	entry := directory.DeviceEntry{
		Type:      strings.Clone(e.Type),
		Name:      strings.Clone(e.Name),
		Epoch:     e.Epoch,
		Secret:    deref(e.Secret),
		Digits:    e.Digits,
		Period:    e.Period,
		Algorithm: deref(e.Algorithm),
		Counter:   deref(e.Counter),
		PublicID:  strings.Clone(deref(e.PublicID)),
		AESKey:    deref(e.AESKey),
		PrivateID: deref(e.PrivateID),
	}
	device, errs := entry.Device(l.devices)
	for _, err := range errs {
		l.file.Errorf(key+"."+err.Field, "%s", err.Why)
	}
	if len(errs) > 0 {
		return
	}
	if device.Weak {
		if l.table.weak == 0 {
			l.table.firstWeak = u.Name
		}
		l.table.weak++
	}
	u.Devices = append(u.Devices, device)
}

// keys lists those that stand in the file, of those that not all types have.
func (e *deviceEntry) keys() []string {
	var keys []string
	for _, k := range []struct {
		name    string
		written bool
	}{
		{"secret", e.Secret != nil},
		{"digits", e.Digits != nil},
		{"period", e.Period != nil},
		{"algorithm", e.Algorithm != nil},
		{"counter", e.Counter != nil},
		{"public_id", e.PublicID != nil},
		{"aes_key", e.AESKey != nil},
		{"private_id", e.PrivateID != nil},
	} {
		if k.written {
			keys = append(keys, k.name)
		}
	}
	return keys
}

func deref[T string | uint64 | secret.String](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

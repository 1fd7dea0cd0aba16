// Package directory says who a user is and which devices they hold, wherever that is written.
//
// directory/ldap reads it from LDAP servers, directory/file from a TOML file. Both give the same
// [User], and both read devices in the form LemonLDAP::NG writes (see [ParseDevices]).
package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"tandem/internal/secret"
)

var (
	// ErrNoUser means that the directory answered, and no entry has that name.
	ErrNoUser = errors.New("no such user")
	// ErrAmbiguous means that more than one entry has that name.
	ErrAmbiguous = errors.New("more than one user of that name")
	// ErrWrongPassword means that the directory answered that the password is not this user's, or that the
	// account may not log in. Every other error of a password check means that nothing is known.
	ErrWrongPassword = errors.New("wrong password")
)

// User is one person's entry.
type User struct {
	// ID never changes and is unique (entryUUID, objectGUID): the only thing that state is kept
	// under. It is never what the user typed.
	ID string
	// Name is the login name as the directory spells it.
	Name string
	// DN is the LDAP entry's name; empty in the users file.
	DN string
	// Mail and Phone are where codes can be delivered; both may be empty.
	Mail, Phone string
	// Groups are the names of the user's groups.
	Groups []string
	// Attributes holds further attributes that the configuration asks for, by their configured names.
	Attributes map[string][]string
	// Devices are those that could be read, of every type, in the order in which they stand.
	Devices []Device
	// Skipped says which device entries could not be used and why. A user with skipped entries and
	// no devices is not a user without devices.
	Skipped []Problem

	// Credential is for the directory that made the User: what it checks a password against.
	Credential secret.String
}

// HasDevices reports whether any device is written down for the user, readable or not.
func (u *User) HasDevices() bool { return len(u.Devices) > 0 || len(u.Skipped) > 0 }

// Device types, as LemonLDAP::NG spells them; HOTP is Tandem's addition. U2F and WebAuthn need a
// browser: they are kept so that it is known that the user has them.
const (
	TypeTOTP     = "TOTP"
	TypeHOTP     = "HOTP"
	TypeYubikey  = "UBK"
	TypePassword = "Password"
	TypeU2F      = "U2F"
	TypeWebAuthn = "WebAuthn"
)

// Device is one second factor that a user holds. Zero values of Digits, Period and Algorithm
// mean that the device says nothing and the configured default holds.
type Device struct {
	Type string
	// Name is what the user calls it; may be empty.
	Name string
	// Source says where it is written down, in words for administrators; empty in the users file.
	Source string
	// Epoch is when it was registered, in Unix seconds.
	Epoch int64
	// Secret is the raw key (not base32) of a TOTP or HOTP device, and the AES-128 key (16 octets) of a
	// Yubikey whose codes are checked here; empty if only a validation server has that.
	Secret secret.String
	// Weak: Secret is shorter than [StrongSecretBits]. It works, and whoever uses it logs a warning.
	Weak bool
	// Digits is the length of a code, 6 to 8.
	Digits int
	// Period is the length of a TOTP step in seconds.
	Period int
	// Algorithm is SHA1, SHA256 or SHA512.
	Algorithm string
	// Counter is the first HOTP counter that may be accepted (RFC 4226 §7.2).
	Counter uint64
	// PublicID is the 12-character public identity of a Yubikey (`_yubikey`).
	PublicID string
	// PrivateID is what a Yubikey encrypts into each code: 6 octets, there if Secret is.
	PrivateID secret.String
}

// Problem is a device entry that was skipped, and why, for the log: never with its secret.
type Problem struct {
	// ID and Type are the entry's as far as they could be read, so that it can be removed; see [Device.ID].
	ID, Type string
	// Device names the entry: its name, or its place in the list.
	Device string
	// Why says what is wrong and what would mend it.
	Why string
}

// Fingerprint identifies the key in d within space (one per kind of counter), without giving it
// away. Names, digits and the place in the list do not count: a token that was registered twice, or
// whose entry was renamed, keeps one fingerprint and with it one record of used codes.
func (d Device) Fingerprint(space string) string {
	h := sha256.Sum256([]byte("tandem device\x00" + space + "\x00" + d.Secret.Reveal() + "\x00" + strings.ToLower(d.PublicID)))
	return hex.EncodeToString(h[:16])
}

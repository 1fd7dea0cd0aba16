package directory

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tandem/internal/secret"
)

// StrongSecretBits is how long a shared secret must be at least (RFC 4226 §4, R6). Shorter ones work
// and make a [Device] Weak.
const StrongSecretBits = 128

// DeviceOptions says how written devices are read.
type DeviceOptions struct {
	// CryptKey is the key that LemonLDAP::NG encrypts secrets with (its totp2fKey); empty: none is known,
	// and encrypted devices cannot be used.
	CryptKey secret.String
	// MinSecretBits makes TOTP and HOTP devices with a shorter secret unusable; 0 uses them all.
	MinSecretBits int
}

// DeviceEntry is a device as somebody wrote it down, in whichever file: nothing is checked yet.
type DeviceEntry struct {
	Type string
	Name string
	// Epoch is when it was registered, in Unix seconds; 0 if nobody said.
	Epoch int64
	// Secret is base32, or the same encrypted by LemonLDAP::NG.
	Secret secret.String
	// Digits and Period are nil if the entry does not say; Algorithm is empty then.
	Digits, Period *int
	Algorithm      string
	Counter        uint64
	// PublicID of a Yubikey; AESKey and PrivateID are hexadecimal, or the same encrypted by
	// LemonLDAP::NG's key, and empty where a validation server checks the codes.
	PublicID          string
	AESKey, PrivateID secret.String
}

// id is that of the device or the problem that comes of e; see [Device.ID].
func (e DeviceEntry) id() string {
	return deviceID(e.Epoch, clip(e.Type, maxQuoted), clip(e.Name, maxDeviceName))
}

// FieldError says what is wrong with one field of a [DeviceEntry], without quoting a secret.
type FieldError struct {
	// Field is its name in the users file: "secret", "digits" …
	Field string
	Why   string
}

// Device checks e and makes it usable, or says everything that is wrong with it.
func (e DeviceEntry) Device(o DeviceOptions) (Device, []FieldError) {
	c := entryCheck{
		entry:  e,
		device: Device{Type: e.Type, Name: clip(e.Name, maxDeviceName), Epoch: e.Epoch},
	}
	switch e.Type {
	case TypeTOTP:
		c.oathSecret(o)
		c.codes()
		c.period()
	case TypeHOTP:
		c.oathSecret(o)
		c.codes()
		c.device.Counter = e.Counter
	case TypeYubikey:
		c.publicID()
		c.yubikeySecrets(o)
	case TypePassword:
		c.passwordSecret(o)
	case TypeU2F, TypeWebAuthn:
		// Nothing of theirs can be used where no browser is; that the user has one still counts.
	case "":
		c.fail("type", "the device has no type")
	default:
		c.fail("type", "type %q is not known to Tandem", clip(e.Type, maxQuoted))
	}
	if len(c.errs) > 0 {
		return Device{}, c.errs
	}
	return c.device, nil
}

type entryCheck struct {
	entry  DeviceEntry
	device Device
	errs   []FieldError
}

func (c *entryCheck) fail(field, format string, args ...any) {
	c.errs = append(c.errs, FieldError{field, fmt.Sprintf(format, args...)})
}

func (c *entryCheck) oathSecret(o DeviceOptions) {
	written, err := opened(c.entry.Secret, o)
	if err != nil {
		c.fail("secret", "%v", err)
		return
	}
	key, err := DecodeBase32(written)
	if err != nil {
		c.fail("secret", "%v", err)
		return
	}
	bits := len(key) * 8
	if bits < o.MinSecretBits {
		c.fail("secret", "the secret has %d bits, and devices.min_secret_bits asks for %d: register the device anew with a longer one", bits, o.MinSecretBits)
		return
	}
	c.device.Secret = secret.New(string(key))
	c.device.Weak = bits < StrongSecretBits
}

func (c *entryCheck) passwordSecret(o DeviceOptions) {
	if c.entry.Secret.Empty() {
		c.fail("secret", "the secret is empty")
		return
	}
	if o.CryptKey.Empty() {
		return
	}
	plain, err := DecryptLLNG(c.entry.Secret.Reveal(), o.CryptKey)
	if err != nil {
		c.fail("secret", "%v", err)
		return
	}
	c.device.Secret = secret.New(string(plain))
}

func (c *entryCheck) codes() {
	if digits := c.entry.Digits; digits != nil {
		if *digits < 6 || *digits > 8 {
			c.fail("digits", "digits = %d: codes have 6, 7 or 8 digits", *digits)
		}
		c.device.Digits = *digits
	}
	switch strings.Replace(strings.ToUpper(c.entry.Algorithm), "SHA-", "SHA", 1) {
	case "":
	case "SHA1":
		c.device.Algorithm = "SHA1"
	case "SHA256":
		c.device.Algorithm = "SHA256"
	case "SHA512":
		c.device.Algorithm = "SHA512"
	default:
		c.fail("algorithm", "algorithm %q is not one of SHA1, SHA256, SHA512", clip(c.entry.Algorithm, maxQuoted))
	}
}

func (c *entryCheck) period() {
	if period := c.entry.Period; period != nil {
		if *period < 5 || *period > 86400 {
			c.fail("period", "period = %d: a step lasts 5 to 86400 seconds", *period)
		}
		c.device.Period = *period
	}
}

// publicID takes any letters and digits: a Yubikey types only 16 letters (modhex), but what the portal
// has registered is not Tandem's to judge, and an identity that no key has matches nothing.
func (c *entryCheck) publicID() {
	id := strings.ToLower(c.entry.PublicID)
	if len(id) != 12 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		c.fail("public_id", "the Yubikey's public identity is not 12 letters: copy the first 12 of any code it types")
		return
	}
	c.device.PublicID = id
}

// yubikeySecrets reads what codes are checked with here: both of them, or neither.
func (c *entryCheck) yubikeySecrets(o DeviceOptions) {
	if c.entry.AESKey.Empty() && c.entry.PrivateID.Empty() {
		return
	}
	c.device.Secret = c.hexadecimal("aes_key", "AES key", c.entry.AESKey, yubikeyAES, o)
	c.device.PrivateID = c.hexadecimal("private_id", "private identity", c.entry.PrivateID, yubikeyPrivateID, o)
}

// The sizes, in octets, of a Yubikey's AES key and private identity.
const (
	yubikeyAES       = 16
	yubikeyPrivateID = 6
)

func (c *entryCheck) hexadecimal(field, what string, written secret.String, octets int, o DeviceOptions) secret.String {
	digits, err := opened(written, o)
	if err != nil {
		c.fail(field, "%v", err)
		return secret.String{}
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != octets {
		c.fail(field, "the Yubikey's %s is not %d hexadecimal digits: its AES key and its private identity go together, as they were written into it", what, 2*octets)
		return secret.String{}
	}
	return secret.New(string(raw))
}

// opened is what was written, decrypted if it is marked as encrypted.
func opened(written secret.String, o DeviceOptions) (string, error) {
	if !strings.HasPrefix(written.Reveal(), llngPrefix) {
		return written.Reveal(), nil
	}
	plain, err := DecryptLLNG(written.Reveal(), o.CryptKey)
	return string(plain), err
}

// How much is kept, in octets, of what somebody else wrote.
const (
	maxDeviceName = 255
	maxQuoted     = 64 // in a message
)

// clip cuts off what is longer.
func clip(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

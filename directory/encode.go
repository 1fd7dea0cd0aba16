package directory

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"tandem/internal/plainjson"
	"tandem/internal/secret"
)

// lowerBase32 is how LemonLDAP::NG's own device manager writes a secret.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// writtenEntry is a device among LemonLDAP::NG's `_2fDevices`. What the device does not say is left out, so that
// the portal's and Tandem's configuration go on to decide about it.
type writtenEntry struct {
	Type      string  `json:"type"`
	Name      string  `json:"name"`
	Epoch     int64   `json:"epoch"`
	Secret    string  `json:"_secret,omitempty"`
	Digits    int     `json:"digits,omitempty"`
	Period    int     `json:"period,omitempty"`
	Algorithm string  `json:"algorithm,omitempty"`
	Counter   *uint64 `json:"counter,omitempty"`
	PublicID  string  `json:"_yubikey,omitempty"`
	AESKey    string  `json:"_aes,omitempty"`
	PrivateID string  `json:"_private,omitempty"`
}

// encodeEntry writes a new device as an element of `_2fDevices`, its secrets encrypted if there is a key for that.
// [ParseDevices] reads it back as d. random gives the IVs.
func encodeEntry(d Device, o DeviceOptions, random io.Reader) ([]byte, error) {
	e := writtenEntry{Type: d.Type, Name: d.Name, Epoch: d.Epoch}
	var err error
	seal := func(plain string) (sealed string) {
		if o.CryptKey.Empty() || plain == "" || err != nil {
			return plain
		}
		sealed, err = EncryptLLNG([]byte(plain), o.CryptKey, random)
		return sealed
	}
	switch d.Type {
	case TypeTOTP:
		e.Secret = seal(base32Text(d.Secret))
		e.Digits, e.Period, e.Algorithm = d.Digits, d.Period, d.Algorithm
	case TypeHOTP:
		e.Secret = seal(base32Text(d.Secret))
		e.Digits, e.Algorithm, e.Counter = d.Digits, d.Algorithm, &d.Counter
	case TypeYubikey:
		e.PublicID = d.PublicID
		e.AESKey, e.PrivateID = seal(hexText(d.Secret)), seal(hexText(d.PrivateID))
	default:
		return nil, fmt.Errorf("a device of type %q cannot be registered here: only TOTP, HOTP and UBK (Yubico OTP) can", clip(d.Type, maxQuoted))
	}
	if err != nil {
		return nil, err
	}
	return encodeJSON(e)
}

func base32Text(key secret.String) string { return lowerBase32.EncodeToString([]byte(key.Reveal())) }
func hexText(key secret.String) string    { return hex.EncodeToString([]byte(key.Reveal())) }

func encodeJSON(value any) ([]byte, error) {
	b, err := plainjson.Append(nil, value)
	if err != nil {
		return nil, fmt.Errorf("writing a device as JSON: %w", err)
	}
	return b, nil
}

// encodeGluu writes a new device as Gluu keeps it: the key and, for HOTP, the counter. There is no room for
// anything else, so a device that needs more is refused.
func encodeGluu(d Device) ([]byte, error) {
	if d.Digits != 0 && d.Digits != 6 || d.Period != 0 && d.Period != 30 || d.Algorithm != "" && d.Algorithm != "SHA1" {
		return nil, fmt.Errorf("the device %q cannot be written as Gluu does, which has 6 digits, SHA1 and 30 seconds for all: leave these out, or write it elsewhere", d.Name)
	}
	key := gluuBase64.EncodeToString([]byte(d.Secret.Reveal()))
	switch d.Type {
	case TypeTOTP:
		return []byte(gluuTOTP + key), nil
	case TypeHOTP:
		return fmt.Appendf(nil, "%s%s;%d", gluuHOTP, key, d.Counter), nil
	}
	return nil, fmt.Errorf("a device of type %q cannot be written as Gluu does: only TOTP and HOTP can", strings.ToValidUTF8(clip(d.Type, maxQuoted), ""))
}

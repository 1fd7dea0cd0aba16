package directory

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"tandem/internal/secret"
)

// How Gluu (oxAuth) keeps one-time codes among the values of oxExternalUid: "totp:KEY" and "hotp:KEY;COUNTER",
// the key in base64url (RFC 4648 §5), the counter the next that is expected. All else about codes is configured
// for everybody: 6 digits, 30 seconds, SHA-1. Other values of the attribute are other accounts of the user.
const (
	gluuTOTP = "totp:"
	gluuHOTP = "hotp:"
)

// gluuBase64 writes padding, as Gluu does; parseGluu reads keys without it too, as Gluu does.
var gluuBase64 = base64.URLEncoding

// maxGluuValue is in octets; 64 octets of key make 88.
const maxGluuValue = 4 << 10

// parseGluu reads one value; isDevice is false if it is none of a device.
func parseGluu(value []byte, o DeviceOptions) (d Device, problem *Problem, isDevice bool) {
	text := string(value)
	entry := DeviceEntry{Type: TypeTOTP}
	key, found := strings.CutPrefix(text, gluuTOTP)
	if !found {
		if key, found = strings.CutPrefix(text, gluuHOTP); !found {
			return Device{}, nil, false
		}
		entry.Type = TypeHOTP
	}
	bad := func(why string) (Device, *Problem, bool) {
		return Device{}, &Problem{Type: entry.Type, Device: "Gluu's " + entry.Type, Why: why}, true
	}
	if len(text) > maxGluuValue {
		return bad("the value is longer than any key can be")
	}
	if entry.Type == TypeHOTP {
		var counter string
		var err error
		key, counter, _ = strings.Cut(key, ";")
		if entry.Counter, err = strconv.ParseUint(counter, 10, 64); err != nil {
			return bad(`the value has no counter: Gluu writes "hotp:KEY;COUNTER"`)
		}
	}
	raw, err := decodeGluu(key)
	if err != nil {
		return bad(err.Error())
	}
	entry.Secret = secret.New(base32Text(secret.New(string(raw))))
	entry.Name = gluuName(raw)
	d, errs := entry.Device(o)
	if len(errs) > 0 {
		return Device{}, &Problem{ID: entry.id(), Type: entry.Type, Device: entry.Name, Why: errs[0].Why}, true
	}
	return d, nil, true
}

func decodeGluu(key string) ([]byte, error) {
	if strings.ContainsAny(key, "\r\n") { // which encoding/base64 would skip
		return nil, errors.New("the key is not base64url: remove the line ends")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(key, "="))
	if err != nil {
		return nil, errors.New("the key is not base64url (RFC 4648 §5)")
	}
	return raw, nil
}

// gluuName is what a device of Gluu's is called here: Gluu keeps no names, and administrators need one that stays.
func gluuName(key []byte) string {
	return "gluu-" + Device{Secret: secret.New(string(key))}.Fingerprint("gluu name")[:8]
}

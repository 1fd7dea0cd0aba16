package yubico

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"tandem/internal/secret"
)

// Keys are known AES keys by the public ids of their YubiKeys, in lower case.
type Keys map[string]Key

// maxMistakes is how many lines of a bad file are named.
const maxMistakes = 20

// ParseKeys reads a file of keys, one a line:
//
//	# public id, private id, AES key; the latter two in hexadecimal
//	dteffujehknh, 8792ebfe26cc, ecde18dbe76fbd0c33330f1c354871db
//
// or as `ykman otp yubiotp --config-output` and yubikey-ksm's ykksm-gen-keys and ykksm-export write them (the Key
// Provisioning Data Format): serial number, public id, private id, AES key, access code, two times. What follows a #
// is a comment. The error lists the lines that are wrong, and quotes none; name says which file it is.
func ParseKeys(name string, text []byte) (Keys, error) {
	keys, lines := Keys{}, map[string]int{}
	var mistakes []error
	n := 0
	for line := range bytes.Lines(text) {
		n++
		written, _, _ := strings.Cut(string(line), "#")
		if strings.TrimSpace(written) == "" {
			continue
		}
		id, key, err := parseKey(strings.Split(written, ","))
		if earlier := lines[id]; err == nil && earlier > 0 {
			err = fmt.Errorf("this public id stands on line %d already: remove one", earlier)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", name, n, err))
			if len(mistakes) == maxMistakes {
				break
			}
			continue
		}
		keys[id], lines[id] = key, n
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return keys, nil
}

func parseKey(fields []string) (id string, k Key, err error) {
	for i := range fields {
		fields[i] = strings.ToLower(strings.TrimSpace(fields[i]))
	}
	switch {
	case len(fields) >= 6:
		fields = fields[1:4]
	case len(fields) != 3:
		return "", Key{}, fmt.Errorf(`%d values: write "public id, private id, AES key", or the line as the program gave it that wrote the YubiKey`, len(fields))
	}
	id = fields[0]
	if len(id) != idLength || strings.Trim(id, modhex) != "" {
		return "", Key{}, fmt.Errorf("the public id is not %d letters of %s: copy those that each code of the YubiKey begins with", idLength, modhex)
	}
	if k.PrivateID, err = fromHex(fields[1], privateSize); err != nil {
		return "", Key{}, fmt.Errorf("the private id %w", err)
	}
	if k.AES, err = fromHex(fields[2], aesSize); err != nil {
		return "", Key{}, fmt.Errorf("the AES key %w", err)
	}
	return id, k, nil
}

func fromHex(digits string, octets int) (secret.String, error) {
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != octets {
		return secret.String{}, fmt.Errorf("is not %d hexadecimal digits: copy it from where the YubiKey was programmed", 2*octets)
	}
	return secret.New(string(raw)), nil
}

package totp

import (
	"fmt"
	"io"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
)

// keySize is the length of a new key in octets: the 160 bits that RFC 4226 §4 recommends.
const keySize = 20

var _ verify.Enroller = (*Factor)(nil)

// NewDevice implements [verify.Enroller]. The device says all of its parameters itself, so that it goes on working
// when the configured defaults change.
func (f *Factor) NewDevice(random io.Reader) (directory.Device, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return directory.Device{}, fmt.Errorf("read random octets: %w", err)
	}
	return directory.Device{
		Type: directory.TypeTOTP, Secret: secret.New(string(key)),
		Digits: f.config.Digits, Period: f.config.Period, Algorithm: f.config.Algorithm,
	}, nil
}

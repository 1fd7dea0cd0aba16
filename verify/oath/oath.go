// Package oath is what the OATH factors have in common: the value of RFC 4226 §5.3 and the walk over
// the devices of a user. It is no factor itself and decides nothing about counters or time.
package oath

import (
	"crypto/subtle"
	"encoding/base32"
	"fmt"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"tandem/directory"
	"tandem/verify"
)

// Settings is how a code is computed where the device itself says nothing.
type Settings struct {
	// Digits is the length of a code, 6 to 8.
	Digits int
	// Algorithm is SHA1, SHA256 or SHA512 (RFC 6238 §1.2).
	Algorithm string
}

// For returns the settings that hold for d.
func (s Settings) For(d directory.Device) Settings {
	if d.Digits != 0 {
		s.Digits = d.Digits
	}
	if d.Algorithm != "" {
		s.Algorithm = d.Algorithm
	}
	return s
}

var algorithms = map[string]otp.Algorithm{
	"SHA1": otp.AlgorithmSHA1, "SHA256": otp.AlgorithmSHA256, "SHA512": otp.AlgorithmSHA512,
}

var base32NoPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Code computes the code of d for counter.
func (s Settings) Code(d directory.Device, counter uint64) (string, error) {
	s = s.For(d)
	algorithm, ok := algorithms[s.Algorithm]
	if !ok {
		return "", fmt.Errorf("unknown algorithm %q", s.Algorithm)
	}
	key := base32NoPadding.EncodeToString([]byte(d.Secret.Reveal()))
	return hotp.GenerateCodeCustom(key, counter, hotp.ValidateOpts{Digits: otp.Digits(s.Digits), Algorithm: algorithm})
}

// Matches reports, in constant time, whether code is the code of d for counter.
func (s Settings) Matches(d directory.Device, counter uint64, code string) (bool, error) {
	want, err := s.Code(d, counter)
	return err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1, err
}

// Shapes returns the shape of a code of each of u's devices of type kind.
func (s Settings) Shapes(u *directory.User, kind string) []verify.Shape {
	var shapes []verify.Shape
	for _, d := range u.Devices {
		if d.Type == kind {
			shapes = append(shapes, verify.Shape{Length: s.For(d).Digits, Alphabet: verify.Digits})
		}
	}
	return shapes
}

// Any asks check about each of u's devices of type kind that has codes of code's length, and returns
// what says most: any device may answer.
func (s Settings) Any(u *directory.User, kind, code string, check func(directory.Device) (verify.Finding, error)) (verify.Finding, error) {
	var best verify.Finding
	found := false
	for _, d := range u.Devices {
		if d.Type != kind || s.For(d).Digits != len(code) {
			continue
		}
		finding, err := check(d)
		if err != nil {
			return verify.Finding{}, fmt.Errorf("%s device %q: %w", kind, d.Name, err)
		}
		if !found || finding.Better(best) {
			best, found = finding, true
		}
	}
	return best, nil
}

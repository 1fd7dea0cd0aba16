// Package oath is what the OATH factors have in common: the value of RFC 4226 §5.3 and the walk over
// the devices of a user. It is no factor itself and decides nothing about counters or time.
package oath

import (
	"crypto/hmac"
	"crypto/sha1" // RFC 4226 §5.2 says SHA-1; HMAC-SHA-1 is not known to be broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"

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

// algorithms are those that devices may have, by the names that [directory.Device] spells them with.
var algorithms = map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New}

// Codes computes the codes of one device. What the HMAC computes of the key alone is done once, so that looking through a
// window of counters costs little. It is for one goroutine.
type Codes struct {
	mac    hash.Hash
	digits int
	sum    [sha512.Size]byte
}

// Codes prepares the codes of d. An error says that d has an algorithm or a number of digits that is not known.
func (s Settings) Codes(d directory.Device) (*Codes, error) {
	s = s.For(d)
	algorithm, ok := algorithms[s.Algorithm]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown algorithm %q", s.Algorithm)
	case s.Digits < 6 || s.Digits > 8:
		return nil, fmt.Errorf("codes of %d digits: there are 6, 7 or 8", s.Digits)
	}
	return &Codes{mac: hmac.New(algorithm, []byte(d.Secret.Reveal())), digits: s.Digits}, nil
}

// At computes the code for counter (RFC 4226 §5.3).
func (c *Codes) At(counter uint64) string {
	c.mac.Reset()
	c.mac.Write(binary.BigEndian.AppendUint64(c.sum[:0], counter))
	sum := c.mac.Sum(c.sum[:0])
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	code := make([]byte, c.digits)
	for i := range code {
		code[len(code)-1-i] = '0' + byte(number%10)
		number /= 10
	}
	return string(code)
}

// Match reports, in constant time, whether code is the code for counter.
func (c *Codes) Match(counter uint64, code string) bool {
	return subtle.ConstantTimeCompare([]byte(c.At(counter)), []byte(code)) == 1
}

// Code computes the code of d for counter.
func (s Settings) Code(d directory.Device, counter uint64) (string, error) {
	c, err := s.Codes(d)
	if err != nil {
		return "", err
	}
	return c.At(counter), nil
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

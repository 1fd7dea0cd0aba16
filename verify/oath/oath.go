// Package oath is what the OATH factors have in common: the value of RFC 4226 §5.3 and the walk over
// the devices of a user. It is no factor itself and decides nothing about counters or time.
package oath

import (
	"crypto/sha1" // RFC 4226 §5.2 says SHA-1; HMAC-SHA-1 is not known to be broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

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

// Codes computes the codes of one device. It is for one goroutine.
type Codes struct {
	algorithm string
	block     int // the hash's, in octets
	digits    int
	// inner and outer are what HMAC hashes (RFC 2104 §2): a block made of the key, and after it the counter, and the
	// hash of that.
	inner, outer [sha512.BlockSize + sha512.Size]byte
}

// blocks are the sizes, in octets, of the blocks of the hashes that there are, by the names that [directory.Device] spells
// them with.
var blocks = map[string]int{"SHA1": sha1.BlockSize, "SHA256": sha256.BlockSize, "SHA512": sha512.BlockSize}

// Codes prepares the codes of d. An error says that d has an algorithm or a number of digits that is not known.
func (s Settings) Codes(d directory.Device) (Codes, error) {
	s = s.For(d)
	block, ok := blocks[s.Algorithm]
	switch {
	case !ok:
		return Codes{}, fmt.Errorf("unknown algorithm %q", s.Algorithm)
	case s.Digits < 6 || s.Digits > 8:
		return Codes{}, fmt.Errorf("codes of %d digits: there are 6, 7 or 8", s.Digits)
	}
	c := Codes{algorithm: s.Algorithm, block: block, digits: s.Digits}
	if key := d.Secret.Reveal(); len(key) <= block {
		copy(c.inner[:], key)
	} else {
		c.hash(c.inner[:0], []byte(key))
	}
	for i, b := range c.inner[:block] {
		c.inner[i], c.outer[i] = b^0x36, b^0x5c
	}
	return c, nil
}

// hash appends the hash of text to to. The hashes are called by name, because a [hash.Hash] is memory of its own; and as
// every login has another key, none is ever used again.
func (c *Codes) hash(to, text []byte) []byte {
	switch c.algorithm {
	case "SHA256":
		h := sha256.Sum256(text)
		return append(to, h[:]...)
	case "SHA512":
		h := sha512.Sum512(text)
		return append(to, h[:]...)
	}
	h := sha1.Sum(text)
	return append(to, h[:]...)
}

// code computes the code for counter (RFC 4226 §5.3), its digits in the last octets of code.
func (c *Codes) code(counter uint64) (code [8]byte) {
	text := c.hash(c.outer[:c.block], binary.BigEndian.AppendUint64(c.inner[:c.block], counter))
	var sum [sha512.Size]byte
	value := c.hash(sum[:0], text)
	offset := value[len(value)-1] & 0xf
	number := binary.BigEndian.Uint32(value[offset:]) & 0x7fffffff
	for i := len(code) - 1; i >= 0; i-- {
		code[i] = '0' + byte(number%10)
		number /= 10
	}
	return code
}

// At computes the code for counter.
func (c *Codes) At(counter uint64) string {
	code := c.code(counter)
	return string(code[len(code)-c.digits:])
}

// Match reports, in constant time, whether code is the code for counter.
func (c *Codes) Match(counter uint64, code string) bool {
	right := c.code(counter)
	return subtle.ConstantTimeCompare(right[len(right)-c.digits:], []byte(code)) == 1
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

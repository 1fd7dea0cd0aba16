package yubico

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"

	"tandem/internal/secret"
)

// The form of a code, in letters.
const (
	modhex     = "cbdefghijklnrtuv" // the digits 0 to 15
	idLength   = 12
	codeLength = idLength + 2*aes.BlockSize
)

// code is what a key has typed.
type code struct {
	// text is all of it, in lower case; id is the public id at its beginning.
	text, id string
	// block is the encrypted rest.
	block [aes.BlockSize]byte
}

// parseCode reads what was typed; ok is false if it is no code of any key.
func parseCode(typed string) (c code, ok bool) {
	if len(typed) != codeLength {
		return code{}, false
	}
	for i := range len(typed) {
		digit := strings.IndexByte(modhex, typed[i]|0x20) // lower case, if it is a letter
		if digit < 0 {
			return code{}, false
		}
		if at := i - idLength; at >= 0 {
			c.block[at/2] = c.block[at/2]<<4 | byte(digit)
		}
	}
	c.text = strings.ToLower(typed)
	c.id = c.text[:idLength]
	return c, true
}

// press is one touch of a key by its two counters, session<<8 | use: a later touch is a greater number.
type press uint64

// newPress makes a press of the two counters. Of the session counter 15 bits count; in the first YubiKeys the
// sixteenth says that caps lock was what triggered the code (yubikey.h: yubikey_capslock).
func newPress(session uint16, use uint8) press { return press(session&0x7fff)<<8 | press(use) }

func (p press) String() string { return fmt.Sprintf("session %d, use %d", p>>8, p&0xff) }

// Key is what the codes of one YubiKey are checked with.
type Key struct {
	// AES is the AES-128 key, 16 octets.
	AES secret.String
	// PrivateID is what the YubiKey encrypts into each code, 6 octets.
	PrivateID secret.String
}

// The sizes of a Key, in octets, and the checksum of a whole block.
const (
	aesSize      = 16
	privateSize  = 6
	crcRemainder = 0xf0b8
)

// open decrypts c; right is false if it was not made with this key.
//
//	octets  0–5         6–7      8–10   11   12–13  14–15
//	        private id  session  clock  use  noise  CRC-16   (little endian)
func (k Key) open(c code) (at press, right bool) {
	private := []byte(k.PrivateID.Reveal())
	decrypter, err := aes.NewCipher([]byte(k.AES.Reveal()))
	if err != nil || len(private) != privateSize { // no YubiKey has such a key
		return 0, false
	}
	var plain [aes.BlockSize]byte
	decrypter.Decrypt(plain[:], c.block[:])
	same := subtle.ConstantTimeCompare(plain[:privateSize], private)
	whole := subtle.ConstantTimeEq(int32(crc16(plain[:])), crcRemainder)
	if same&whole != 1 {
		return 0, false
	}
	return newPress(binary.LittleEndian.Uint16(plain[6:]), plain[11]), true
}

// crc16 is that of ISO 13239, without the inversion at the end.
func crc16(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, octet := range b {
		crc ^= uint16(octet)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			if odd == 1 {
				crc ^= 0x8408
			}
		}
	}
	return crc
}

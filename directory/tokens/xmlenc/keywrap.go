package xmlenc

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// wrapValue is what stands before a wrapped key (RFC 3394 §2.2.3.1): if it is not there, the key was another one.
var wrapValue = bytes.Repeat([]byte{0xa6}, 8)

// unwrap is AES key unwrap (RFC 3394 §2.2.2), in the form that works on one row of octets.
func unwrap(key, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 24 || len(wrapped)%8 != 0 || len(wrapped) > 4096 {
		return nil, ErrCorrupt
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	row := slices.Clone(wrapped) // A | R[1] | … | R[n]
	n := len(row)/8 - 1
	var b [aes.BlockSize]byte
	for step := 6 * n; step > 0; step-- {
		r := row[8*((step-1)%n+1):][:8]
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(row[:8])^uint64(step))
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(row[:8], b[:8])
		copy(r, b[8:])
	}
	if subtle.ConstantTimeCompare(row[:8], wrapValue) != 1 {
		return nil, ErrCorrupt
	}
	return row[8:], nil
}

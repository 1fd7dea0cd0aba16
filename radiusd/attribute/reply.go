package attribute

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"io"

	"tandem/internal/secret"
)

// Reply is what encoding needs to know of the packet that attributes are for. Use one for each packet, from one
// goroutine, and send what it encodes in the order in which it was encoded.
type Reply struct {
	// Secret is what is shared with the client.
	Secret secret.String
	// RequestAuthenticator is that of the request which is replied to.
	RequestAuthenticator [16]byte
	// Random gives the salts of encrypted attributes; nil means crypto/rand.
	Random io.Reader

	// salt is the one used last; 0 if there was none yet.
	salt uint16
	// hasRule: a NAS-Filter-Rule is in the packet.
	hasRule bool
}

// nextSalt returns a salt that differs from those that the packet has; its first bit is set (RFC 2868 §3.5).
// The first one of a packet is random, the others follow it.
func (r *Reply) nextSalt() ([]byte, error) {
	salt := make([]byte, saltSize)
	if r.salt == 0 {
		if _, err := io.ReadFull(cmp.Or(r.Random, rand.Reader), salt); err != nil {
			return nil, err
		}
		r.salt = binary.BigEndian.Uint16(salt)
	}
	r.salt = (r.salt + 1) | 0x8000
	binary.BigEndian.PutUint16(salt, r.salt)
	return salt, nil
}

// appendSeparator appends what goes before a NAS-Filter-Rule: the NAS puts all of a packet's together before it
// looks for single rules, which end with NULs (RFC 4849 §2). So all but the first begin with one.
func (r *Reply) appendSeparator(b []byte) []byte {
	if r.hasRule {
		b = append(b, 0)
	}
	r.hasRule = true
	return b
}

package attribute

import (
	"fmt"

	"layeh.com/radius"
)

const (
	saltSize  = 2
	sealBlock = 16 // MD5's output
)

// seal encrypts content as RFC 2868 §3.5 says: a salt, and in blocks the length, the content and padding.
func seal(content []byte, to *Reply) ([]byte, error) {
	salt, err := to.nextSalt()
	if err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	sealed, err := radius.NewTunnelPassword(content, salt, []byte(to.Secret.Reveal()), to.RequestAuthenticator[:])
	if err != nil {
		return nil, fmt.Errorf("encrypt the value: %w", err)
	}
	return sealed, nil
}

// sealedSize is how many octets content of size octets has when it is encrypted.
func sealedSize(size int) int { return saltSize + (1+size+sealBlock-1)/sealBlock*sealBlock }

// maxSealed is how many octets of content can be encrypted into room octets.
func maxSealed(room int) int { return (room-saltSize)/sealBlock*sealBlock - 1 }

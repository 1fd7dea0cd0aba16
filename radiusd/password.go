package radiusd

import (
	"crypto/md5" // RFC 2865 §5.2 says MD5
	"fmt"
	"strings"
)

// maxPassword is how many octets a User-Password may have (RFC 2865 §5.2).
const maxPassword = 128

// revealPassword undoes the hiding of a User-Password (RFC 2865 §5.2) and strips the NULs that pad
// it. NULs before the last other octet are kept: a password is never shortened to what stands before
// one, because then "right\x00anything" would pass for "right". An attribute of no octets is an empty
// password (LemonLDAP::NG's client sends one); a length that no password can have is an error.
func revealPassword(hidden, secret []byte, authenticator [16]byte) (string, error) {
	if len(hidden)%md5.Size != 0 || len(hidden) > maxPassword {
		return "", fmt.Errorf("User-Password has %d octets: a multiple of %d up to %d is possible", len(hidden), md5.Size, maxPassword)
	}
	plain := make([]byte, 0, maxPassword)
	previous := authenticator[:]
	for block := hidden; len(block) > 0; block = block[md5.Size:] {
		digest := md5.New()
		digest.Write(secret)
		digest.Write(previous)
		for i, pad := range digest.Sum(nil) {
			plain = append(plain, block[i]^pad)
		}
		previous = block[:md5.Size]
	}
	return strings.TrimRight(string(plain), "\x00"), nil
}

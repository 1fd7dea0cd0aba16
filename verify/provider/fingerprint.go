package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Fingerprint stands for a service's code in the store. A service may take "ABC-123" for "abc123": so letters of either
// case are one, and marks between them none, and a code is used in all of its spellings.
func Fingerprint(code string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, strings.ToLower(code))
	if plain == "" {
		plain = code
	}
	sum := sha256.Sum256([]byte("tandem code of a service\x00" + plain))
	return hex.EncodeToString(sum[:16])
}

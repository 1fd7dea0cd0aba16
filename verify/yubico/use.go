package yubico

import (
	"tandem/directory"
	"tandem/verify"
)

var _ verify.Numbered = (*Factor)(nil)

// Spent implements [verify.Numbered]: the number is a touch of the key by its two counters.
func (*Factor) Spent(d directory.Device, number uint64) verify.Claim {
	return verify.Claim{Key: markKey(d.PublicID), Value: number}
}

// Use implements [verify.Numbered].
func (*Factor) Use(_ directory.Device, number uint64) verify.Use {
	return verify.Use{Text: press(number).String()}
}

// markKey is what the last touch of the key with that public id is kept under.
func markKey(publicID string) string { return "yubico/" + publicID }

package provider

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"tandem/internal/secret"
)

// NewDigits makes a code of n ASCII digits, each code as likely as any other.
func NewDigits(n int) (secret.String, error) {
	codes := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	code, err := rand.Int(rand.Reader, codes)
	if err != nil {
		return secret.String{}, fmt.Errorf("make a code of %d digits: %w", n, err)
	}
	return secret.New(fmt.Sprintf("%0*d", n, code)), nil
}

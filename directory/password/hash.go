package password

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// The algorithms.
const (
	Argon2id    = "argon2id"
	Bcrypt      = "bcrypt"
	SHA512Crypt = "sha512-crypt"
	Yescrypt    = "yescrypt"

	// Default is what new hashes are made with.
	Default = Argon2id
)

// Algorithms lists all, for help texts.
var Algorithms = []string{Argon2id, Bcrypt, SHA512Crypt, Yescrypt}

// Hash makes a hash of password with one of the [Algorithms] and a salt from random.
//
// Its costs are some 20 to 300 ms of one core. argon2id takes OWASP's parameters of the least memory
// (19 MiB, two passes, one lane), because a login server computes many at once; yescrypt takes libxcrypt's.
func Hash(password, algorithmName string, random io.Reader) (string, error) {
	if password == "" {
		return "", errors.New("hashing a password: it is empty")
	}
	chosen := schemeOf(algorithmName)
	if chosen == nil {
		return "", fmt.Errorf("hashing a password: there is no algorithm %q: take one of %s", algorithmName, strings.Join(Algorithms, ", "))
	}
	if err := chosen.refuses(password); err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("hashing a password: reading a random salt: %w", err)
	}
	if chosen == sha512Scheme {
		salt = cryptSalt(salt)
	}
	hasher, err := chosen.hasher()
	if err != nil {
		return "", fmt.Errorf("hashing a password with %s: %w", algorithmName, err)
	}
	digest, err := hasher.HashWithSalt(password, salt)
	if err != nil {
		return "", fmt.Errorf("hashing a password with %s: %w", algorithmName, err)
	}
	return digest.Encode(), nil
}

func schemeOf(name string) *scheme {
	for _, p := range prefixes {
		if p.scheme.name == name {
			return p.scheme
		}
	}
	return nil
}

func newArgon2id() (algorithm.Hash, error) {
	return argon2.New(argon2.WithVariantID(), argon2.WithM(19<<10), argon2.WithT(2), argon2.WithP(1))
}

func newBcrypt() (algorithm.Hash, error) {
	return bcrypt.New(bcrypt.WithVariant(bcrypt.VariantStandard), bcrypt.WithCost(12))
}

func newSHA512Crypt() (algorithm.Hash, error) {
	return shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithRounds(500_000))
}

func newYescrypt() (algorithm.Hash, error) {
	return scrypt.New(scrypt.WithVariant(scrypt.VariantYescrypt), scrypt.WithLN(12), scrypt.WithR(32), scrypt.WithP(1))
}

// cryptSalt turns random octets into salt characters, six bits each.
func cryptSalt(random []byte) []byte {
	salt := make([]byte, len(random))
	for i, b := range random {
		salt[i] = shacrypt.SaltCharSet[b&63]
	}
	return salt
}

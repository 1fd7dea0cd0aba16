package password

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// What one hash may cost at most: about five seconds of one core, and never more memory than this.
const (
	maxMemoryKiB    = 1 << 20 // argon2id, yescrypt
	maxArgonTraffic = 4 << 20 // KiB of memory times passes
	maxArgonLanes   = 64      // each is a goroutine
	maxBcryptCost   = 16
	maxSHA512Rounds = 5_000_000
	// longestHash in octets; real ones have about 120.
	longestHash = 512
)

// remedy ends each message about a hash that cannot be used.
const remedy = `make a new one with "tandem passwd"`

// scheme is one kind of hash.
type scheme struct {
	name string
	// pattern is the whole form, with the cost parameters as groups. The decoders of go-crypt are laxer:
	// they let a parameter stand twice, and replace a missing one by a default.
	pattern *regexp.Regexp
	// cost judges the groups of pattern.
	cost   func(groups []string) error
	decode algorithm.DecodeFunc
	// hasher makes new hashes.
	hasher func() (algorithm.Hash, error)
	// canonical: a decoded hash must encode to what it was, or something in it was not understood.
	canonical bool
	// longest password in octets; 0: any.
	longest int
}

var (
	argon2idScheme = &scheme{
		name:      Argon2id,
		pattern:   regexp.MustCompile(`^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}$`),
		cost:      argon2Cost,
		decode:    argon2.DecodeVariant(argon2.VariantID),
		hasher:    newArgon2id,
		canonical: true,
	}
	bcryptScheme = &scheme{
		name:    Bcrypt,
		pattern: regexp.MustCompile(`^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$`),
		cost:    bcryptCost,
		decode:  bcrypt.DecodeVariant(bcrypt.VariantStandard),
		hasher:  newBcrypt,
		longest: bcrypt.PasswordInputSizeMax,
	}
	sha512Scheme = &scheme{
		name:    SHA512Crypt,
		pattern: regexp.MustCompile(`^\$6\$(?:rounds=(\d{1,9})\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}$`),
		cost:    sha512Cost,
		decode:  shacrypt.DecodeVariant(shacrypt.VariantSHA512),
		hasher:  newSHA512Crypt,
	}
	yescryptScheme = &scheme{
		name:      Yescrypt,
		pattern:   regexp.MustCompile(`^\$y\$j([./A-Za-z0-9])([./A-Za-z0-9])\$[./A-Za-z0-9]{0,86}\$[./A-Za-z0-9]{43}$`),
		cost:      yescryptCost,
		decode:    scrypt.DecodeVariant(scrypt.VariantYescrypt),
		hasher:    newYescrypt,
		canonical: true,
	}
)

// prefixes tell the kinds apart.
var prefixes = []struct {
	prefix string
	scheme *scheme
}{
	{"$argon2id$", argon2idScheme},
	{"$2a$", bcryptScheme},
	{"$2b$", bcryptScheme},
	{"$2y$", bcryptScheme},
	{"$6$", sha512Scheme},
	{"$y$", yescryptScheme},
}

type parsedHash struct {
	scheme *scheme
	digest algorithm.Digest
}

// parse never quotes hash: it may be a password that somebody wrote down in its place.
func parse(hash string) (parsedHash, error) {
	if len(hash) > longestHash {
		return parsedHash{}, fmt.Errorf("the password hash has %d octets, and none needs more than %d: %s", len(hash), longestHash, remedy)
	}
	for _, p := range prefixes {
		if strings.HasPrefix(hash, p.prefix) {
			return p.scheme.parse(hash)
		}
	}
	return parsedHash{}, fmt.Errorf("%s: %s", describe(hash), remedy)
}

func (s *scheme) parse(hash string) (parsedHash, error) {
	groups := s.pattern.FindStringSubmatch(hash)
	if groups == nil {
		return parsedHash{}, s.damaged()
	}
	if err := s.cost(groups[1:]); err != nil {
		return parsedHash{}, fmt.Errorf("the %s hash %w: %s", s.name, err, remedy)
	}
	digest, err := s.decode(hash)
	if err != nil || s.canonical && digest.Encode() != hash {
		return parsedHash{}, s.damaged()
	}
	return parsedHash{s, digest}, nil
}

func (s *scheme) damaged() error {
	return fmt.Errorf("the %s hash does not have the form of one (was it copied whole?): %s", s.name, remedy)
}

func argon2Cost(groups []string) error {
	memory, passes, lanes := number(groups[0]), number(groups[1]), number(groups[2])
	switch {
	case passes < 1 || lanes < 1 || memory < 8*lanes:
		return errors.New("has parameters that argon2 forbids (RFC 9106 §3.1)")
	case memory > maxMemoryKiB:
		return fmt.Errorf("needs %d KiB of memory for each login, more than %d", memory, maxMemoryKiB)
	case memory*passes > maxArgonTraffic:
		return fmt.Errorf("passes %d times over %d KiB of memory for each login, more than %d KiB together", passes, memory, maxArgonTraffic)
	case lanes > maxArgonLanes:
		return fmt.Errorf("has %d lanes, more than %d", lanes, maxArgonLanes)
	}
	return nil
}

func bcryptCost(groups []string) error {
	if cost := number(groups[0]); cost < 4 || cost > maxBcryptCost {
		return fmt.Errorf("has cost %d, which is not from 4 to %d", cost, maxBcryptCost)
	}
	return nil
}

func sha512Cost(groups []string) error {
	if groups[0] == "" {
		return nil // 5000
	}
	if rounds := number(groups[0]); rounds < shacrypt.IterationsMin || rounds > maxSHA512Rounds {
		return fmt.Errorf("has %d rounds, which is not from %d to %d", rounds, shacrypt.IterationsMin, maxSHA512Rounds)
	}
	return nil
}

// yescryptCost reads N and r as libxcrypt writes them. Its decoder here takes no others.
func yescryptCost(groups []string) error {
	const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	log2N, r := strings.Index(digits, groups[0])+1, strings.Index(digits, groups[1])+1
	if log2N < 10 || log2N > 18 || r > 32 {
		return fmt.Errorf("has N = 2^%d and r = %d, and N must be from 2^10 to 2^18 and r at most 32 (%d KiB of memory)", log2N, r, maxMemoryKiB)
	}
	return nil
}

// number reads what a pattern has found to be a few digits.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// weak names the kinds that are not taken, by how they begin.
var weak = []struct{ prefix, name string }{
	{"$argon2i$", "argon2i, not argon2id"},
	{"$argon2d$", "argon2d, not argon2id"},
	{"$2x$", "bcrypt of a faulty implementation ($2x$)"},
	{"$1$", "md5crypt, which is broken"},
	{"$apr1$", "Apache's md5crypt, which is broken"},
	{"$md5", "SunMD5, which is broken"},
	{"$sha1", "sha1crypt, which is broken"},
	{"$3$", "an NT hash, which is broken"},
	{"$5$", "sha256-crypt, not sha512-crypt"},
	{"$7$", "scrypt, which is not known here"},
	{"$gy$", "gost-yescrypt, which is not known here"},
	{"$pbkdf2", "PBKDF2, which is not known here"},
	{"$scrypt$", "scrypt, which is not known here"},
}

// ldapScheme is how RFC 2307 marks hashes: {SSHA}, {CRYPT} …
var ldapScheme = regexp.MustCompile(`^\{[A-Za-z0-9-]{1,20}\}`)

// describe says what a hash that no scheme takes may be.
func describe(hash string) string {
	for _, w := range weak {
		if strings.HasPrefix(hash, w.prefix) {
			return "the password hash is " + w.name
		}
	}
	switch mark := ldapScheme.FindString(hash); {
	case hash == "":
		return "the password hash is empty"
	case strings.EqualFold(mark, "{crypt}"):
		return "the password hash has the mark {CRYPT} of LDAP: write what follows it, if that begins with $"
	case mark != "":
		return "the password hash is of LDAP's scheme " + mark + ", which is not known here"
	case hash[0] == '$':
		return "the password hash is of an unknown kind"
	case hash[0] == '!' || hash[0] == '*':
		return "the password hash is one of a locked account (to refuse all passwords, leave the key out)"
	}
	return "this is no password hash; a password is never written down in plain text"
}

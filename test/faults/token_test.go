package faults

import (
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/oath"
)

const (
	// digits is long, so that two counters of one window seldom have the same code.
	digits = 8
	// period and reach are those of the TOTP tokens: a new code every period, and reach steps to both sides that
	// are accepted too, so that there are many codes to use up at once, in whatever order.
	period = 5 * time.Second
	reach  = 10
	// nearby is how far away a counter may be for tandemd to take one's code for the other's: HOTP's look-ahead
	// and resynchronisation windows, which have their default sizes.
	nearby = 120
)

// A token is what a person holds. Its steps are HOTP counters or TOTP time steps.
type token struct {
	device directory.Device
	next   uint64            // HOTP: the counter of the next code; TOTP: no step below it is fresh
	codes  map[uint64]string // those computed, by step
}

func newToken(kind, owner string) *token {
	k := &token{codes: map[uint64]string{}}
	k.device = directory.Device{Type: kind, Secret: secret.New((owner + " has a key of 20 octets or more")[:20])}
	return k
}

// toml is the token as a device in the users file.
func (k *token) toml() string {
	key := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(k.device.Secret.Reveal()))
	return fmt.Sprintf("[[users.devices]]\ntype = %q\nname = \"token\"\nsecret = %q\n", k.device.Type, strings.ToLower(key))
}

// press returns a step whose code has not been shown before. There is always one on a HOTP token; a TOTP token
// may have to wait for the next period.
func (k *token) press(now time.Time) (step uint64, fresh bool) {
	if k.device.Type == directory.TypeTOTP {
		// The outermost steps are about to leave the window, or not yet in it.
		oldest, newest := timeStep(now)-reach+1, timeStep(now)+reach-1
		k.next = max(k.next, oldest)
		if k.next > newest {
			return 0, false
		}
	}
	for !k.unique(k.next) {
		k.next++
	}
	k.next++
	return k.next - 1, true
}

func timeStep(now time.Time) uint64 { return uint64(now.Unix()) / uint64(period/time.Second) }

// unique reports whether tandemd cannot take the code of step for that of another step.
func (k *token) unique(step uint64) bool {
	delete(k.codes, step-nearby-1)
	for other := step - min(step, nearby); other <= step+nearby; other++ {
		if other != step && k.code(other) == k.code(step) {
			return false
		}
	}
	return true
}

// wrong is a code that the token will not show for long, another for each i.
func (k *token) wrong(i int) string {
	for {
		code := fmt.Sprintf("%0*d", digits, i)
		right := false
		for step := k.next - min(k.next, nearby); step <= k.next+nearby; step++ {
			right = right || k.code(step) == code
		}
		if !right {
			return code
		}
		i += 1e6
	}
}

// code is what the token shows at that step.
func (k *token) code(step uint64) string {
	code, ok := k.codes[step]
	if !ok {
		var err error
		if code, err = (oath.Settings{Digits: digits, Algorithm: "SHA1"}).Code(k.device, step); err != nil {
			panic(err) // the settings are constants
		}
		k.codes[step] = code
	}
	return code
}

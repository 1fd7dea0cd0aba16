package compose

import (
	"time"

	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/hotp"
	"tandem/verify/oath"
	"tandem/verify/password"
	"tandem/verify/recovery"
	"tandem/verify/totp"
)

// factors are all second factors that are set up, in the order in which a code is tried against them and in which
// users are offered them where a policy does not say.
func factors(c *config.Config, now func() time.Time) ([]verify.Factor, error) {
	all := []verify.Factor{
		totp.New(totp.Config{
			Settings: oath.Settings{Digits: c.TOTP.Digits, Algorithm: c.TOTP.Algorithm},
			Period:   int(c.TOTP.Period / time.Second), Range: c.TOTP.Range,
		}, now),
		hotp.New(hotp.Config{
			Settings:  oath.Settings{Digits: c.HOTP.Digits, Algorithm: c.HOTP.Algorithm},
			LookAhead: c.HOTP.LookAhead, ResyncWindow: c.HOTP.ResyncWindow,
		}),
	}
	if c.Factor.Password.Enabled {
		all = append(all, password.New())
	}
	if c.Factor.Recovery.Enabled { // last: it stands in for all others
		all = append(all, recovery.New(now))
	}
	return all, nil
}

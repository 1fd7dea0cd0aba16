package compose

import (
	"fmt"
	"time"

	"tandem/internal/config"
	"tandem/internal/tomlfile"
	"tandem/verify"
	"tandem/verify/hotp"
	"tandem/verify/oath"
	"tandem/verify/password"
	"tandem/verify/provider"
	"tandem/verify/recovery"
	"tandem/verify/totp"
	"tandem/verify/yubico"
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
	if c.Factor.Yubico != nil {
		y, err := yubiKeys(c.Factor.Yubico)
		if err != nil {
			return nil, fmt.Errorf("factor yubico: %w", err)
		}
		all = append(all, y)
	}
	if c.Factor.Password.Enabled {
		all = append(all, password.New())
	}
	if c.Factor.Recovery.Enabled { // last: it stands in for all others
		all = append(all, recovery.New(now))
	}
	return all, nil
}

func yubiKeys(y *config.Yubico) (*yubico.Factor, error) {
	c := yubico.Config{
		Servers: y.Servers, AllowPlaintext: y.AllowPlaintext, ClientID: y.ClientID, APIKey: y.APIKey, CAFile: y.CAFile,
		Limits: provider.Limits{Timeout: y.Timeout, MaxConcurrent: y.MaxConcurrent},
	}
	if y.KeysFile != "" {
		text, err := tomlfile.ReadBytes(y.KeysFile, tomlfile.Options{Private: true, MaxBytes: config.MaxYubikeysFile})
		if err != nil {
			return nil, err
		}
		if c.Keys, err = yubico.ParseKeys(y.KeysFile, text); err != nil {
			return nil, err
		}
	}
	return yubico.New(c)
}

package compose

import (
	"fmt"
	"log/slog"
	"time"

	"tandem/internal/config"
	"tandem/internal/tomlfile"
	"tandem/verify"
	"tandem/verify/hotp"
	"tandem/verify/oath"
	"tandem/verify/password"
	"tandem/verify/provider"
	"tandem/verify/recovery"
	"tandem/verify/rule"
	"tandem/verify/totp"
	"tandem/verify/yubico"
)

// factors are all second factors that are set up, in the order in which a code is tried against them and in which
// users are offered them where a policy does not say.
func factors(c *config.Config, now func() time.Time, log *slog.Logger) ([]verify.Factor, error) {
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
	for i := range c.Factor.External {
		e := &c.Factor.External[i]
		f, err := externalFactor(e, log)
		if err != nil {
			return nil, fmt.Errorf("factor %s: %w", e.Name, err)
		}
		all = append(all, f)
	}
	for i := range c.Factor.REST {
		f, err := restFactor(&c.Factor.REST[i])
		if err != nil {
			return nil, err // which names the factor
		}
		all = append(all, f)
	}
	for i := range c.Factor.Mail {
		f, err := mailFactor(&c.Factor.Mail[i], now)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	if c.Factor.Password.Enabled {
		all = append(all, password.New())
	}
	if c.Factor.Recovery.Enabled { // last: it stands in for all others
		all = append(all, recovery.New(now))
	}
	return all, nil
}

// terms are what factors are worth, and the rules of those that are not for every login, both by their names.
func terms(c *config.Config) (levels map[string]int, when map[string]*rule.Rule, err error) {
	levels, when = make(map[string]int), make(map[string]*rule.Rule)
	rules := make(map[string]string)
	levels["totp"], levels["hotp"] = c.TOTP.Level, c.HOTP.Level
	levels["recovery"], levels["password"] = c.Factor.Recovery.Level, c.Factor.Password.Level
	if c.Factor.Yubico != nil {
		levels["yubico"] = c.Factor.Yubico.Level
	}
	for i := range c.Factor.External {
		e := &c.Factor.External[i]
		levels[e.Name], rules[e.Name] = e.Level, e.When
	}
	for i := range c.Factor.REST {
		r := &c.Factor.REST[i]
		levels[r.Name], rules[r.Name] = r.Level, r.When
	}
	for i := range c.Factor.Mail {
		m := &c.Factor.Mail[i]
		levels[m.Name], rules[m.Name] = m.Level, m.When
	}
	for name, text := range rules {
		if text == "" {
			continue
		}
		if when[name], err = compile(text); err != nil {
			return nil, nil, fmt.Errorf("factor %s: %w", name, err)
		}
	}
	return levels, when, nil
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

package config

import (
	"strings"
	"time"
)

// Factors are the second factors beside TOTP and HOTP. Each is there only if it is configured.
type Factors struct {
	Password SecondPassword `toml:"password"`
	Recovery Recovery       `toml:"recovery"`
	Yubico   *Yubico        `toml:"yubico"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (f *Factors) SetDefaults() {
	f.Password.SetDefaults()
	f.Recovery.SetDefaults()
}

// names are those of all factors that are set up, TOTP and HOTP among them.
func (f *Factors) names() []string {
	names := []string{"totp", "hotp"}
	if f.Yubico != nil {
		names = append(names, "yubico")
	}
	if f.Password.Enabled {
		names = append(names, "password")
	}
	if f.Recovery.Enabled {
		names = append(names, "recovery")
	}
	return names
}

// sending are the names of the factors that send codes.
func (*Factors) sending() []string { return nil }

// factors checks what is configured. Factors are told apart by their names, in policies and by users.
func (c *checker) factors(f *Factors, d *Devices) {
	// names that are taken, and by whom
	_ = map[string]string{"totp": "", "hotp": "", "yubico": "", "password": "", "recovery": ""}
	c.secondPassword(&f.Password, d)
	if f.Yubico != nil {
		c.yubico(f.Yubico)
	}
}

// factorName checks a name that users type.
func (c *checker) factorName(key, name string, taken map[string]string) {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(name) > 32 {
		c.Errorf(key, "%.40q cannot be typed easily: use at most 32 of a-z, 0-9 and -", name)
		return
	}
	c.name(key, name, taken)
}

// provider checks the limits of a factor that depends on somebody else.
func (c *checker) provider(key string, timeout time.Duration, maxConcurrent int) {
	between(c, key+".timeout", timeout, 100*time.Millisecond, time.Minute)
	between(c, key+".max_concurrent", maxConcurrent, 1, 256)
}

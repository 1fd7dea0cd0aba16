package config

import (
	"time"

	"tandem/internal/secret"
)

// Devices are rules for all of users' devices.
type Devices struct {
	// LLNGCryptKey opens secrets that LemonLDAP::NG has encrypted ({llngcrypt}…).
	// Default: none. Reload: taken over.
	LLNGCryptKey secret.String `toml:"llngcrypt_key"`
	// LLNGCryptKeyFile holds that key, on one line.
	// Default: none. Reload: read anew.
	LLNGCryptKeyFile string `toml:"llngcrypt_key_file"`
	// MinSecretBits is the shortest TOTP or HOTP secret that is served. Below 128, which RFC 4226 §4
	// demands, each is warned of. 40 to 512.
	// Default: 80. Reload: taken over.
	MinSecretBits int `toml:"min_secret_bits"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (d *Devices) SetDefaults() { d.MinSecretBits = 80 }

// TOTP is for codes by time (RFC 6238); what a device says itself comes first.
type TOTP struct {
	// Digits is the length of a code, 6 to 8.
	// Default: 6. Reload: taken over.
	Digits int `toml:"digits"`
	// Period is the length of a time step, in whole seconds. 5s to 24h.
	// Default: 30s. Reload: taken over.
	Period time.Duration `toml:"period"`
	// Algorithm is SHA1, SHA256 or SHA512.
	// Default: SHA1. Reload: taken over.
	Algorithm string `toml:"algorithm"`
	// Range is how many steps before and after the current one are accepted too. 0 to 10.
	// Default: 1. Reload: taken over.
	Range int `toml:"range"`
	// Level is what a login with it is worth, 0 to 100; see policies.level.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (t *TOTP) SetDefaults() {
	*t = TOTP{Digits: 6, Period: 30 * time.Second, Algorithm: "SHA1", Range: 1, Level: 2}
}

// HOTP is for codes by counter (RFC 4226); what a device says itself comes first.
type HOTP struct {
	// Digits is the length of a code, 6 to 8.
	// Default: 6. Reload: taken over.
	Digits int `toml:"digits"`
	// Algorithm is SHA1, SHA256 or SHA512.
	// Default: SHA1. Reload: taken over.
	Algorithm string `toml:"algorithm"`
	// LookAhead is how many codes the token may be ahead of the expected one (RFC 4226 §7.2). 1 to 100.
	// Default: 10. Reload: taken over.
	LookAhead int `toml:"look_ahead"`
	// ResyncWindow is how many codes beyond LookAhead are searched for the first of two in a row, to catch
	// up with a token whose button was pressed often (RFC 4226 §7.4); 0: none. Up to 1000.
	// Default: 100. Reload: taken over.
	ResyncWindow int `toml:"resync_window"`
	// Level is what a login with it is worth, 0 to 100; see policies.level.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (h *HOTP) SetDefaults() {
	*h = HOTP{Digits: 6, Algorithm: "SHA1", LookAhead: 10, ResyncWindow: 100, Level: 2}
}

func (c *checker) devices(d *Devices) {
	c.secret("devices.llngcrypt_key", &d.LLNGCryptKey, "devices.llngcrypt_key_file", &d.LLNGCryptKeyFile, false)
	between(c, "devices.min_secret_bits", d.MinSecretBits, 40, 512)
}

func (c *checker) codes(t *TOTP, h *HOTP) {
	between(c, "totp.digits", t.Digits, 6, 8)
	between(c, "totp.period", t.Period, 5*time.Second, 24*time.Hour)
	if t.Period%time.Second != 0 {
		c.Errorf("totp.period", "%s is not a whole number of seconds: a step is", show(t.Period))
	}
	c.oneOf("totp.algorithm", t.Algorithm, "SHA1", "SHA256", "SHA512")
	between(c, "totp.range", t.Range, 0, 10)
	between(c, "totp.level", t.Level, 0, 100)

	between(c, "hotp.digits", h.Digits, 6, 8)
	c.oneOf("hotp.algorithm", h.Algorithm, "SHA1", "SHA256", "SHA512")
	between(c, "hotp.look_ahead", h.LookAhead, 1, 100)
	between(c, "hotp.resync_window", h.ResyncWindow, 0, 1000)
	between(c, "hotp.level", h.Level, 0, 100)
}

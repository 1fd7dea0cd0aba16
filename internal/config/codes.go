package config

import (
	"strings"
	"time"
	"unicode"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/policy"
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
	// Max is how many devices a user may have. 1 to 128.
	// Default: 10. Reload: taken over.
	Max int `toml:"max"`
	// Issuer is what authenticator apps show as the name of who gave a key out. At most 64 bytes, without a colon.
	// Default: Tandem. Reload: taken over.
	Issuer string `toml:"issuer"`
	// Label is what they show as the name of the account, with places as in policies.reply.value.
	// Default: {user}. Reload: taken over.
	Label string `toml:"label"`
	// Name is what a device is called that a user enrols at a login: letters, digits, spaces, _ and -, at most 20
	// characters.
	// Default: phone. Reload: taken over.
	Name string `toml:"name"`
	// DeleteExpired removes devices that expired at the next login that their user makes by another device.
	// Default: false. Reload: taken over.
	DeleteExpired bool `toml:"delete_expired"`
	// TTL is after how long devices of a type expire.
	TTL DeviceTTL `toml:"ttl"`
}

// DeviceTTL is how long after its registration (epoch) a device may be used. One that does not say when that was has
// expired.
type DeviceTTL struct {
	// TOTP is for devices by time; 0s: they never expire. 1h to 87600h.
	// Default: 0s. Reload: taken over.
	TOTP time.Duration `toml:"totp"`
	// HOTP is for devices by counter; 0s: they never expire. 1h to 87600h.
	// Default: 0s. Reload: taken over.
	HOTP time.Duration `toml:"hotp"`
	// Yubikey is for YubiKeys (Yubico OTP); 0s: they never expire. 1h to 87600h.
	// Default: 0s. Reload: taken over.
	Yubikey time.Duration `toml:"yubikey"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (d *Devices) SetDefaults() {
	d.MinSecretBits, d.Max, d.Issuer, d.Label, d.Name = 80, 10, "Tandem", "{user}", "phone"
}

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

func (c *checker) devices(d *Devices, attributes []string) {
	c.secret("devices.llngcrypt_key", &d.LLNGCryptKey, "devices.llngcrypt_key_file", &d.LLNGCryptKeyFile, false)
	between(c, "devices.min_secret_bits", d.MinSecretBits, 40, 512)
	between(c, "devices.max", d.Max, 1, directory.MaxDevices)
	switch {
	case d.Issuer == "":
		c.missing("devices.issuer", "name who gives the keys out, as users know it")
	case len(d.Issuer) > maxName:
		c.Errorf("devices.issuer", "is %d bytes long, which makes a QR code too large for terminals: use at most %d", len(d.Issuer), maxName)
	case strings.ContainsRune(d.Issuer, ':') || strings.ContainsFunc(d.Issuer, unicode.IsControl):
		c.Errorf("devices.issuer", "has a colon, which ends the issuer in an otpauth:// URI, or a control character: leave it out")
	}
	if d.Label == "" {
		c.missing("devices.label", `write what apps shall show as the account, such as "{user}"`)
	} else if _, err := d.LabelTemplate(attributes); err != nil {
		c.Errorf("devices.label", "%v", err)
	}
	if err := directory.CheckDeviceName(d.Name); err != nil {
		c.Errorf("devices.name", "%v", err)
	}
	for name, ttl := range map[string]time.Duration{"totp": d.TTL.TOTP, "hotp": d.TTL.HOTP, "yubikey": d.TTL.Yubikey} {
		if ttl != 0 {
			between(c, "devices.ttl."+name, ttl, time.Hour, 10*365*24*time.Hour)
		}
	}
	if d.DeleteExpired && d.TTL == (DeviceTTL{}) {
		c.Errorf("devices.delete_expired", "means nothing without a time in [devices.ttl]: set one, or remove it")
	}
}

// LabelTemplate is Label, parsed. attributes are those of users that are read; nil: any may be there.
func (d *Devices) LabelTemplate(attributes []string) (policy.Template, error) {
	return policy.ParseTemplate(d.Label, inTemplates(attributes))
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

package config

// SecondPassword is for the "Password" second factor of LemonLDAP::NG.
type SecondPassword struct {
	// Enabled: THIS WEAKENS EVERY LOGIN IT IS USED FOR. A second password is no one-time code: it is the same each
	// time, and whoever has seen it once can use it until it is changed. Nothing can make it single-use. Switch it on
	// only while users who have registered nothing else at the portal are being moved to something better, and
	// leave it out of the policies that need not have it. Needs devices.llngcrypt_key.
	// Default: false. Reload: taken over.
	Enabled bool `toml:"enabled"`
	// Level is what a login with it is worth, 0 to 100; see policies.level.
	// Default: 1. Reload: taken over.
	Level int `toml:"level"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (p *SecondPassword) SetDefaults() { p.Level = 1 }

func (c *checker) secondPassword(p *SecondPassword, d *Devices) {
	const key = "factor.password.enabled"
	between(c, "factor.password.level", p.Level, 0, 100)
	switch {
	case !p.Enabled:
	case d.LLNGCryptKey.Empty() && d.LLNGCryptKeyFile == "":
		c.Errorf(key, "the portal encrypts second passwords, and no key is there to read them: set devices.llngcrypt_key or llngcrypt_key_file to its password2fKey")
	default:
		c.Warnf(key, "a second password is the same at each login: whoever has seen it once can use it again; move its users to one-time codes")
	}
}

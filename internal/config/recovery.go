package config

// Recovery is for recovery codes, which `tandem recovery USER` makes.
type Recovery struct {
	// Enabled: whoever has recovery codes may use one in place of any other code. Off, those that were made
	// are kept, and are good again once it is on.
	// Default: true. Reload: taken over.
	Enabled bool `toml:"enabled"`
	// Level is what a login with it is worth, 0 to 100; see policies.level.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (r *Recovery) SetDefaults() { r.Enabled, r.Level = true, 2 }

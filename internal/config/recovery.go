package config

// Recovery is for recovery codes, which `tandem recovery USER` makes.
type Recovery struct {
	// Enabled: whoever has recovery codes may use one in place of any other code. Off, those that were made
	// are kept, and are good again once it is on.
	// Default: true. Reload: taken over.
	Enabled bool `toml:"enabled"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (r *Recovery) SetDefaults() { r.Enabled = true }

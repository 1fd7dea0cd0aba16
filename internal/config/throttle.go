package config

import "time"

// Throttle bounds guessing. A failure takes one from a bucket of the user and source, and one from a
// bucket of the user over all sources; when one is empty, even the right code is rejected, until time
// has put something back.
type Throttle struct {
	// SourceBurst is how many failures a user may have in a row from one source. 1 to 1000.
	// Default: 5. Reload: taken over.
	SourceBurst int `toml:"source_burst"`
	// SourceRefill is after how long one of them is forgotten. 1s to 24h.
	// Default: 5m. Reload: taken over.
	SourceRefill time.Duration `toml:"source_refill"`
	// UserBurst is the same over all sources; at least SourceBurst. 1 to 10000.
	// Default: 25. Reload: taken over.
	UserBurst int `toml:"user_burst"`
	// UserRefill is after how long one of those is forgotten. 1s to 24h.
	// Default: 15m. Reload: taken over.
	UserRefill time.Duration `toml:"user_refill"`
	// SendBurst is how many codes (mails, messages …) may be sent to a user in a row. 1 to 1000.
	// Default: 5. Reload: taken over.
	SendBurst int `toml:"send_burst"`
	// SendRefill is after how long one of those is forgotten. 1s to 24h.
	// Default: 5m. Reload: taken over.
	SendRefill time.Duration `toml:"send_refill"`
	// RememberSources is how long after a login its source counts as the user's own, which the failures
	// of strangers do not shut out. 0s to 8760h.
	// Default: 720h. Reload: taken over.
	RememberSources time.Duration `toml:"remember_sources"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (t *Throttle) SetDefaults() {
	*t = Throttle{
		SourceBurst: 5, SourceRefill: 5 * time.Minute,
		UserBurst: 25, UserRefill: 15 * time.Minute,
		SendBurst: 5, SendRefill: 5 * time.Minute,
		RememberSources: 720 * time.Hour,
	}
}

func (c *checker) throttle(t *Throttle) {
	between(c, "throttle.source_burst", t.SourceBurst, 1, 1000)
	between(c, "throttle.source_refill", t.SourceRefill, time.Second, 24*time.Hour)
	between(c, "throttle.user_burst", t.UserBurst, 1, 10000)
	between(c, "throttle.user_refill", t.UserRefill, time.Second, 24*time.Hour)
	between(c, "throttle.send_burst", t.SendBurst, 1, 1000)
	between(c, "throttle.send_refill", t.SendRefill, time.Second, 24*time.Hour)
	between(c, "throttle.remember_sources", t.RememberSources, 0, 365*24*time.Hour)
	if t.UserBurst < t.SourceBurst {
		c.Errorf("throttle.user_burst", "%d is below source_burst = %d, so that a single source could lock the user out everywhere: make it larger", t.UserBurst, t.SourceBurst)
	}
}

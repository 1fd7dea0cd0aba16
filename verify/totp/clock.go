package totp

import (
	"fmt"
	"time"

	"tandem/directory"
	"tandem/verify"
)

var (
	_ verify.Clocked  = (*Factor)(nil)
	_ verify.Numbered = (*Factor)(nil)
)

// furthestDrift is how wrong a clock is believed to be: a time zone that was mistaken, and some more.
const furthestDrift = 24 * time.Hour

// Drift implements [verify.Clocked]: of several times that the code fits, the nearest.
func (f *Factor) Drift(d directory.Device, code string) (ahead time.Duration, found bool, err error) {
	codes, err := f.config.Codes(d)
	if err != nil {
		return 0, false, err
	}
	period := f.period(d)
	now := f.now().Unix() / int64(period)
	for away := int64(0); away*int64(period) <= int64(furthestDrift/time.Second); away++ {
		for _, step := range []int64{now + away, now - away} {
			if step < 0 {
				continue
			}
			if codes.Match(uint64(step), code) {
				return time.Duration(step-now) * time.Duration(period) * time.Second, true, nil
			}
		}
	}
	return 0, false, nil
}

// Spent implements [verify.Numbered]: the number is the step.
func (f *Factor) Spent(d directory.Device, step uint64) verify.Claim {
	return verify.Claim{Key: f.markKey(d), Value: step}
}

// Use implements [verify.Numbered].
func (f *Factor) Use(d directory.Device, step uint64) verify.Use {
	at := time.Unix(int64(step)*int64(f.period(d)), 0).UTC()
	return verify.Use{At: at, Text: fmt.Sprintf("step %d", step)}
}

// period is the length of a step of d in seconds.
func (f *Factor) period(d directory.Device) int {
	if d.Period != 0 {
		return d.Period
	}
	return f.config.Period
}

// markKey is what the highest step of d that was accepted is kept under. Steps of different periods cannot be compared,
// so each period has its own mark. Codes of different digits can: a code of 6 is the end of the code of 8 for the same
// step.
func (f *Factor) markKey(d directory.Device) string {
	return fmt.Sprintf("totp%d/%s", f.period(d), d.Fingerprint("totp"))
}

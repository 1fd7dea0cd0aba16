// Package totp checks time-based one-time passwords (RFC 6238).
//
// What matters is not that a code is right but which step it belongs to: the step is what gets
// claimed, and no step at or below the highest one claimed is ever right again.
package totp

import (
	"context"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/oath"
)

// Config holds what a device that says nothing uses, and the window.
type Config struct {
	oath.Settings
	// Period is the length of a step in seconds (X in RFC 6238 §4.1).
	Period int
	// Range is how many steps before and after the present one are accepted (RFC 6238 §5.2).
	Range int
}

// Factor is the TOTP factor.
type Factor struct {
	config Config
	now    func() time.Time
}

var _ verify.Checker = (*Factor)(nil)

// New makes the factor; now is the clock that steps are counted by.
func New(c Config, now func() time.Time) *Factor { return &Factor{config: c, now: now} }

// Name implements [verify.Factor].
func (*Factor) Name() string { return "totp" }

// Label implements [verify.Factor].
func (*Factor) Label() string { return "authenticator app" }

// Shapes implements [verify.Factor].
func (f *Factor) Shapes(u *directory.User) []verify.Shape {
	return f.config.Shapes(u, directory.TypeTOTP)
}

// Check implements [verify.Checker]: any of the user's TOTP devices may answer.
func (f *Factor) Check(_ context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	return f.config.Any(u, directory.TypeTOTP, code, func(d directory.Device) (verify.Finding, error) {
		return f.checkDevice(d, code, marks)
	})
}

func (f *Factor) checkDevice(d directory.Device, code string, marks verify.Marks) (verify.Finding, error) {
	period, key := f.period(d), f.markKey(d)
	mark, marked, err := marks.Mark(key)
	if err != nil {
		return verify.Finding{}, err
	}
	now := f.now().Unix() / int64(period)
	first, last := max(now-int64(f.config.Range), 0), max(now+int64(f.config.Range), 0)
	if marked && mark > uint64(last) {
		return verify.Finding{
			Result: verify.ClockBehind, Device: d.Name,
			Detail: fmt.Sprintf("step %d has been accepted, and the last one that this host's clock allows is %d", mark, last),
		}, nil
	}
	codes, err := f.config.Codes(d)
	if err != nil {
		return verify.Finding{}, err
	}
	var finding verify.Finding
	for step := first; step <= last; step++ {
		if !codes.Match(uint64(step), code) {
			continue
		}
		// Should one code stand for two steps of the window, the later one is claimed: the same
		// digits are then worth nothing at either.
		finding = verify.Finding{
			Result: verify.Match, Device: d.Name, Detail: fmt.Sprintf("step %+d", step-now),
			Claim: verify.Claim{Key: key, Value: uint64(step)},
		}
		if marked && uint64(step) <= mark {
			finding.Result = verify.Used
		}
	}
	return finding, nil
}

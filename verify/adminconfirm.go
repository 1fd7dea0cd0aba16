package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store"
)

var (
	// ErrWrongCode means that a code with which an administrator confirms or resynchronises a device is not one of it.
	ErrWrongCode = errors.New("the code is wrong")
	// ErrUsedCode means that such a code was right once: the next one will do.
	ErrUsedCode = errors.New("the code has been used already")
	// ErrNoFactor means that nothing in the configuration checks codes of such a device.
	ErrNoFactor = errors.New("no second factor of this configuration checks its codes")
)

// Synchroniser is a [Checker] whose devices count, and may have counted further than a login looks.
type Synchroniser interface {
	Checker
	// Synchronise looks for codes that follow one another, among counters far ahead of the expected one
	// (RFC 4226 §7.4). The Claim of a Match is that of the last of them.
	Synchronise(d directory.Device, codes []string, marks Marks) (Finding, error)
}

// Clocked is a [Checker] whose codes go by the time.
type Clocked interface {
	Checker
	// Drift says how far the clock of d is ahead of ours, if code is one of some time around now.
	Drift(d directory.Device, code string) (ahead time.Duration, found bool, err error)
}

// ConfirmDevice checks that d is what its holder has at hand, and that what is about to be written down for the user of
// that name would let them in: it checks codes with the factor that serves d, and claims them, so that they count as
// used. A device that counts takes two codes in a row, all others take one. d need not be written down yet.
//
// Failures do not count, and a throttled user is no obstacle: whoever asks holds the device's secret. The error
// wraps [ErrWrongCode], [ErrUsedCode] or [ErrNoFactor], or says what else went wrong; then nothing was claimed.
// use says what was claimed: with the Counter that a device is to be written down with that counts.
func (c *Core) ConfirmDevice(ctx context.Context, name string, d directory.Device, codes []secret.String) (account string, use Use, err error) {
	err = c.withUser(ctx, name, func(setup *Setup, user *directory.User) error {
		account = user.Name
		finding, err := c.claimCodes(ctx, setup, user, d, codes)
		if err != nil {
			return err
		}
		f, err := setup.checkerOf(user, d)
		if numbered, ok := f.(Numbered); ok {
			use = numbered.Use(d, finding.Claim.Value)
		}
		return err
	})
	return account, use, err
}

// Resync catches up with a device that counts and whose button was pressed too often: two codes of it that follow one
// another are looked for far ahead, and the later one is claimed. The counter only ever grows. deviceID is the
// [directory.Device.ID] of a device of the user of that name; found says how far ahead it was.
//
// A device by time has no counter: there the error says how far its clock is off, if the first code tells.
func (c *Core) Resync(ctx context.Context, name, deviceID string, codes []secret.String) (account, found string, err error) {
	err = c.withUser(ctx, name, func(setup *Setup, user *directory.User) error {
		account = user.Name
		d, err := deviceOf(user, deviceID)
		if err != nil {
			return err
		}
		f, err := setup.checkerOf(user, d)
		if err != nil {
			return err
		}
		if _, counts := f.(Synchroniser); !counts {
			return notCounting(f, d, codes)
		}
		finding, err := c.claimCodes(ctx, setup, user, d, codes)
		found = finding.Detail
		return err
	})
	return account, found, err
}

// withUser runs do for the user of that name while no attempt of theirs is under way on this node.
func (c *Core) withUser(ctx context.Context, name string, do func(*Setup, *directory.User) error) error {
	setup, release := c.acquire()
	defer release()
	user, err := setup.account(ctx, name)
	if err != nil {
		return err
	}
	unlock, err := c.locks.lock(ctx, user.ID)
	if err != nil {
		return fmt.Errorf("wait for the attempts of %q: %w", name, err)
	}
	defer unlock()
	return do(setup, user)
}

// deviceOf finds one device of the user's.
func deviceOf(user *directory.User, id string) (d directory.Device, err error) {
	found := 0
	for _, candidate := range user.Devices {
		if candidate.ID() == id {
			d = candidate
			found++
		}
	}
	if found != 1 {
		return directory.Device{}, fmt.Errorf("%w: %s has %d usable devices of the ID %q", directory.ErrNoDevice, user.Name, found, clip(id))
	}
	return d, nil
}

// checkerOf finds the factor that checks codes of d: the first that serves a user who has it, and not one who has nothing.
func (s *Setup) checkerOf(user *directory.User, d directory.Device) (Checker, error) {
	for _, f := range s.Factors {
		if checker, ok := f.(Checker); ok && serves(f, user, d) {
			return checker, nil
		}
	}
	return nil, fmt.Errorf("%w: a device of type %s", ErrNoFactor, d.Type)
}

// serves reports whether f checks codes of d: whether it serves a user who has it, and not one who does not.
func serves(f Factor, user *directory.User, d directory.Device) bool {
	return len(f.Shapes(holding(user))) == 0 && len(f.Shapes(holding(user, d))) > 0
}

// holding is the user with just these devices.
func holding(user *directory.User, devices ...directory.Device) *directory.User {
	alone := *user
	alone.Devices, alone.Skipped = devices, nil
	return &alone
}

// claimCodes checks codes of exactly d, and claims what they stand for.
func (c *Core) claimCodes(ctx context.Context, s *Setup, user *directory.User, d directory.Device, codes []secret.String) (Finding, error) {
	f, err := s.checkerOf(user, d)
	if err != nil {
		return Finding{}, err
	}
	finding, err := c.find(ctx, f, user, d, codes)
	switch {
	case err != nil:
		return Finding{}, err
	case finding.Result == NoMatch:
		return Finding{}, wrongCode(f, d, codes)
	case finding.Result == Used:
		return Finding{}, withDetail(ErrUsedCode, finding.Detail)
	case finding.Result != Match:
		return Finding{}, withDetail(errors.New("the code cannot be accepted now"), finding.Detail)
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		if err := remembered(tx, finding.Claim, c.now()); err != nil {
			return err
		}
		return take(tx, user.ID, finding.Claim)
	})
	switch {
	case errors.Is(err, errUsed): // on another node, meanwhile
		return Finding{}, ErrUsedCode
	case err != nil:
		return Finding{}, fmt.Errorf("keep in the store that the code is used: %w", err)
	}
	return finding, nil
}

func (c *Core) find(ctx context.Context, f Checker, user *directory.User, d directory.Device, codes []secret.String) (Finding, error) {
	marks := userMarks{ctx, c.store, user.ID}
	if s, counts := f.(Synchroniser); counts {
		if len(codes) != 2 {
			return Finding{}, fmt.Errorf("a device that counts takes two codes in a row, and there are %d", len(codes))
		}
		return s.Synchronise(d, []string{codes[0].Reveal(), codes[1].Reveal()}, marks)
	}
	if len(codes) != 1 {
		return Finding{}, fmt.Errorf("a device of type %s takes one code, and there are %d", d.Type, len(codes))
	}
	return f.Check(ctx, holding(user, d), codes[0].Reveal(), marks)
}

// wrongCode is [ErrWrongCode], with the reason if a clock is to blame.
func wrongCode(f Checker, d directory.Device, codes []secret.String) error {
	clocked, ok := f.(Clocked)
	if !ok || len(codes) == 0 {
		return ErrWrongCode
	}
	ahead, found, err := clocked.Drift(d, codes[0].Reveal())
	if err != nil || !found {
		return ErrWrongCode
	}
	return fmt.Errorf("%w for now: %s", ErrWrongCode, offBy(ahead))
}

// offBy says that somebody's clock is wrong, for which this host and the device are candidates.
func offBy(ahead time.Duration) string {
	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	return fmt.Sprintf("the clock of this host or of the device is off by about %.0f minutes (the device is %s this host): "+
		"set the one that is wrong, best by a time server", max(ahead.Abs().Minutes(), 1), way)
}

// notCounting says what to do about a device that has no counter to move.
func notCounting(f Checker, d directory.Device, codes []secret.String) error {
	clocked, ok := f.(Clocked)
	if !ok {
		return fmt.Errorf("a device of type %s has no counter that could be moved", d.Type)
	}
	if len(codes) > 0 {
		ahead, found, err := clocked.Drift(d, codes[0].Reveal())
		switch {
		case err != nil:
			return err
		case found && ahead == 0:
			return errors.New("the device goes by the time, and its clock is right: there is nothing to resynchronise")
		case found:
			return errors.New("the device goes by the time and has no counter: " + offBy(ahead))
		}
	}
	return errors.New("the device goes by the time and has no counter that could be moved: " +
		"set the clocks of this host and of the device, best by a time server. This code fits no time within a day, " +
		"so either it is mistyped or the device holds another secret: then register it anew")
}

func withDetail(err error, detail string) error {
	if detail == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, detail)
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/store"
)

// Numbered is a [Checker] whose codes have numbers that only grow: time steps, counters, touches.
type Numbered interface {
	Checker
	// Spent is the claim of the code of d that has this number.
	Spent(d directory.Device, number uint64) Claim
	// Use says what it means that this is the highest number of d that was accepted.
	Use(d directory.Device, number uint64) Use
}

// Use is what a mark says about the last code of a device that was accepted.
type Use struct {
	// At is the time that the code was for; zero: the mark does not say.
	At time.Time `json:"at,omitzero"`
	// Counter is the first that may be accepted now, of a device that counts.
	Counter *uint64 `json:"next_counter,omitempty"`
	// Text is the mark in words.
	Text string `json:"text"`
}

// Description is what the core sees when it looks at a user. It holds no secret.
type Description struct {
	// Time is when it looked.
	Time   time.Time `json:"time"`
	Name   string    `json:"name"`
	ID     string    `json:"id"`
	DN     string    `json:"dn,omitempty"`
	Mail   string    `json:"mail,omitempty"`
	Phone  string    `json:"phone,omitempty"`
	Groups []string  `json:"groups,omitempty"`
	// Policy is the one of a login of which nothing but the name is known; empty: none would hold.
	Policy string `json:"policy,omitempty"`
	// Reason is what such a login would end with, if password and code are right, and Detail says more.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Devices are all that are written down, those that cannot be read last.
	Devices  []DescribedDevice `json:"devices,omitempty"`
	Throttle DescribedThrottle `json:"throttle"`
}

// DescribedDevice is one device of a user's.
type DescribedDevice struct {
	ID     string `json:"id"`
	Type   string `json:"type,omitempty"`
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	// Registered is zero if nobody wrote it down.
	Registered time.Time `json:"registered,omitzero"`
	// Factor checks its codes; empty: none does.
	Factor string `json:"factor,omitempty"`
	// LastUse is nil if no code of it was ever accepted, or nobody could know.
	LastUse *Use `json:"last_use,omitempty"`
	// Problem says why it is of no use: it cannot be read, or has expired.
	Problem string `json:"problem,omitempty"`
}

// DescribedThrottle is what failures have cost the user, over all sources together. One source is for a [Preview] to say.
type DescribedThrottle struct {
	// Failures of at most so many that still count.
	Failures int `json:"failures"`
	Burst    int `json:"burst"`
	// Until is when a source from which the user has not logged in lately may try again; zero: now.
	Until time.Time `json:"until,omitzero"`
	// Error says why it is not known.
	Error string `json:"error,omitempty"`
}

// Describe says what the core sees of the user of that name: the entry, the policy, the devices and when they were last
// used, and what failures have cost. It changes nothing. Its error means that nothing is known.
func (c *Core) Describe(ctx context.Context, name string) (Description, error) {
	preview, err := c.Preview(ctx, Attempt{User: name}, time.Time{})
	if err != nil {
		return Description{}, err
	}
	setup, release := c.acquire()
	defer release()
	user, err := setup.account(ctx, name)
	if err != nil {
		return Description{}, err
	}
	out := Description{
		Time: preview.Time, Name: user.Name, ID: user.ID, DN: user.DN, Mail: user.Mail, Phone: user.Phone, Groups: user.Groups,
		Reason: preview.Reason, Detail: preview.Detail,
	}
	if preview.InForce != nil {
		out.Policy = preview.InForce.Policy
	}
	if out.Devices, err = c.describeDevices(ctx, setup, user); err != nil {
		return Description{}, fmt.Errorf("when the devices of %q were last used: %w", name, err)
	}
	err = c.store.View(ctx, func(r store.Reader) (err error) {
		out.Throttle, err = setup.Throttle.describe(r, user.ID, c.now())
		return err
	})
	if err != nil {
		return Description{}, fmt.Errorf("read the throttle of %q: %w", name, err)
	}
	return out, nil
}

func (c *Core) describeDevices(ctx context.Context, s *Setup, user *directory.User) ([]DescribedDevice, error) {
	var out []DescribedDevice
	marks := userMarks{ctx, c.store, user.ID}
	for _, d := range user.Devices {
		told := DescribedDevice{ID: d.ID(), Type: d.Type, Name: d.Name, Source: d.Source}
		if d.Epoch > 0 {
			told.Registered = time.Unix(d.Epoch, 0).UTC()
		}
		f, err := s.checkerOf(user, d)
		if err != nil {
			told.Problem = uncheckable(d)
			out = append(out, told)
			continue
		}
		told.Factor = f.Name()
		if expired, since := s.Devices.Expired(d, c.now()); expired {
			told.Problem = expiredText(since)
		}
		if told.LastUse, err = lastUse(f, d, marks); err != nil {
			return nil, err
		}
		out = append(out, told)
	}
	for _, p := range user.Skipped {
		out = append(out, DescribedDevice{ID: p.ID, Type: p.Type, Name: p.Device, Problem: p.Why})
	}
	return out, nil
}

func expiredText(since time.Time) string {
	if since.IsZero() {
		return "expired, as it does not say when it was registered"
	}
	return "expired on " + since.UTC().Format(time.DateOnly)
}

// lastUse reads the mark of d; nil if there is none.
func lastUse(f Checker, d directory.Device, marks Marks) (*Use, error) {
	numbered, ok := f.(Numbered)
	if !ok {
		return nil, nil
	}
	number, marked, err := marks.Mark(numbered.Spent(d, 0).Key)
	if err != nil || !marked {
		return nil, err
	}
	use := numbered.Use(d, number)
	return &use, nil
}

// describe reads the bucket that all sources share.
func (t Throttle) describe(r store.Reader, user string, now time.Time) (DescribedThrottle, error) {
	rec, err := readThrottle(r, throttleUserKey(user))
	if err != nil {
		return DescribedThrottle{}, err
	}
	out := DescribedThrottle{Burst: t.UserBurst}
	if clamped := t.user().clamp(rec.empty, now); rec.empty.After(clamped) {
		out.Error = errFromTheFuture.Error()
		rec.empty = clamped
	}
	if left := rec.empty.Sub(now); left > 0 && t.UserRefill > 0 {
		out.Failures = int((left + t.UserRefill - 1) / t.UserRefill)
	}
	out.Until = t.user().refusedUntil(rec.empty, now)
	return out, nil
}

// errAhead refuses used codes of times to come: their mark would lock the device out until then.
var errAhead = errors.New("a used code of a time that is still to come")

// Spend notes that codes of d with these numbers were accepted somewhere else, such as the time steps that Google's PAM
// module keeps in its file, so that they are not accepted here too. The mark only ever grows; what lies below it
// is passed over.
func (c *Core) Spend(ctx context.Context, name string, d directory.Device, numbers []uint64) (account string, err error) {
	err = c.withUser(ctx, name, func(setup *Setup, user *directory.User) error {
		account = user.Name
		f, err := setup.checkerOf(user, d)
		if err != nil {
			return err
		}
		numbered, ok := f.(Numbered)
		if !ok {
			return fmt.Errorf("codes of a device of type %s have no numbers", d.Type)
		}
		for _, number := range numbers {
			if at := numbered.Use(d, number).At; at.After(c.now().Add(time.Hour)) {
				return fmt.Errorf("%w (%s): mend the file, or the clock of this host", errAhead, at.Format(time.RFC3339))
			}
		}
		return c.store.Update(ctx, func(tx store.Tx) error {
			for _, number := range numbers {
				if err := take(tx, user.ID, numbered.Spent(d, number)); err != nil && !errors.Is(err, errUsed) {
					return err
				}
			}
			return nil
		})
	})
	return account, err
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/store"
)

// ReasonRestored means that the code is right, and the state went back in time and may have forgotten that it was used.
const ReasonRestored Reason = "state-restored"

var errRestored = errors.New("the state went back in time and may have forgotten that this code was used")

const (
	// furthestRange is the largest number of steps that a TOTP code may be ahead of its time: the most that
	// [totp] range can be.
	furthestRange = 10
	// longestDelivery is for how long a code that was sent may be used, at most ([Maker.Lifetime]).
	longestDelivery = 10 * time.Minute
)

// remembered returns an error that wraps errRestored if the state went back and could have forgotten that c was
// claimed before. It is part of the transaction that claims c.
//
//   - A code by time is new if its step cannot have been accepted before the state was found to have gone back.
//   - What is kept for a while (codes that were sent, codes that somebody else makes) would have been forgotten by now
//     in any case, if that while has passed.
//   - Of all others, counters and lists of codes, nobody can tell.
//
// For all but the first an administrator can accept the loss.
func remembered(r store.Reader, c Claim, now time.Time) error {
	lost, err := store.ReadRestored(r)
	if err != nil || lost.Since.IsZero() || c.Reusable {
		return err
	}
	if period, ok := stepLength(c.Key); ok {
		began := time.Unix(int64(c.Value)*period, 0)
		if fresh := lost.Since.Add(time.Duration(furthestRange*period) * time.Second); !began.After(fresh) {
			return fmt.Errorf("%w: codes of steps after %s are accepted again", errRestored, fresh.Format(time.RFC3339))
		}
		return nil
	}
	forgotten := lost.Since.Add(max(c.For, longestDelivery))
	if !lost.Pending || c.For > 0 && now.After(forgotten) {
		return nil
	}
	return fmt.Errorf("%w: `tandem store accept-restore` lets such codes in again (%s)", errRestored, lost.Why)
}

// stepLength is the length in seconds of a TOTP step, which stands in its mark's key.
func stepLength(key string) (period int64, ok bool) {
	_, err := fmt.Sscanf(key, "totp%d/", &period)
	return period, err == nil && period > 0
}

// Forgetful is what [Marks] are that know whether the state went back: marks that were there may be gone.
type Forgetful interface {
	// Forgotten returns how many counters of a device that has no mark, and was registered at that time, may have been
	// used all the same: as many as administrators have stated since. A zero time is one that nobody knows.
	Forgotten(registered time.Time) (counters uint64, err error)
}

var _ Forgetful = userMarks{}

// Forgotten implements [Forgetful].
func (m userMarks) Forgotten(registered time.Time) (counters uint64, err error) {
	err = m.store.View(m.ctx, func(r store.Reader) error {
		lost, err := store.ReadRestored(r)
		counters = 0
		for _, a := range lost.Accepted {
			if a.At.After(registered) {
				counters += a.Margin
			}
		}
		return err
	})
	return counters, err
}

// Notice is what an administrator should know of a core that can decide; empty: nothing.
func (c *Core) Notice(ctx context.Context) string {
	var lost store.Restored
	err := c.store.View(ctx, func(r store.Reader) (err error) {
		lost, err = store.ReadRestored(r)
		return err
	})
	if err != nil || !lost.Pending {
		return ""
	}
	return "the state went back in time (" + lost.Why + "): " + store.RestoredRemedy
}

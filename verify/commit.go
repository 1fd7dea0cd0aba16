package verify

import (
	"context"
	"errors"
	"time"

	"tandem/store"
)

// commit is what one step of a login writes: all of it, or nothing.
type commit struct {
	spend   string // key of the challenge that is answered; it must still stand
	open    *opened
	claim   *Claim
	notes   []Note
	failure bool // count it against the user
	success bool // it is a yes, unless the throttle has filled up meanwhile
	enrols  bool // an enrolment begins, unless there were too many
	proven  bool // forgive this source's failures, and remember the source
}

var (
	errSpent     = errors.New("the challenge is unknown, was answered already, or has expired")
	errUsed      = errors.New("the code has been used")
	errThrottled = errors.New("too many failures meanwhile")
)

// write runs the commit. What it decides on is read in the same transaction, so that no other
// attempt, on this node or another, can come between.
func (l *login) write(ctx context.Context, c commit) error {
	return l.core.store.Update(ctx, func(tx store.Tx) error {
		now := l.core.now()
		if c.spend != "" {
			held, err := tx.Get(c.spend)
			if err != nil {
				return err
			}
			if held == nil {
				return errSpent
			}
			tx.Delete(c.spend)
		}
		if c.success {
			until, err := l.setup.Throttle.refusedUntil(tx, l.place(), now)
			switch {
			case errors.Is(err, errFromTheFuture): // meanwhile, by a node whose clock is ahead
				return errThrottled
			case err != nil:
				return err
			}
			if !until.IsZero() {
				return errThrottled
			}
		}
		if c.proven {
			l.setup.Throttle.succeed(tx, l.place(), now)
		}
		if c.claim != nil {
			if err := remembered(tx, *c.claim, now); err != nil {
				return err
			}
			if err := take(tx, l.user.ID, *c.claim); err != nil {
				return err
			}
		}
		for _, n := range c.notes {
			putNote(tx, l.user.ID, n)
		}
		if c.failure {
			if err := l.setup.Throttle.fail(tx, l.place(), now); err != nil {
				return err
			}
		}
		if c.enrols {
			if err := chargeEnrolment(tx, l.user.ID, now); err != nil {
				return err
			}
		}
		if c.open != nil {
			tx.Put(c.open.key, c.open.record, c.open.lifetime)
		}
		return nil
	})
}

// accept commits everything that a yes rests on. Only after that is it a yes.
func (l *login) accept(ctx context.Context, r Reason, c commit) ending {
	var err error
	if l.attributes, err = l.reply(); err != nil {
		l.explain("reply", "%v", err)
		return rejectFor(ReasonNoPolicy, err)
	}
	if l.CanTell != nil && len(l.attributes) > 0 {
		if err := l.CanTell(l.attributes); err != nil {
			l.log.Error("the reply of a login that would be accepted cannot be made, so it is rejected: correct [[policies.reply]]",
				"attempt", l.ID, "policy", l.policy.Name, "client", l.Client, "err", err)
			l.explain("reply", "%v", err)
			return rejectFor(ReasonReplyInvalid, err)
		}
	}
	c.success = true
	// A login that asked for no code must not forgive wrong ones, where there are any to guess.
	c.proven = c.claim != nil || r == ReasonPasswordOnly
	err = l.write(ctx, c)
	switch {
	case err == nil:
		l.explain("claim", "recorded on stable storage: accepted")
		if c.claim != nil {
			l.deleteExpired(ctx)
		}
		return ending{outcome: Accept, reason: r}
	case errors.Is(err, errUsed):
		l.explain("claim", "another attempt was faster with the same code")
		return reject(ReasonReplayedCode)
	case errors.Is(err, errSpent):
		l.explain("claim", "%v", err)
		return rejectFor(ReasonBadState, err)
	case errors.Is(err, errThrottled):
		l.explain("claim", "%v", err)
		return reject(ReasonThrottled)
	case errors.Is(err, errRestored):
		l.explain("claim", "%v", err)
		return rejectFor(ReasonRestored, err)
	}
	l.explain("claim", "the store did not take it, so nobody is let in: %v", err)
	return unavailable(ReasonStoreDown, err)
}

// fail commits what a no leaves behind; ok is false if it could not be kept: then there is no
// definite answer at all, for a failure that is not counted would be a free guess.
func (l *login) fail(ctx context.Context, c commit) (e ending, ok bool) {
	if l.canWait(ctx, c) {
		ctx = store.Unhurried(ctx)
	}
	err := l.write(ctx, c)
	switch {
	case err == nil:
		return ending{}, true
	case errors.Is(err, errSpent):
		return rejectFor(ReasonBadState, err), false
	}
	l.explain("throttle", "the store did not take the failure: %v", err)
	return unavailable(ReasonStoreDown, err), false
}

// canWait reports whether c may wait for others in the store: it counts a failure, and the no is held back for longer.
// What is not counted is not bound by the throttle, and must not make it cheap to hold the user's turn; nor must a
// challenge come later after a wrong password than after a right one. A wrong guess must not run out of time where a
// right one would not.
func (l *login) canWait(ctx context.Context, c commit) bool {
	const ample = 100 * time.Millisecond
	deadline, bound := ctx.Deadline()
	return c.failure && c.open == nil && !l.policy.HideFirstFactor && (!bound || time.Until(deadline) > ample)
}

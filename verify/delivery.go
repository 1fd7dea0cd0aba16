package verify

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tandem/internal/secret"
	"tandem/store"
	"tandem/verify/provider"
)

// delivered is what the store keeps of the last code that a [Maker] sent to a user: one at a time.
type delivered struct {
	Salt []byte `json:"salt"`
	// Sum is keyed with the salt. A code of six digits is no secret to who can read the store and count
	// to a million; but it stands in no backup in plain, and is worth nothing after some minutes.
	Sum []byte `json:"sum"`
	// Expires in Unix milliseconds; the store forgets it then.
	Expires int64 `json:"expires"`
	// Used codes are kept until they expire, so that their replay is not taken for a guess.
	Used bool `json:"used,omitempty"`
}

const (
	// mostSteps bounds the answers of one login that are no codes: choices, and wishes for another code.
	mostSteps = 10
	// longestSkew is how far the clocks of nodes may differ. A store may forget later than it was told to, so that the end
	// of a code is looked at here as well.
	longestSkew = 2 * time.Minute
	// cleanUp is the time to take back what the store was told of a code that could not be sent.
	cleanUp = 2 * time.Second
)

var (
	errSentLately   = errors.New("a code was sent a moment ago")
	errTooManySends = errors.New("too many codes were sent to this user lately")
)

func deliveryKey(f Factor) string { return "delivery/" + f.Name() }
func sentKey(f Factor) string     { return "sent/" + f.Name() }

func (d delivered) matches(code string) bool {
	return hmac.Equal(sumOf(d.Salt, code), d.Sum)
}

// expired reports whether the code's lifetime is over, by whatever node's clock.
func (d delivered) expired(now time.Time) bool {
	return now.After(time.UnixMilli(d.Expires).Add(longestSkew))
}

func sumOf(salt []byte, code string) []byte {
	m := hmac.New(sha256.New, salt)
	m.Write([]byte(code))
	return m.Sum(nil)
}

func (l *login) newDelivered(code string, lifetime time.Duration) ([]byte, error) {
	salt := make([]byte, 16)
	if _, err := io.ReadFull(l.core.rand, salt); err != nil {
		return nil, fmt.Errorf("read random octets: %w", err)
	}
	return json.Marshal(delivered{Salt: salt, Sum: sumOf(salt, code), Expires: l.core.now().Add(lifetime).UnixMilli()})
}

// checkDelivered is the Check of a Maker: its codes are in our keeping.
func (l *login) checkDelivered(f Maker, code string, marks Marks) (Finding, error) {
	record, d, err := readDelivered(f, marks)
	if err != nil || record == nil || d.expired(l.core.now()) || !d.matches(code) {
		return Finding{}, err
	}
	if d.Used {
		return Finding{Result: Used, Device: f.Name()}, nil
	}
	d.Used = true
	used, err := json.Marshal(d)
	if err != nil {
		return Finding{}, err
	}
	return Finding{
		Result: Match, Device: f.Name(),
		Claim: Claim{
			Key: deliveryKey(f), From: record, To: used,
			For: max(time.UnixMilli(d.Expires).Sub(l.core.now()), time.Second),
		},
	}, nil
}

func readDelivered(f Maker, marks Marks) (record []byte, d delivered, err error) {
	record, err = marks.Record(deliveryKey(f))
	if err != nil || record == nil {
		return nil, d, err
	}
	if err := json.Unmarshal(record, &d); err != nil {
		return nil, d, fmt.Errorf("%w: decode the code that was sent: %w", store.ErrCorrupt, err)
	}
	return record, d, nil
}

// send has f bring a code to the user: again the same one if that is given and still good, else a new one. The
// store is told first, so that no two nodes send at once and none too often. It returns the code, if it is ours.
func (l *login) send(ctx context.Context, f Sender, again secret.String) (code secret.String, err error) {
	var record []byte
	var lifetime time.Duration
	if m, ok := f.(Maker); ok {
		lifetime = m.Lifetime()
		if code, record, err = l.codeFor(ctx, m, again); err != nil {
			return code, err
		}
	}
	err = l.core.store.Update(ctx, func(tx store.Tx) error {
		_, lately, err := readMark(tx, l.user.ID, sentKey(f))
		switch {
		case err != nil:
			return err
		case lately:
			return errSentLately
		}
		if err := l.setup.Throttle.chargeSend(tx, l.user.ID, l.core.now()); err != nil {
			return err
		}
		putNote(tx, l.user.ID, Note{Key: sentKey(f), Value: 1, For: f.ResendAfter()})
		if record != nil {
			putRecord(tx, l.user.ID, deliveryKey(f), record, lifetime)
		}
		return nil
	})
	if err != nil {
		return code, err
	}
	began := l.core.now()
	err = f.Send(ctx, l.user, code)
	l.core.observe(f, sendEvent(err), l.core.now().Sub(began))
	if err != nil {
		l.takeBack(ctx, f, record, errors.Is(err, provider.ErrBusy) || errors.Is(err, provider.ErrResting))
		return code, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return code, nil
}

// codeFor is again with no record, if that is the code that is in force, or else a new code with its record.
func (l *login) codeFor(ctx context.Context, m Maker, again secret.String) (code secret.String, record []byte, err error) {
	if !again.Empty() {
		held, d, err := readDelivered(m, l.marksUntil(ctx))
		if err != nil {
			return code, nil, err
		}
		if held != nil && !d.Used && !d.expired(l.core.now()) && d.matches(again.Reveal()) {
			return again, nil, nil
		}
	}
	if code, err = m.NewCode(); err != nil {
		return code, nil, fmt.Errorf("make a code: %w", err)
	}
	record, err = l.newDelivered(code.Reveal(), m.Lifetime())
	return code, record, err
}

// takeBack forgets a code that was not sent, so that another may be at once. If nobody was even called, it does not count
// among the codes that were sent.
func (l *login) takeBack(ctx context.Context, f Factor, record []byte, uncalled bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	err := l.core.store.Update(ctx, func(tx store.Tx) error {
		putNote(tx, l.user.ID, Note{Key: sentKey(f)})
		if uncalled {
			if err := l.setup.Throttle.refundSend(tx, l.user.ID, l.core.now()); err != nil {
				return err
			}
		}
		if record == nil {
			return nil
		}
		held, err := tx.Get(recordKey(l.user.ID, deliveryKey(f)))
		if err == nil && slices.Equal(held, record) {
			putRecord(tx, l.user.ID, deliveryKey(f), nil, 0)
		}
		return err
	})
	if err != nil {
		l.log.Warn("the store could not be told that a code was not sent; another is sent only after a while", "attempt", l.ID, "err", err)
	}
}

// begin asks for a code of f's, and sends one first where that is f's way. s says how the login stands; c is
// committed together with the challenge.
func (l *login) begin(ctx context.Context, c commit, s openSession, f Factor) ending {
	s.Menu, s.Factor, s.code = nil, f.Name(), secret.String{}
	sender, ok := f.(Sender)
	if !ok {
		return l.openChallenge(ctx, c, s)
	}
	notice := ""
	var failures []error
	for ; sender != nil; sender = l.standIn() {
		s.Factor = sender.Name()
		code, err := l.send(ctx, sender, secret.String{})
		switch {
		case err == nil:
			s.code, s.text = code, notice+l.fill(l.texts().Sent, sender)
			l.explain("send", "%s: a code was sent", sender.Name())
			l.sent = sender.Name()
			return l.openChallenge(ctx, c, s)
		case errors.Is(err, errSentLately):
			s.text = notice + l.fill(l.texts().Already, sender)
			l.explain("send", "%s: %v", sender.Name(), err)
			return l.openChallenge(ctx, c, s)
		case errors.Is(err, errTooManySends):
			l.explain("send", "%v", err)
			return l.withoutSending(ctx, c, s, sender, err)
		case errors.Is(err, store.ErrUnavailable):
			return unavailable(ReasonStoreDown, err)
		}
		l.log.Warn("a code could not be sent", "attempt", l.ID, "user", l.user.Name, "factor", sender.Name(), "err", err)
		l.explain("send", "%v", err)
		notice += l.fill(l.texts().SendFailed, sender)
		failures = append(failures, err)
		l.failed = append(l.failed, sender.Name())
	}
	return l.noCode(ctx, c, rejectFor(ReasonSendFailed, errors.Join(failures...)))
}

// withoutSending goes on for a user to whom no more codes may be sent for a while: with the code that was sent last, if
// it is still good, or with another factor, if there is one that need not send.
func (l *login) withoutSending(ctx context.Context, c commit, s openSession, f Sender, why error) ending {
	if m, ok := f.(Maker); ok {
		record, d, err := readDelivered(m, l.marksUntil(ctx))
		if err != nil {
			return unavailable(ReasonStoreDown, err)
		}
		if record != nil && !d.Used && !d.expired(l.core.now()) {
			s.text = l.fill(l.texts().Already, f)
			return l.openChallenge(ctx, c, s)
		}
	}
	for _, other := range l.choices() {
		if _, sends := other.(Sender); !sends {
			return l.begin(ctx, c, s, other)
		}
	}
	return l.noCode(ctx, c, rejectFor(ReasonTooManySends, why))
}

// noCode ends a step that would have asked for a code, if it could have been sent.
func (l *login) noCode(ctx context.Context, c commit, e ending) ending {
	if failed, ok := l.fail(ctx, commit{spend: c.spend, notes: c.notes}); !ok {
		return failed
	}
	return e
}

// standIn is the next sender of the policy's fallbacks that serves the user and has not failed in this step, or
// nil.
func (l *login) standIn() Sender {
	for _, f := range l.fallbacks() {
		if !slices.Contains(l.failed, f.Name()) {
			return f
		}
	}
	return nil
}

// fallbacks are the senders of the policy's fallbacks that serve the user.
func (l *login) fallbacks() (all []Sender) {
	for _, name := range l.policy.Fallback {
		if f, ok := l.setup.factor(name).(Sender); ok && slices.Contains(l.allowed(), Factor(f)) && l.serves(f) {
			all = append(all, f)
		}
	}
	return all
}

// resend answers who asks, in a challenge, for the code once more.
func (l *login) resend(ctx context.Context, c commit, s openSession, f Sender) ending {
	code, err := l.send(ctx, f, s.code)
	switch {
	case err == nil:
		s.code, s.text = code, l.fill(l.texts().Sent, f)
		l.sent = f.Name()
		l.explain("send", "%s: sent again", f.Name())
	case errors.Is(err, errSentLately), errors.Is(err, errTooManySends):
		s.text = l.fill(l.texts().TooSoon, f)
		l.explain("send", "%s: %v", f.Name(), err)
	case errors.Is(err, store.ErrUnavailable):
		return unavailable(ReasonStoreDown, err)
	default:
		l.failed = append(l.failed, f.Name())
		if next := l.standIn(); next != nil {
			return l.begin(ctx, c, s, next)
		}
		return l.noCode(ctx, c, rejectFor(ReasonSendFailed, err))
	}
	return l.openChallenge(ctx, c, s)
}

// The code that was sent travels with the challenge, for a resend: sealed with a key that only who holds the State
// has, which the store does not.

func sealKey(state []byte) cipher.AEAD {
	m := hmac.New(sha256.New, state)
	m.Write([]byte("tandem: the code that was sent"))
	block, err := aes.NewCipher(m.Sum(nil))
	if err != nil {
		panic(err) // never: the key has 32 octets
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // never: AES has blocks of 16 octets
	}
	return gcm
}

// seal encrypts code under state; each state seals one code, so the nonce need not differ.
func seal(state []byte, code secret.String) []byte {
	if code.Empty() {
		return nil
	}
	gcm := sealKey(state)
	return gcm.Seal(nil, make([]byte, gcm.NonceSize()), []byte(code.Reveal()), nil) //nolint:gosec // the key is used once
}

func unseal(state, sealed []byte) secret.String {
	if len(sealed) == 0 {
		return secret.String{}
	}
	gcm := sealKey(state)
	code, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), sealed, nil)
	if err != nil { // then a new one will be made
		return secret.String{}
	}
	return secret.New(string(code))
}

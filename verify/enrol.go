package verify

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/directory"
	"tandem/directory/otpauth"
	"tandem/internal/secret"
	"tandem/store"
	"tandem/verify/policy"
)

// Enrolment at login: who has shown the first factor, and has no second one of any kind, is given a key, and shows by
// a code that an authenticator app has it. Only then is the device written down.
//
// Whoever knows a password and comes first gets the device. That is why nothing may look like "has no device" that
// is not (an entry that is broken or expired, recovery codes, a mail address), and why each question is asked again
// when the answer comes: between the two the user may have got a device elsewhere.
//
// Until then the key stands nowhere but in the challenge, sealed with the State that only the front door's client has.

// Enrolment is what a front door shows to a user who is to enrol a device: between Verdict.Message and an answer.
type Enrolment struct {
	// Key is the device's secret in base32, in groups of four. URI says the same for a QR code (otpauth://…).
	Key, URI secret.String
	// KeyLabel goes before Key; Prompt goes last, and asks for the code.
	KeyLabel, Prompt string
}

// enrolling is the device of an open challenge that asks to confirm it. Its key is what the session has sealed.
type enrolling struct {
	// Deadline is when the challenge, and each that follows a wrong code, ends; in Unix milliseconds.
	Deadline  int64  `json:"deadline"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	Epoch     int64  `json:"epoch"`
	Digits    int    `json:"digits"`
	Period    int    `json:"period"`
	Algorithm string `json:"algorithm"`
}

func (e *enrolling) device(key secret.String) directory.Device {
	return directory.Device{
		Type: e.Type, Name: e.Name, Epoch: e.Epoch, Digits: e.Digits, Period: e.Period, Algorithm: e.Algorithm, Secret: key,
	}
}

// left is how long the enrolment may still be confirmed.
func (e *enrolling) left(now time.Time) time.Duration { return time.UnixMilli(e.Deadline).Sub(now) }

// Enrolments that one user may begin in a row, and after how long one is forgotten. Each takes a right password; this
// bounds what somebody who knows it writes into the store.
const (
	enrolBurst  = 10
	enrolRefill = 5 * time.Minute
)

var errTooManyEnrolments = errors.New("too many enrolments were begun by this user lately")

// enroller is the factor by which users of this policy can enrol, or nil.
func (l *login) enroller() Enroller {
	for _, f := range l.allowed() {
		if e, ok := f.(Enroller); ok {
			return e
		}
	}
	return nil
}

// mayEnrol reports whether the user, who has no device and no address, may enrol one in this login.
func (l *login) mayEnrol(ctx context.Context) (bool, error) {
	switch p := l.policy; {
	case p.Enrol != policy.EnrolOffer && p.Enrol != policy.EnrolRequire,
		p.Mode == policy.CodeOnly, p.HideFirstFactor, l.setup.Registry == nil, l.enroller() == nil:
		return false, nil
	}
	for _, f := range l.setup.Factors { // of every factor, also those that do not count here
		h, ok := f.(Holder)
		if !ok {
			continue
		}
		left, had, err := h.Holds(l.marksUntil(ctx))
		if left || had || err != nil {
			return false, err
		}
	}
	l.explain("devices", "the user has no device, and enrols one")
	return true, nil
}

// passes reports whether the policy lets in a user who has no second factor at all.
func (l *login) passes() bool {
	return l.demand() == policy.DemandIfEnrolled && l.demandedLevel() <= l.policy.FirstLevel
}

// maySkip reports whether the user may get in without enrolling.
func (l *login) maySkip() bool { return l.policy.Enrol == policy.EnrolOffer && l.passes() }

// withoutDevice is the reason why a user gets in of whom no second factor is asked because there is none.
func (l *login) withoutDevice() Reason {
	if l.FirstFactorDone {
		return ReasonNoDeviceAllowed
	}
	return ReasonPasswordOnly
}

// enrol checks the first factor, and asks the user to add a new device to an authenticator app.
func (l *login) enrol(ctx context.Context) ending {
	if !l.FirstFactorDone {
		if e, ok := l.checkPassword(ctx, l.Secret.Reveal()); !ok {
			return e
		}
	} else if !l.Secret.Empty() {
		return l.noDevice() // it would be a code, and there is nothing that it could be one of
	}
	device, err := l.enroller().NewDevice(l.core.rand)
	if err != nil {
		return unavailable(ReasonInternal, fmt.Errorf("make a device: %w", err))
	}
	now := l.core.now()
	s := l.newSession()
	s.code = device.Secret
	s.Enrol = &enrolling{
		Deadline: now.Add(l.policy.EnrolTimeout).UnixMilli(), Type: device.Type, Name: l.setup.Devices.Name, Epoch: now.Unix(),
		Digits: device.Digits, Period: device.Period, Algorithm: device.Algorithm,
	}
	s.text = l.texts().Enrol + l.skipText()
	o, err := l.prepareChallenge(s)
	if err != nil {
		return unavailable(ReasonInternal, err)
	}
	err = l.write(ctx, commit{open: o, enrols: true})
	switch {
	case errors.Is(err, errTooManyEnrolments) && l.maySkip():
		l.explain("enrolment", "%v: the user gets in without", err)
		return l.accept(ctx, l.withoutDevice(), commit{})
	case errors.Is(err, errTooManyEnrolments):
		l.explain("enrolment", "%v", err)
		return rejectFor(ReasonTooManyEnrolments, err)
	case err != nil:
		return unavailable(ReasonStoreDown, err)
	}
	l.opened = o
	l.explain("enrolment", "the user is shown a new %s device, and has %s to confirm it", device.Type, l.policy.EnrolTimeout)
	return ending{outcome: Challenge, reason: ReasonEnrolmentWanted}
}

// skipText says how to go on without a device, to who may.
func (l *login) skipText() string {
	if !l.maySkip() {
		return ""
	}
	return strings.ReplaceAll(l.texts().EnrolSkip, "{word}", l.policy.SkipWord)
}

// confirm takes the answer to a challenge that has shown a new device.
func (l *login) confirm(ctx context.Context, key string, s openSession) ending {
	device := s.Enrol.device(s.code)
	way, _, err := l.path(ctx)
	switch {
	case err != nil:
		return unavailable(ReasonStoreDown, err)
	case s.Enrol.left(l.core.now()) <= 0: // whatever the store still has
		return l.endEnrolment(ctx, key, reject(ReasonEnrolmentLate))
	case l.user.HasDevices():
		return l.endEnrolment(ctx, key, reject(ReasonHasDevice))
	case way != pathEnrol: // a reload, or the user's groups, have changed what is asked
		return l.endEnrolment(ctx, key, reject(ReasonNoDevice))
	case device.Secret.Empty():
		return l.endEnrolment(ctx, key, rejectFor(ReasonBadState, errors.New("the key of the new device cannot be opened")))
	case l.maySkip() && l.policy.SkipWord != "" && strings.EqualFold(strings.TrimSpace(l.Secret.Reveal()), l.policy.SkipWord):
		l.explain("enrolment", "the user goes on without")
		return l.accept(ctx, l.withoutDevice(), commit{spend: key})
	}
	var f Finding
	l.holding([]directory.Device{device}, func() { f, err = l.ask(ctx, l.enroller(), l.Secret.Reveal()) })
	switch {
	case err != nil:
		return unavailable(ReasonFactorDown, err)
	case f.Result != Match:
		return l.askAgain(ctx, key, s)
	}
	return l.register(ctx, device, commit{spend: key, claim: &f.Claim, notes: f.Notes})
}

// register claims the code, and writes the device down if it is still the first. Should the host fail between the two,
// there is a mark for a key that nobody has.
func (l *login) register(ctx context.Context, device directory.Device, c commit) ending {
	yes := l.accept(ctx, ReasonEnrolled, c)
	if yes.outcome != Accept {
		return yes
	}
	err := l.setup.Registry.ChangeDevices(ctx, l.entry, directory.Change{
		Add: []directory.Device{device}, OnlyFirst: true, Most: l.setup.Devices.Most,
	})
	switch {
	case errors.Is(err, directory.ErrHasDevices):
		l.explain("enrolment", "%v: the one that was enrolled now is not written down", err)
		return rejectFor(ReasonHasDevice, err)
	case err != nil: // perhaps it was written: then its next code lets the user in
		l.log.Error("a device that a user has enrolled cannot be written down", "attempt", l.ID, "user", l.user.Name, "err", err)
		l.explain("enrolment", "the device cannot be written down, so nobody is let in: %v", err)
		return rejectFor(ReasonRegistryDown, err)
	}
	l.enrolled = &device
	l.explain("enrolment", "%s device %q is written down", device.Type, device.Name)
	return yes
}

// unregister removes the device again that was enrolled in a step which could not be recorded.
func (l *login) unregister(ctx context.Context) {
	if l.enrolled == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deletionTime)
	defer cancel()
	if err := l.setup.Registry.ChangeDevices(ctx, l.entry, directory.Change{Remove: []string{l.enrolled.ID()}}); err != nil {
		l.log.Error("a device that a user has enrolled stays, and is in no audit: look after it", "attempt", l.ID, "user", l.user.Name, "device", l.enrolled.Name, "err", err)
	}
}

// askAgain shows the same device once more while there are tries left. What was typed is no guess at anything: who
// types it has the key before their eyes.
func (l *login) askAgain(ctx context.Context, key string, s openSession) ending {
	if s.Tries--; s.Tries <= 0 {
		return l.endEnrolment(ctx, key, reject(ReasonWrongConfirmation))
	}
	s.text = l.texts().EnrolRetry + l.skipText()
	again := l.openChallenge(ctx, commit{spend: key}, s)
	if again.outcome == Challenge {
		again.reason = ReasonWrongConfirmation
	}
	return again
}

// endEnrolment spends the challenge and ends the step with e.
func (l *login) endEnrolment(ctx context.Context, key string, e ending) ending {
	l.explain("enrolment", "it ends: %s", e.reason)
	if failed, ok := l.fail(ctx, commit{spend: key}); !ok {
		return failed
	}
	return e
}

// enrolment is what the user is shown of a new device.
func (l *login) enrolment(s openSession) *Enrolment {
	device := s.Enrol.device(s.code)
	rules := &l.setup.Devices
	uri := otpauth.Key{Device: device, Issuer: rules.Issuer, Account: rules.account(l.user, l.known)}.URI()
	return &Enrolment{
		Key: secret.New(grouped(device.Secret.Reveal())), URI: secret.New(uri),
		KeyLabel: l.texts().Key, Prompt: l.texts().Prompt,
	}
}

// grouped is a key in base32, in groups of four, as people copy it.
func grouped(key string) string {
	const group = 4
	var b strings.Builder
	for i, r := range base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(key)) {
		if i > 0 && i%group == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// chargeEnrolment counts an enrolment that begins, or returns errTooManyEnrolments.
func chargeEnrolment(tx store.Tx, user string, now time.Time) error {
	return chargeBucket(tx, throttleEnrolKey(user), bucket{enrolBurst, enrolRefill}, now, errTooManyEnrolments)
}

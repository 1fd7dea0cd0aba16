package verify_test

import (
	"context"
	"testing"
	"time"

	"tandem/directory"
	"tandem/store"
	"tandem/verify"
	"tandem/verify/policy"
)

// wentBack puts the state back to what it was, as a backend does that notices.
func (b *bench) wentBack(records map[string]memoryRecord) {
	b.t.Helper()
	b.store.mu.Lock()
	b.store.records = records
	b.store.mu.Unlock()
	b.settle(func(r *store.Restored) { r.Since, r.Why, r.Pending = b.clock.Now(), "the test says so", true })
}

// settle changes the record of the time when the state went back.
func (b *bench) settle(change func(*store.Restored)) {
	b.t.Helper()
	if err := b.store.Update(context.Background(), func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		if err != nil {
			return err
		}
		change(&r)
		return store.PutRestored(tx, r)
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) copied() map[string]memoryRecord {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	out := map[string]memoryRecord{}
	for key, r := range b.store.records {
		out[key] = r
	}
	return out
}

func TestRow26_HOTPIsRefusedUntilAccepted(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Append, policy.CodeOnly, policy.Auto} {
		b := newBench(t)
		b.policy.Mode = mode
		typed := func(counter uint64) string {
			if mode == policy.CodeOnly {
				return b.digits(rfcKey, counter, 6)
			}
			return password + b.digits(rfcKey, counter, 6)
		}
		b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
		want(t, b.try(typed(4)), verify.Accept, verify.ReasonOK)
		before := b.copied()
		want(t, b.try(typed(5)), verify.Accept, verify.ReasonOK)
		b.wentBack(before)
		for range 7 { // more than the throttle would let pass, were it a guess
			want(t, b.try(typed(5)), verify.Reject, verify.ReasonRestored)
		}
		want(t, b.try(typed(6)), verify.Reject, verify.ReasonRestored)
		if d := b.lastRecord().Detail; d == "" {
			t.Error("the audit does not say why")
		}
		want(t, b.try(typed(4)), verify.Reject, verify.ReasonReplayedCode) // what is remembered is known
		b.clock.Add(48 * time.Hour)
		want(t, b.try(typed(6)), verify.Reject, verify.ReasonRestored)
		b.settle(func(r *store.Restored) { r.Pending = false })
		want(t, b.try(typed(6)), verify.Accept, verify.ReasonOK)
	}
}

func TestRow26_ChallengeIsAnsweredByNoForgottenCode(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
	before := b.copied()
	b.wentBack(before)
	open := b.try(password)
	want(t, open, verify.Challenge, verify.ReasonCodeWanted)
	want(t, b.answer(open.State, b.digits(rfcKey, 0, 6)), verify.Reject, verify.ReasonRestored)
}

func TestRow26_TOTPHealsByItself(t *testing.T) {
	b := newBench(t)
	before := b.copied()
	used := b.code(rfcKey, 0)
	want(t, b.try(password+used), verify.Accept, verify.ReasonOK)
	b.wentBack(before)
	want(t, b.try(password+used), verify.Reject, verify.ReasonRestored)
	since := b.clock.Now()
	for healed := false; !healed; b.clock.Add(30 * time.Second) {
		// No step that could have been used before is accepted: not even one that a clock far ahead had made.
		v := b.try(password + b.code(rfcKey, 0))
		healed = v.Outcome == verify.Accept
		if took := b.clock.Now().Sub(since); healed && took < 300*time.Second || took > 340*time.Second {
			t.Fatalf("%v (%s) after %v", v.Outcome, v.Reason, took)
		}
	}
}

// A device that was first used after the state went back to has no mark, and begins as far ahead as was stated.
func TestRow26_DeviceWithoutAMark(t *testing.T) {
	b := newBench(t)
	device := hotpDevice(rfcKey, 0)
	b.alice().Devices = []directory.Device{device}
	before := b.copied()
	want(t, b.try(password+b.digits(rfcKey, 3, 6)), verify.Accept, verify.ReasonOK)
	b.wentBack(before)
	accepted := b.clock.Now().Add(time.Minute)
	b.settle(func(r *store.Restored) {
		r.Pending = false
		r.Accepted = []store.Acceptance{{At: accepted, Margin: 20}, {At: accepted.Add(time.Hour), Margin: 5}}
	})
	want(t, b.try(password+b.digits(rfcKey, 3, 6)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+b.digits(rfcKey, 24, 6)), verify.Reject, verify.ReasonReplayedCode)
	// Registered between the two, and after both.
	device.Epoch = accepted.Add(time.Minute).Unix()
	b.alice().Devices = []directory.Device{device}
	want(t, b.try(password+b.digits(rfcKey, 4, 6)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+b.digits(rfcKey, 5, 6)), verify.Accept, verify.ReasonOK)
	later := hotpDevice(otherKey, 0)
	later.Epoch = accepted.Add(2 * time.Hour).Unix()
	b.alice().Devices = []directory.Device{later}
	want(t, b.try(password+b.digits(otherKey, 0, 6)), verify.Accept, verify.ReasonOK)
}

// claims is a factor whose codes are right, and taken by that claim.
type claims struct{ verify.Claim }

func (claims) Name() string  { return "claims" }
func (claims) Label() string { return "claims" }
func (claims) Shapes(*directory.User) []verify.Shape {
	return []verify.Shape{{Length: 4, Alphabet: verify.Digits}}
}

func (c claims) Check(context.Context, *directory.User, string, verify.Marks) (verify.Finding, error) {
	return verify.Finding{Result: verify.Match, Claim: c.Claim}, nil
}

func TestRow26_OtherCodes(t *testing.T) {
	const never = time.Duration(-1)
	for _, tt := range []struct {
		name  string
		claim verify.Claim
		heals time.Duration // from when on it is accepted by itself; 0: at once
	}{
		{"a code that was sent", verify.Claim{Key: "k", From: []byte{}, To: []byte("used"), For: time.Minute}, 10 * time.Minute},
		{"a code of somebody else's", verify.Claim{Key: "k", Value: 1, For: 24 * time.Hour}, 24 * time.Hour},
		{"a recovery code", verify.Claim{Key: "k", From: []byte{}, To: []byte("the rest")}, never},
		{"a Yubikey's", verify.Claim{Key: "yubico/k", Value: 7}, never},
		{"like a TOTP code, but not one", verify.Claim{Key: "totp0/k", Value: 1 << 40}, never},
		{"a second password", verify.Claim{Reusable: true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fresh := func() *bench {
				b := newBench(t)
				b.setup.Factors = []verify.Factor{claims{tt.claim}}
				b.core = b.node()
				b.wentBack(b.copied())
				return b
			}
			if b := fresh(); tt.heals != 0 {
				want(t, b.try(password+"1234"), verify.Reject, verify.ReasonRestored)
				if tt.heals > 0 {
					b.clock.Add(tt.heals)
					want(t, b.try(password+"1234"), verify.Reject, verify.ReasonRestored)
					b.clock.Add(time.Second)
				} else {
					b.clock.Add(1000 * time.Hour)
					want(t, b.try(password+"1234"), verify.Reject, verify.ReasonRestored)
				}
				if tt.heals < 0 {
					b.settle(func(r *store.Restored) { r.Pending = false })
				}
				want(t, b.try(password+"1234"), verify.Accept, verify.ReasonOK)
			}
			b := fresh()
			b.settle(func(r *store.Restored) { r.Pending = false })
			want(t, b.try(password+"1234"), verify.Accept, verify.ReasonOK)
		})
	}
}

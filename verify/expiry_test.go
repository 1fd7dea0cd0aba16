package verify_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/policy"
)

const (
	ttl = 30 * 24 * time.Hour
	old = ttl + time.Second // the age of a device that expired
)

// newVeteran is a newcomer whose alice has devices of that age, and whose policy enrols nobody.
func newVeteran(t testing.TB, change func(*newcomer)) *newcomer {
	t.Helper()
	return newNewcomer(t, func(n *newcomer) {
		n.setup.Devices.TTL = map[string]time.Duration{directory.TypeTOTP: ttl}
		n.policy.Enrol = policy.EnrolOff
		n.policy.Texts.DeviceExpired = "{device} expired. "
		n.alice().Devices = []directory.Device{n.aged(totpDevice(rfcKey), old)}
		if change != nil {
			change(n)
		}
	})
}

func (n *newcomer) aged(d directory.Device, age time.Duration) directory.Device {
	d.Epoch = n.clock.Now().Add(-age).Unix()
	return d
}

func TestDevicesExpire(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rules := verify.Devices{TTL: map[string]time.Duration{directory.TypeTOTP: time.Hour, directory.TypeYubikey: 0}}
	for _, test := range []struct {
		kind    string
		epoch   int64
		expired bool
	}{
		{directory.TypeTOTP, now.Unix(), false},
		{directory.TypeTOTP, now.Unix() - 3599, false},
		{directory.TypeTOTP, now.Unix() - 3600, true},
		{directory.TypeTOTP, 1, true},
		{directory.TypeTOTP, 0, true}, // it does not say since when
		{directory.TypeTOTP, -1 << 63, true},
		{directory.TypeTOTP, now.Unix() + 3600, false}, // clocks differ
		{directory.TypeTOTP, now.UnixMilli(), true},    // another unit
		{directory.TypeTOTP, 1<<63 - 1, true},
		{directory.TypeYubikey, 1, false},
		{directory.TypeHOTP, 0, false},
	} {
		expired, since := rules.Expired(directory.Device{Type: test.kind, Epoch: test.epoch}, now)
		if expired != test.expired {
			t.Errorf("%s since %d: %v", test.kind, test.epoch, expired)
		}
		if known := test.epoch > 0 && test.epoch <= now.Unix()+3600 && test.kind == directory.TypeTOTP; since.IsZero() == known {
			t.Errorf("%s since %d: since %v", test.kind, test.epoch, since)
		}
	}
}

// TestExpiredDeviceIsADevice: an only device that expired turns neither a required second factor into none, nor one
// that is asked of who is enrolled, and is no reason to offer an enrolment.
func TestExpiredDeviceIsADevice(t *testing.T) {
	for _, demand := range []policy.Demand{policy.DemandRequired, policy.DemandIfEnrolled} {
		for _, enrol := range []policy.Enrol{policy.EnrolOff, policy.EnrolOffer, policy.EnrolRequire} {
			for _, mode := range []policy.Mode{policy.Append, policy.Challenge, policy.Auto} {
				n := newVeteran(t, func(n *newcomer) { n.policy.Second, n.policy.Enrol, n.policy.Mode = demand, enrol, mode })
				v := n.try(password)
				if v.Outcome != verify.Reject || v.Reason != verify.ReasonDeviceExpired || v.Enrolment != nil {
					t.Errorf("%s, enrol %s, %s: %v (%s)", demand, enrol, mode, v.Outcome, v.Reason)
				}
				if v := n.try(password + n.code(rfcKey, 0)); v.Outcome != verify.Reject {
					t.Errorf("%s, enrol %s, %s: %v (%s)", demand, enrol, mode, v.Outcome, v.Reason)
				}
			}
		}
	}
}

// TestExpiredDeviceIsToldToItsOwner: whoever shows the first factor, and to nobody else.
func TestExpiredDeviceIsToldToItsOwner(t *testing.T) {
	key := func(*newcomer) verify.Attempt {
		a := attempt("alice", "")
		a.FirstFactorDone = true
		return a
	}
	typed := func(text string) func(*newcomer) verify.Attempt {
		return func(n *newcomer) verify.Attempt {
			return attempt("alice", strings.NewReplacer("CODE", n.code(rfcKey, 0), "WRONG", n.wrong(rfcKey)).Replace(text))
		}
	}
	const told = "phone expired."
	for name, test := range map[string]struct {
		mode    policy.Mode
		attempt func(*newcomer) verify.Attempt
		message string
		reason  verify.Reason
		binds   int
	}{
		"challenge, right":            {policy.Challenge, typed(password), told, verify.ReasonDeviceExpired, 1},
		"challenge, wrong":            {policy.Challenge, typed("wrong"), "No.", verify.ReasonWrongPassword, 1},
		"append, both right":          {policy.Append, typed(password + "CODE"), told, verify.ReasonDeviceExpired, 1},
		"append, wrong password":      {policy.Append, typed("wrongCODE"), "No.", verify.ReasonWrongPassword, 1},
		"append, wrong code":          {policy.Append, typed(password + "WRONG"), "No.", verify.ReasonWrongCode, 0},
		"append, no code":             {policy.Append, typed(password), "No.", verify.ReasonDeviceExpired, 0},
		"append, the code alone":      {policy.Append, typed("CODE"), "No.", verify.ReasonEmptyPassword, 0},
		"auto, both right":            {policy.Auto, typed(password + "CODE"), told, verify.ReasonDeviceExpired, 1},
		"auto, the password":          {policy.Auto, typed(password), told, verify.ReasonDeviceExpired, 1},
		"auto, wrong":                 {policy.Auto, typed("wrong"), "No.", verify.ReasonWrongPassword, 1},
		"after a key":                 {policy.Challenge, key, told, verify.ReasonDeviceExpired, 0},
		"code-only":                   {policy.CodeOnly, typed("CODE"), "No.", verify.ReasonDeviceExpired, 0},
		"code-only, first field done": {policy.CodeOnly, key, "Code: ", verify.ReasonDeviceExpired, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := newVeteran(t, func(n *newcomer) { n.policy.Mode = test.mode })
			v := n.core.Start(t.Context(), test.attempt(n))
			if v.Outcome == verify.Accept || v.Message != test.message || v.Reason != test.reason || n.people.binds != test.binds {
				t.Errorf("%v (%s) %q after %d password checks", v.Outcome, v.Reason, v.Message, n.people.binds)
			}
			if v.Level != 0 || v.Factor != "" || len(n.marks()) > 0 {
				t.Errorf("%+v, marks %v", v, n.marks())
			}
		})
	}
	t.Run("hide_first_factor", func(t *testing.T) {
		n := newVeteran(t, func(n *newcomer) { n.policy.Mode, n.policy.HideFirstFactor, n.policy.Tries = policy.Challenge, true, 1 })
		right, wrong := n.try(password), n.try("wrong")
		if right.Message != "Code: " || right.Message != wrong.Message {
			t.Errorf("%q, and for a wrong password %q", right.Message, wrong.Message)
		}
		if v := n.answer(right.State, n.code(rfcKey, 0)); v.Outcome != verify.Reject || v.Message != "No." {
			t.Errorf("%v %q", v.Outcome, v.Message)
		}
	})
	t.Run("guesses are counted", func(t *testing.T) {
		for _, mode := range []policy.Mode{policy.Challenge, policy.Append} {
			n := newVeteran(t, func(n *newcomer) { n.policy.Mode = mode })
			for range 5 {
				n.try("wrong" + n.code(rfcKey, 0))
			}
			want(t, n.try(password+n.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
		}
	})
}

func TestOtherDevicesOutliveOneThatExpired(t *testing.T) {
	both := func(n *newcomer) {
		n.alice().Devices = append(n.alice().Devices, n.aged(hotpDevice(otherKey, 0), old))
	}
	n := newVeteran(t, both)
	want(t, n.try(password+n.digits(otherKey, 0, 6)), verify.Accept, verify.ReasonOK)
	want(t, n.try(password+n.code(rfcKey, 0)), verify.Reject, verify.ReasonWrongCode)

	n = newVeteran(t, func(n *newcomer) { both(n); n.policy.Mode, n.policy.Tries = policy.Challenge, 2 })
	v := n.try(password)
	if ask(t, v, "phone expired. Code: "); v.Plain {
		t.Error("a front door may leave out what expired")
	}
	state := ask(t, n.answer(v.State, "000000"), "Again: ")
	want(t, n.answer(state, n.digits(otherKey, 0, 6)), verify.Accept, verify.ReasonOK)
	if v := n.try("wrong"); v.Message != "No." {
		t.Errorf("after a wrong password: %q", v.Message)
	}
	n.policy.HideFirstFactor = true
	if right, wrong := n.try(password), n.try("wrong"); right.Message != wrong.Message {
		t.Errorf("hidden: %q, and for a wrong password %q", right.Message, wrong.Message)
	}
	if len(n.alice().Devices) != 2 || len(n.alice().Skipped) != 0 {
		t.Errorf("the directory's entry was changed: %+v", n.alice())
	}
}

// TestNamesOfDevicesInPrompts: what a directory says is no command to a terminal, and not endless.
func TestNamesOfDevicesInPrompts(t *testing.T) {
	for name, shown := range map[string]string{
		"old phone": "old phone", "": "TOTP", "\x1b[2J\n": "[2J", strings.Repeat("é", 99): strings.Repeat("é", 40),
	} {
		n := newVeteran(t, func(n *newcomer) { n.policy.Mode, n.alice().Devices[0].Name = policy.Challenge, name })
		if v := n.try(password); v.Message != shown+" expired." {
			t.Errorf("%q is shown as %q", name, v.Message)
		}
	}
}

func TestExpiredDevicesAreRemoved(t *testing.T) {
	remove := func(n *newcomer) {
		n.setup.Devices.DeleteExpired = true
		n.alice().Devices = append(n.alice().Devices, n.aged(hotpDevice(otherKey, 0), old))
	}
	enter := func(n *newcomer) verify.Verdict { return n.try(password + n.digits(otherKey, 0, 6)) }
	t.Run("at a login by another one", func(t *testing.T) {
		n := newVeteran(t, remove)
		n.try("wrong")
		n.try(password + n.code(rfcKey, 0))
		if len(n.registry.changes) > 0 {
			t.Fatal("a device was removed without a login")
		}
		want(t, enter(n), verify.Accept, verify.ReasonOK)
		if d := n.alice().Devices; len(d) != 1 || d[0].Type != directory.TypeHOTP {
			t.Errorf("what is left: %+v", d)
		}
		if r := n.lastRecord(); !slices.Equal(r.Removed, []string{"phone"}) {
			t.Errorf("audit %+v", r)
		}
	})
	t.Run("not if the configuration does not say so", func(t *testing.T) {
		n := newVeteran(t, func(n *newcomer) { remove(n); n.setup.Devices.DeleteExpired = false })
		want(t, enter(n), verify.Accept, verify.ReasonOK)
		if len(n.registry.changes) > 0 {
			t.Error("it was removed")
		}
	})
	t.Run("not at a login without a code", func(t *testing.T) {
		n := newVeteran(t, func(n *newcomer) { remove(n); n.policy.Second = policy.DemandOff })
		want(t, n.try(password), verify.Accept, verify.ReasonExempt)
		if len(n.registry.changes) > 0 {
			t.Error("it was removed")
		}
	})
	t.Run("and if they cannot be, the login goes on", func(t *testing.T) {
		for _, err := range []error{errors.New("disk full"), directory.ErrReadOnly, directory.ErrNoDevice} {
			n := newVeteran(t, remove)
			n.registry.err = err
			want(t, enter(n), verify.Accept, verify.ReasonOK)
			if r := n.lastRecord(); r.Removed != nil {
				t.Errorf("audit %+v", r)
			}
		}
	})
	t.Run("never the last one", func(t *testing.T) {
		// By the first factor alone, and by a code that was sent: without the device, if-enrolled would ask for nothing.
		n := newVeteran(t, func(n *newcomer) {
			n.setup.Devices.DeleteExpired = true
			n.setup.Factors = append(n.setup.Factors, &messenger{name: "sms", address: func(u *directory.User) string { return u.Phone }})
			n.policy.Mode, n.policy.ResendWord, n.alice().Phone = policy.Challenge, "resend", "12"
		})
		v := n.try(password)
		sms, _ := n.setup.Factors[len(n.setup.Factors)-1].(*messenger)
		want(t, n.answer(v.State, sms.last(t)), verify.Accept, verify.ReasonOK)
		n.policy.Second = policy.DemandOff
		want(t, n.try(password), verify.Accept, verify.ReasonExempt)
		if len(n.registry.changes) > 0 {
			t.Errorf("changes %+v", n.registry.changes)
		}
	})
}

func TestPreviewOfEnrolmentAndExpiry(t *testing.T) {
	n := newNewcomer(t, func(n *newcomer) { n.policy.Enrol, n.policy.Second = policy.EnrolOffer, policy.DemandIfEnrolled })
	p := n.preview(attempt("alice", ""), time.Time{})
	asks := []verify.PreviewAsk{{Typed: []string{"PASSWORD"}}, {Typed: []string{"CODE", "skip"}, Text: "Enrol. Or skip. ", Enrols: true}}
	if !p.Possible || p.Reason != verify.ReasonEnrolled || p.Factor != "totp" || !reflect.DeepEqual(p.Asks, asks) {
		t.Errorf("%+v", p)
	}
	n = newVeteran(t, nil)
	p = n.preview(attempt("alice", ""), time.Time{})
	if p.Possible || p.Reason != verify.ReasonDeviceExpired || len(p.Devices) != 1 || !strings.Contains(p.Devices[0].Note, "expired on ") || p.Devices[0].Type != "TOTP" {
		t.Errorf("%+v", p)
	}
	p = n.preview(attempt("alice", ""), n.clock.Now().Add(-time.Hour))
	if !p.Possible || p.Reason != verify.ReasonOK {
		t.Errorf("before: %+v", p)
	}
}

package verify_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/directory"
	"tandem/directory/otpauth"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/recovery"
)

// registry writes devices down in memory, as directory.Change says.
type registry struct {
	people *people
	err    error
	// meanwhile happens once, before the next change.
	meanwhile func()

	mu      sync.Mutex
	changes []directory.Change
}

func (r *registry) ChangeDevices(_ context.Context, u *directory.User, c directory.Change) error {
	if happens := r.meanwhile; happens != nil {
		r.meanwhile = nil
		happens()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, c)
	r.people.mu.Lock()
	defer r.people.mu.Unlock()
	var written *directory.User
	for _, of := range r.people.users {
		if of.ID == u.ID {
			written = of
		}
	}
	switch {
	case r.err != nil:
		return r.err
	case c.OnlyFirst && written.HasDevices():
		return directory.ErrHasDevices
	case c.KeepOne && len(written.Devices)+len(written.Skipped) <= len(c.Remove):
		return directory.ErrNoDevice
	}
	for _, id := range c.Remove {
		at := slices.IndexFunc(written.Devices, func(d directory.Device) bool { return d.ID() == id })
		if at < 0 {
			return directory.ErrNoDevice
		}
	}
	// Another entry takes the place of the one that logins share.
	next := *written
	next.Devices = slices.DeleteFunc(slices.Clone(written.Devices), func(d directory.Device) bool { return slices.Contains(c.Remove, d.ID()) })
	next.Devices = append(next.Devices, c.Add...)
	for name, of := range r.people.users {
		if of == written {
			r.people.users[name] = &next
		}
	}
	return nil
}

// newcomer is a bench whose alice has no device, and is to enrol one.
type newcomer struct {
	*bench
	registry *registry
}

func newNewcomer(t testing.TB, change func(*newcomer)) *newcomer {
	t.Helper()
	n := &newcomer{bench: newBench(t)}
	n.registry = &registry{people: n.people}
	n.alice().Devices = nil
	n.setup.Registry = n.registry
	n.setup.Devices = verify.Devices{Issuer: "Example", Name: "phone", Most: 10}
	n.policy.Enrol, n.policy.EnrolTimeout, n.policy.SkipWord, n.policy.Tries = policy.EnrolRequire, 2*time.Minute, "skip", 3
	n.policy.Texts.Enrol, n.policy.Texts.EnrolRetry, n.policy.Texts.EnrolSkip = "Enrol. ", "Enrol again. ", "Or {word}. "
	if change != nil {
		change(n)
	}
	n.core = n.node()
	return n
}

// shown is the code, steps away from now, of the device that v shows.
func (b *bench) shown(v verify.Verdict, steps int64) string {
	b.t.Helper()
	if v.Enrolment == nil {
		b.t.Fatalf("no device is shown: %+v", v)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(v.Enrolment.Key.Reveal(), " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.code(string(key), steps)
}

// asked wants v to show a device behind that text.
func asked(t *testing.T, v verify.Verdict, text string) {
	t.Helper()
	if v.Outcome != verify.Challenge || v.Enrolment == nil || v.Message != text {
		t.Fatalf("%v (%s) %q, device shown: %v; want a device behind %q", v.Outcome, v.Reason, v.Message, v.Enrolment != nil, text)
	}
}

func TestEnrolment(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Append, policy.Challenge, policy.Auto} {
		t.Run(string(mode), func(t *testing.T) {
			n := newNewcomer(t, func(n *newcomer) { n.policy.Mode = mode })
			v := n.try(password)
			asked(t, v, "Enrol. ")
			if v.Reason != verify.ReasonEnrolmentWanted || v.Lifetime != 120 || v.Plain || v.Echo {
				t.Errorf("%+v", v)
			}
			key, err := otpauth.Parse(v.Enrolment.URI.Reveal())
			if err != nil || key.Issuer != "Example" || key.Account != "alice" || n.code(key.Device.Secret.Reveal(), 0) != n.shown(v, 0) {
				t.Errorf("the URI says %+v, %v", key, err)
			}
			code := n.shown(v, 0)
			v = n.answer(v.State, code)
			want(t, v, verify.Accept, verify.ReasonEnrolled)
			if v.Level != 2 || v.Factor != "totp" {
				t.Errorf("level %d by %q", v.Level, v.Factor)
			}
			devices := n.alice().Devices
			if len(devices) != 1 || devices[0].Name != "phone" || devices[0].Type != directory.TypeTOTP || devices[0].Epoch != n.clock.Now().Unix() ||
				len(devices[0].Secret.Reveal()) != 20 || devices[0].Digits != 6 || devices[0].Period != 30 || devices[0].Algorithm != "SHA1" {
				t.Errorf("devices %+v", devices)
			}
			if c := n.registry.changes[0]; !c.OnlyFirst || c.Most != 10 {
				t.Errorf("change %+v", c)
			}
			if r := n.lastRecord(); r.Enrolled != "phone" || r.EnrolledType != directory.TypeTOTP || r.Device != "phone" || r.Reason != verify.ReasonEnrolled {
				t.Errorf("audit %+v", r)
			}
			// The confirming code counts as used, on every node, and the next one lets in.
			typed := func(code string) verify.Verdict {
				v := n.node().Start(t.Context(), attempt("alice", password+code))
				if mode != policy.Challenge {
					return v
				}
				return n.node().Resume(t.Context(), n.try(password).State, attempt("alice", code))
			}
			if v := typed(code); v.Outcome == verify.Accept || v.Reason != verify.ReasonReplayedCode {
				t.Errorf("the confirming code once more: %v (%s)", v.Outcome, v.Reason)
			}
			n.clock.Add(30 * time.Second)
			want(t, typed(n.code(devices[0].Secret.Reveal(), 0)), verify.Accept, verify.ReasonOK)
		})
	}
}

// TestEnrolmentIsForNobodyElse: what is not plainly "has nothing, and has shown the first factor" enrols nothing.
func TestEnrolmentIsForNobodyElse(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*newcomer)
		typed  string
		reason verify.Reason
	}{
		"a wrong password":           {nil, "wrong", verify.ReasonWrongPassword},
		"a device that is unusable":  {func(n *newcomer) { n.alice().Devices = []directory.Device{{Type: directory.TypeU2F}} }, password, verify.ReasonNoUsableDevice},
		"a device that is unread":    {func(n *newcomer) { n.alice().Skipped = []directory.Problem{{Device: "x"}} }, password, verify.ReasonNoUsableDevice},
		"a policy without":           {func(n *newcomer) { n.policy.Enrol = policy.EnrolOff }, password, verify.ReasonNoDevice},
		"a policy that says nothing": {func(n *newcomer) { n.policy.Enrol = "" }, password, verify.ReasonNoDevice},
		"nobody who can write":       {func(n *newcomer) { n.setup.Registry = nil }, password, verify.ReasonNoDevice},
		"a policy without TOTP":      {func(n *newcomer) { n.policy.Factors = []string{"hotp"} }, password, verify.ReasonNoDevice},
		"a level that TOTP misses":   {func(n *newcomer) { n.policy.Level = 3 }, password, verify.ReasonNoDevice},
		"code-only":                  {func(n *newcomer) { n.policy.Mode = policy.CodeOnly }, "123456", verify.ReasonNoDevice},
		"a device that expired": {func(n *newcomer) {
			n.alice().Devices = []directory.Device{totpDevice(rfcKey)}
			n.setup.Devices.TTL = map[string]time.Duration{directory.TypeTOTP: time.Hour}
		}, password, verify.ReasonDeviceExpired},
		"an exempt user": {func(n *newcomer) {
			n.policy.ExemptGroups, n.alice().Groups = []string{"guests"}, []string{"guests"}
		}, password, verify.ReasonExempt},
		"a level that the password reaches": {func(n *newcomer) { n.policy.Level, n.policy.FirstLevel = 1, 1 }, password, verify.ReasonLevel},
		"a mail address": {func(n *newcomer) {
			n.alice().Mail = "alice@example.org"
			n.setup.Factors = append(n.setup.Factors, &messenger{name: "mail", address: func(u *directory.User) string { return u.Mail }})
			n.policy.Mode = policy.Challenge
		}, password, verify.ReasonCodeWanted},
		"a mail address that does not count now": {func(n *newcomer) {
			n.alice().Mail = "alice@example.org"
			n.setup.Factors = append(n.setup.Factors, &messenger{name: "mail", address: func(u *directory.User) string { return u.Mail }})
			n.setup.Levels, n.policy.Level = map[string]int{"mail": 1}, 2
		}, password, verify.ReasonNoDevice},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewcomer(t, test.change)
			v := n.try(test.typed)
			if v.Enrolment != nil || v.Reason != test.reason {
				t.Errorf("%v (%s), device shown: %v", v.Outcome, v.Reason, v.Enrolment != nil)
			}
		})
	}
	t.Run("hide_first_factor", func(t *testing.T) {
		n := newNewcomer(t, func(n *newcomer) { n.policy.Mode, n.policy.HideFirstFactor = policy.Challenge, true })
		if v := n.try(password); v.Enrolment != nil || v.Message != "Code: " {
			t.Errorf("%+v", v)
		}
	})
	for name, factors := range map[string][]string{"recovery codes": nil, "recovery codes that do not count here": {"totp"}} {
		t.Run(name, func(t *testing.T) {
			n := newNewcomer(t, func(n *newcomer) {
				n.setup.Factors = append(n.setup.Factors, recovery.New(n.clock.Now))
				n.policy.Mode, n.policy.Factors = policy.Challenge, factors
			})
			_, record, err := recovery.Make(rand.Reader, n.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.core.PutRecord(t.Context(), "alice", recovery.Key, record); err != nil {
				t.Fatal(err)
			}
			if v := n.try(password); v.Enrolment != nil {
				t.Errorf("%v (%s)", v.Outcome, v.Reason)
			}
		})
	}
	t.Run("a user who does not exist", func(t *testing.T) {
		n := newNewcomer(t, nil)
		if v := n.core.Start(t.Context(), attempt("mallory", password)); v.Outcome != verify.Reject || v.Enrolment != nil {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a user who is locked out", func(t *testing.T) {
		n := newNewcomer(t, nil)
		for range 5 {
			want(t, n.try("wrong"), verify.Reject, verify.ReasonWrongPassword)
		}
		want(t, n.try(password), verify.Reject, verify.ReasonThrottled)
	})
}

// TestEnrolmentAfterAKey: sshd's word on a public key is a first factor; that of a client which only says that somebody
// else asks for the password is not.
func TestEnrolmentAfterAKey(t *testing.T) {
	n := newNewcomer(t, func(n *newcomer) { n.policy.Mode = policy.Challenge })
	a := attempt("alice", "")
	a.FirstFactorDone = true
	v := n.core.Start(t.Context(), a)
	asked(t, v, "Enrol. ")
	a.Secret = attempt("", n.shown(v, 0)).Secret
	want(t, n.core.Resume(t.Context(), v.State, a), verify.Accept, verify.ReasonEnrolled)

	n = newNewcomer(t, func(n *newcomer) { n.policy.Mode = policy.CodeOnly })
	a.Secret = attempt("", "").Secret
	if v := n.core.Start(t.Context(), a); v.Enrolment != nil || v.Outcome != verify.Challenge || v.Message != "Code: " {
		t.Errorf("code-only: %+v", v)
	}
	a.Secret = attempt("", "123456").Secret // a code, of a user who has none
	n = newNewcomer(t, nil)
	want(t, n.core.Start(t.Context(), a), verify.Reject, verify.ReasonNoDevice)
}

// Somebody is asked for a code alone; before the answer is here, a reload has the policy ask for the password, too.
func TestRow12_ReloadIsNoFirstFactor(t *testing.T) {
	for name, change := range map[string]func(*newcomer){
		"who would enrol":     nil,
		"who has no device":   func(n *newcomer) { n.policy.Enrol, n.policy.Second = "", policy.DemandIfEnrolled },
		"who chooses to skip": func(n *newcomer) { n.policy.Enrol, n.policy.Second = policy.EnrolOffer, policy.DemandIfEnrolled },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewcomer(t, change)
			n.policy.Mode = policy.CodeOnly
			n.core = n.node()
			a := attempt("alice", "")
			_, mode, err := n.core.Asks(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			a.Asked, a.FirstFactorDone = mode, mode == policy.CodeOnly
			reloaded := *n.policy
			reloaded.Mode = policy.Challenge
			next := n.setup
			next.Policies, next.Order = map[string]*policy.Policy{reloaded.Name: &reloaded}, []*policy.Policy{&reloaded}
			n.core.Swap(next)
			v := n.core.Start(t.Context(), a)
			want(t, v, verify.Reject, verify.ReasonNoPolicy)
			if said := n.lastRecord().Detail; !strings.Contains(said, `"code-only" when the user was asked, and has "challenge" now`) {
				t.Errorf("the audit says %q", said)
			}
		})
	}
}

func TestEnrolmentOffered(t *testing.T) {
	offer := func(n *newcomer) { n.policy.Enrol, n.policy.Second = policy.EnrolOffer, policy.DemandIfEnrolled }
	t.Run("and declined", func(t *testing.T) {
		n := newNewcomer(t, offer)
		v := n.try(password)
		asked(t, v, "Enrol. Or skip. ")
		v = n.answer(v.State, " SKIP ")
		want(t, v, verify.Accept, verify.ReasonPasswordOnly)
		if v.Level != 0 || v.Factor != "" || len(n.registry.changes) > 0 {
			t.Errorf("%+v", v)
		}
		a := attempt("alice", "")
		a.FirstFactorDone = true
		v = n.core.Start(t.Context(), a)
		a.Secret = attempt("", "skip").Secret
		want(t, n.core.Resume(t.Context(), v.State, a), verify.Accept, verify.ReasonNoDeviceAllowed)
	})
	t.Run("and taken", func(t *testing.T) {
		n := newNewcomer(t, offer)
		v := n.try(password)
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Accept, verify.ReasonEnrolled)
	})
	for name, change := range map[string]func(*newcomer){
		"a second factor is required":   func(n *newcomer) { n.policy.Second = policy.DemandRequired },
		"it is required by group":       func(n *newcomer) { n.policy.EnforcedGroups, n.alice().Groups = []string{"vip"}, []string{"vip"} },
		"a level is demanded":           func(n *newcomer) { n.policy.Level = 2 },
		"the policy requires enrolment": func(n *newcomer) { n.policy.Enrol = policy.EnrolRequire },
	} {
		t.Run("and not to be declined: "+name, func(t *testing.T) {
			n := newNewcomer(t, func(n *newcomer) { offer(n); change(n) })
			v := n.try(password)
			asked(t, v, "Enrol. ")
			v = n.answer(v.State, "skip")
			if v.Outcome == verify.Accept || v.Reason != verify.ReasonWrongConfirmation {
				t.Errorf("%v (%s)", v.Outcome, v.Reason)
			}
		})
	}
	t.Run("and meanwhile there is a device", func(t *testing.T) {
		n := newNewcomer(t, offer)
		v := n.try(password)
		n.alice().Devices = []directory.Device{totpDevice(rfcKey)}
		want(t, n.answer(v.State, "skip"), verify.Reject, verify.ReasonHasDevice)
	})
	t.Run("and meanwhile it is required", func(t *testing.T) {
		n := newNewcomer(t, offer)
		v := n.try(password)
		n.policy.Second = policy.DemandRequired
		if v := n.answer(v.State, "skip"); v.Outcome == verify.Accept {
			t.Error("let in")
		}
	})
}

// TestEnrolmentsAtOnceLeaveOneDevice: whoever is second learns it, and is not in.
func TestEnrolmentsAtOnceLeaveOneDevice(t *testing.T) {
	t.Run("the second has not answered yet", func(t *testing.T) {
		n := newNewcomer(t, nil)
		one, two := n.try(password), n.try(password)
		want(t, n.answer(one.State, n.shown(one, 0)), verify.Accept, verify.ReasonEnrolled)
		want(t, n.answer(two.State, n.shown(two, 0)), verify.Reject, verify.ReasonHasDevice)
	})
	t.Run("both are about to be written", func(t *testing.T) {
		n := newNewcomer(t, nil)
		one, two := n.try(password), n.try(password)
		n.registry.meanwhile = func() {
			want(t, n.node().Resume(t.Context(), two.State, attempt("alice", n.shown(two, 0))), verify.Accept, verify.ReasonEnrolled)
		}
		want(t, n.answer(one.State, n.shown(one, 0)), verify.Reject, verify.ReasonHasDevice)
		if got := n.lastRecord(); got.Enrolled != "" || got.Outcome != "reject" {
			t.Errorf("audit %+v", got)
		}
		if len(n.alice().Devices) != 1 {
			t.Errorf("%d devices", len(n.alice().Devices))
		}
	})
}

func TestEnrolmentEnds(t *testing.T) {
	t.Run("after some wrong codes, which are no guesses", func(t *testing.T) {
		n := newNewcomer(t, nil)
		for range 4 {
			v := n.try(password)
			for range 2 {
				v = n.answer(v.State, "000000")
				asked(t, v, "Enrol again. ")
			}
			again := n.shown(v, 0)
			want(t, n.answer(v.State, "000000"), verify.Reject, verify.ReasonWrongConfirmation)
			want(t, n.answer(v.State, again), verify.Reject, verify.ReasonBadState)
		}
		v := n.try(password) // not locked out
		state := n.answer(v.State, "000000").State
		want(t, n.answer(state, n.shown(v, 0)), verify.Accept, verify.ReasonEnrolled) // the same key as before
	})
	t.Run("at its time, which no wrong code puts off", func(t *testing.T) {
		n := newNewcomer(t, nil)
		v := n.try(password)
		n.clock.Add(90 * time.Second)
		v = n.answer(v.State, "000000")
		if v.Lifetime != 30 {
			t.Errorf("%d s are left", v.Lifetime)
		}
		for key, r := range n.store.records { // a store that forgets late: a new leader of etcd begins its leases anew
			r.expires = time.Time{}
			n.store.records[key] = r
		}
		n.clock.Add(30 * time.Second)
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Reject, verify.ReasonEnrolmentLate)
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Reject, verify.ReasonBadState)
	})
	t.Run("when too many were begun", func(t *testing.T) {
		n := newNewcomer(t, nil)
		for range 10 {
			asked(t, n.try(password), "Enrol. ")
		}
		want(t, n.try(password), verify.Reject, verify.ReasonTooManyEnrolments)
		want(t, n.node().Start(t.Context(), attempt("alice", password)), verify.Reject, verify.ReasonTooManyEnrolments)
		n.policy.Enrol, n.policy.Second = policy.EnrolOffer, policy.DemandIfEnrolled // who need not, gets in as ever
		want(t, n.try(password), verify.Accept, verify.ReasonPasswordOnly)
		n.policy.Enrol = policy.EnrolRequire
		n.clock.Add(5*time.Minute + time.Second)
		asked(t, n.try(password), "Enrol. ")
		want(t, n.try(password), verify.Reject, verify.ReasonTooManyEnrolments)
		if _, _, err := n.core.Unlock(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		asked(t, n.try(password), "Enrol. ")
	})
	t.Run("when the user is locked out meanwhile", func(t *testing.T) {
		n := newNewcomer(t, nil)
		right, wrong := n.try(password), n.try(password)
		for range 5 {
			n.try("wrong")
		}
		for state, code := range map[string]string{string(right.State): n.shown(right, 0), string(wrong.State): "000000"} {
			if v := n.answer([]byte(state), code); v.Outcome == verify.Accept || v.Enrolment != nil || v.Reason != verify.ReasonThrottled {
				t.Errorf("%v (%s), device shown: %v", v.Outcome, v.Reason, v.Enrolment != nil)
			}
		}
	})
	t.Run("when the policy has changed meanwhile", func(t *testing.T) {
		n := newNewcomer(t, nil)
		v := n.try(password)
		n.policy.Enrol = policy.EnrolOff
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Reject, verify.ReasonNoDevice)
	})
	t.Run("when the user has got recovery codes meanwhile", func(t *testing.T) {
		n := newNewcomer(t, func(n *newcomer) { n.setup.Factors = append(n.setup.Factors, recovery.New(n.clock.Now)) })
		v := n.try(password)
		_, record, err := recovery.Make(rand.Reader, n.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.core.PutRecord(t.Context(), "alice", recovery.Key, record); err != nil {
			t.Fatal(err)
		}
		if v := n.answer(v.State, n.shown(v, 0)); v.Outcome == verify.Accept {
			t.Error("let in")
		}
	})
}

// TestEnrolmentNeedsEveryCommit: whatever cannot be written, nobody is let in by it.
func TestEnrolmentNeedsEveryCommit(t *testing.T) {
	for _, err := range []error{errDown, fmt.Errorf("cn=x: %w", directory.ErrReadOnly), directory.ErrTooManyDevices, context.DeadlineExceeded} {
		n := newNewcomer(t, nil)
		v := n.try(password)
		n.registry.err = err
		code := n.shown(v, 0)
		v = n.answer(v.State, code)
		want(t, v, verify.Reject, verify.ReasonRegistryDown)
		if len(v.Attributes) > 0 || v.Level != 0 || v.Factor != "" || n.lastRecord().Enrolled != "" {
			t.Errorf("%v: %+v", err, v)
		}
	}
	t.Run("the code is claimed first", func(t *testing.T) {
		n := newNewcomer(t, nil)
		v := n.try(password)
		n.registry.meanwhile = func() {
			if len(n.marks()) == 0 {
				t.Error("the device is written before its code is claimed")
			}
		}
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Accept, verify.ReasonEnrolled)
	})
	t.Run("the store is down", func(t *testing.T) {
		n := newNewcomer(t, nil)
		v := n.try(password)
		code := n.shown(v, 0)
		n.people.meanwhile = nil
		n.store.setDown(errDown)
		if v := n.answer(v.State, code); v.Outcome == verify.Accept || len(n.registry.changes) > 0 {
			t.Errorf("%v, %d changes", v.Outcome, len(n.registry.changes))
		}
	})
	t.Run("the store goes down while the code is checked", func(t *testing.T) {
		n := newNewcomer(t, nil)
		totp, _ := n.setup.Factors[0].(verify.Enroller)
		n.setup.Factors[0] = meddling{totp, func() { n.store.setDown(errDown) }}
		n.core = n.node()
		v := n.try(password)
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Unavailable, verify.ReasonStoreDown)
		if len(n.registry.changes) > 0 {
			t.Error("the device was written down")
		}
	})
	t.Run("the audit is down", func(t *testing.T) {
		n := newNewcomer(t, nil)
		v := n.try(password)
		n.auditErr = errDown
		want(t, n.answer(v.State, n.shown(v, 0)), verify.Reject, verify.ReasonAuditDown)
	})
}

// meddling is a factor after whose checks something happens.
type meddling struct {
	verify.Enroller
	happens func()
}

func (m meddling) Check(ctx context.Context, u *directory.User, code string, marks verify.Marks) (verify.Finding, error) {
	f, err := m.Enroller.Check(ctx, u, code, marks)
	m.happens()
	return f, err
}

// TestEnrolmentKeepsItsSecret: until it is confirmed the key is in nothing that is written down, and in no words of ours
// ever.
func TestEnrolmentKeepsItsSecret(t *testing.T) {
	n := newNewcomer(t, func(n *newcomer) { n.policy.Enrol, n.policy.Second = policy.EnrolOffer, policy.DemandIfEnrolled })
	var said []string
	a := attempt("alice", password)
	a.Explain = func(d verify.Decision) { said = append(said, d.Step+" "+d.Text) }
	v := n.core.Start(t.Context(), a)
	key := strings.ReplaceAll(v.Enrolment.Key.Reveal(), " ", "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	hidden := func(where, text string) {
		t.Helper()
		for _, s := range []string{key, string(raw), v.Enrolment.Key.Reveal(), base64.StdEncoding.EncodeToString(raw), hex.EncodeToString(raw)} {
			if strings.Contains(strings.ToUpper(text), strings.ToUpper(s)) {
				t.Errorf("%s holds the key: %s", where, text)
			}
		}
	}
	for k, r := range n.store.records {
		hidden("the store", k+string(r.value))
	}
	a.Secret = attempt("", n.shown(v, 0)).Secret
	n.core.Resume(t.Context(), v.State, a)
	hidden("an explanation", strings.Join(said, "\n"))
	for _, r := range n.records {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		hidden("the audit", string(line))
	}
	printed, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	hidden("a verdict as JSON", string(printed))
	hidden("a verdict that is printed", fmt.Sprintf("%+v %#v", v, v.Enrolment))
	p, err := json.Marshal(n.preview(attempt("alice", ""), time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	hidden("a preview", string(p))
}

// TestEnrolmentLabels: what an app shows as the account, however long or missing what it is made of.
func TestEnrolmentLabels(t *testing.T) {
	for _, test := range []struct{ label, mail, account string }{
		{"", "", "alice"},
		{"{user}@vpn", "", "alice@vpn"},
		{"{mail}", "alice@example.org", "alice@example.org"},
		{"{mail}", "", "alice"},
		{"{mail}", strings.Repeat("é", 2000), strings.Repeat("é", 64)},
	} {
		n := newNewcomer(t, func(n *newcomer) { n.alice().Mail, n.setup.Devices.Label = test.mail, template(t, test.label) })
		key, err := otpauth.Parse(n.try(password).Enrolment.URI.Reveal())
		if err != nil || key.Account != test.account {
			t.Errorf("%q for a mail address of %d octets: %q, %v", test.label, len(test.mail), key.Account, err)
		}
	}
}

// TestEnrolmentIsBound to who began it, like every challenge.
func TestEnrolmentIsBound(t *testing.T) {
	n := newNewcomer(t, nil)
	n.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob"}
	v := n.try(password)
	for name, change := range map[string]func(*verify.Attempt){
		"user": func(a *verify.Attempt) { a.User = "bob" }, "client": func(a *verify.Attempt) { a.Client = "wlan" },
		"NAS": func(a *verify.Attempt) { a.NAS = "gw2" },
	} {
		a := attempt("alice", n.shown(v, 0))
		change(&a)
		if got := n.core.Resume(t.Context(), v.State, a); got.Reason != verify.ReasonForeignState {
			t.Errorf("another %s: %v (%s)", name, got.Outcome, got.Reason)
		}
	}
	want(t, n.answer(v.State, n.shown(v, 0)), verify.Accept, verify.ReasonEnrolled)
	want(t, n.answer(v.State, n.shown(v, 1)), verify.Reject, verify.ReasonBadState)
}

// TestEnrolmentGivesWhatAnyLoginGives: the client is told the same as after a login by that factor.
func TestEnrolmentGivesWhatAnyLoginGives(t *testing.T) {
	n := newNewcomer(t, func(n *newcomer) {
		n.policy.Reply = []policy.Reply{{Attribute: "Class", Value: template(t, "{level} by {factor}")}}
	})
	v := n.try(password)
	v = n.answer(v.State, n.shown(v, 0))
	n.clock.Add(time.Minute)
	again := n.try(password + n.code(n.alice().Devices[0].Secret.Reveal(), 0))
	if !slices.Equal(v.Attributes, again.Attributes) || len(v.Attributes) != 1 || v.Attributes[0].Value != "2 by totp" {
		t.Errorf("%v, and after another login %v", v.Attributes, again.Attributes)
	}
	if n.people.binds != 2 {
		t.Errorf("%d password checks", n.people.binds)
	}
}

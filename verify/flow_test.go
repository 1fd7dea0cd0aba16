package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/store"
	"tandem/verify"
	"tandem/verify/policy"
)

// Only what counts a failure may wait for others in the store: nobody waits at a prompt for the sake of a commit, and what
// the throttle does not bound does not hold the user's turn.
func TestOnlyFailuresAreUnhurried(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.Tries = policy.Challenge, 2
	waited := 0
	check := func(v verify.Verdict, outcome verify.Outcome, reason verify.Reason, waits int) verify.Verdict {
		t.Helper()
		want(t, v, outcome, reason)
		if n := b.store.unhurried - waited; n != waits {
			t.Errorf("%s, %s: %d Updates could wait, want %d", outcome, reason, n, waits)
		}
		waited = b.store.unhurried
		return v
	}
	challenge := func() []byte {
		t.Helper()
		return check(b.try(password), verify.Challenge, verify.ReasonCodeWanted, 0).State
	}
	check(b.try("wrong"), verify.Reject, verify.ReasonWrongPassword, 1)
	again := check(b.answer(challenge(), b.wrong(rfcKey)), verify.Challenge, verify.ReasonWrongCode, 0)
	check(b.answer(again.State, b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode, 1)
	check(b.answer(challenge(), b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK, 0)

	b.policy.Tries = 1
	check(b.answer(challenge(), b.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode, 0)

	// A wrong guess must not be given up for its wait, and be free, where a right one would be accepted.
	check(b.core.Start(endsAt{t.Context(), time.Now().Add(90 * time.Millisecond)}, attempt("alice", "wrong")), verify.Reject, verify.ReasonWrongPassword, 0)
	check(b.core.Start(endsAt{t.Context(), time.Now().Add(time.Hour)}, attempt("alice", "wrong")), verify.Reject, verify.ReasonWrongPassword, 1)

	b.policy.HideFirstFactor = true // then a wrong password must take no longer than a right one
	doomed := check(b.try("wrong"), verify.Challenge, verify.ReasonWrongPassword, 0)
	check(b.answer(doomed.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonWrongPassword, 0)
}

// endsAt says when it ends, and does not.
type endsAt struct {
	context.Context //nolint:containedctx // it is one
	at              time.Time
}

func (e endsAt) Deadline() (time.Time, bool) { return e.at, true }

func TestModes(t *testing.T) {
	t.Run("append", func(t *testing.T) {
		b := newBench(t)
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	})
	t.Run("append, code first", func(t *testing.T) {
		b := newBench(t)
		b.policy.CodeFirst = true
		want(t, b.try(b.code(rfcKey, 0)+password), verify.Accept, verify.ReasonOK)
	})
	t.Run("append with a delimiter", func(t *testing.T) {
		b := newBench(t)
		b.policy.Delimiter = ","
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonNoCode)
		want(t, b.try(password+","+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	})
	t.Run("challenge", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.Challenge
		v := b.try(password)
		want(t, v, verify.Challenge, verify.ReasonCodeWanted)
		if v.Message != "Code: " || v.Lifetime != 120 || v.Echo {
			t.Fatalf("challenge: %+v", v)
		}
		want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		if start, end := b.records[0], b.records[1]; start.ID != end.ID || start.Step != "start" || end.Step != "answer" {
			t.Fatalf("the two steps are not one login in the audit: %+v %+v", start, end)
		}
	})
	t.Run("code only", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.CodeOnly
		want(t, b.try(b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		if b.people.binds != 0 {
			t.Fatalf("%d password checks in code-only mode", b.people.binds)
		}
		want(t, b.try(password), verify.Reject, verify.ReasonWrongCode)
	})
	t.Run("auto takes both", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.Auto
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		b.clock.Add(30 * time.Second)
		v := b.try(password)
		want(t, v, verify.Challenge, verify.ReasonCodeWanted)
		want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	})
	t.Run("auto lets a password end in digits", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.Auto
		b.people.passwords["id-alice"] = "summer202611"
		v := b.try("summer202611")
		want(t, v, verify.Challenge, verify.ReasonCodeWanted)
		want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		want(t, b.try("summer202612"), verify.Reject, verify.ReasonWrongEither)
		want(t, b.try("winter"), verify.Reject, verify.ReasonWrongPassword)
	})
	t.Run("auto knows a used code", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.Auto
		code := b.code(rfcKey, 0)
		want(t, b.try(password+code), verify.Accept, verify.ReasonOK)
		binds := b.people.binds
		want(t, b.try(password+code), verify.Reject, verify.ReasonReplayedCode)
		if b.people.binds != binds {
			t.Fatal("a used code cost a password check")
		}
	})
}

func TestWindowAndDevices(t *testing.T) {
	for steps, accepted := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		b := newBench(t)
		v := b.try(password + b.code(rfcKey, steps))
		if (v.Outcome == verify.Accept) != accepted {
			t.Errorf("code of %d steps away: %v (%s)", steps, v.Outcome, v.Reason)
		}
	}

	b := newBench(t)
	eight := totpDevice(otherKey)
	eight.Digits, eight.Name = 8, "old token"
	b.alice().Devices = append(b.alice().Devices, eight, hotpDevice("counterkeycounterkey", 3))
	want(t, b.try(password+b.digits(otherKey, uint64(b.clock.Now().Unix()/30), 8)), verify.Accept, verify.ReasonOK)
	if d := b.lastRecord().Device; d != "old token" {
		t.Fatalf("device %q in the audit", d)
	}
	want(t, b.try(password+b.digits("counterkeycounterkey", 3, 6)), verify.Accept, verify.ReasonOK)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestWrongCodeCostsNoPasswordCheck(t *testing.T) {
	b := newBench(t)
	want(t, b.try(password+b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode)
	want(t, b.try("wrong"+b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode)
	if b.people.binds != 0 {
		t.Fatalf("a wrong code cost %d password checks", b.people.binds)
	}
}

func TestWrongPasswordBurnsNoCode(t *testing.T) {
	b := newBench(t)
	code := b.code(rfcKey, 0)
	want(t, b.try("wrong"+code), verify.Reject, verify.ReasonWrongPassword)
	want(t, b.try(password+code), verify.Accept, verify.ReasonOK)
}

func TestHOTP(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
	at := func(counter uint64) string { return password + b.digits(rfcKey, counter, 6) }

	want(t, b.try(at(0)), verify.Accept, verify.ReasonOK)
	want(t, b.try(at(0)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(at(11)), verify.Accept, verify.ReasonOK) // next 1, look-ahead 10
	want(t, b.try(at(5)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(at(12)), verify.Accept, verify.ReasonOK)

	t.Run("resynchronisation", func(t *testing.T) {
		want(t, b.try(at(60)), verify.Reject, verify.ReasonResync)
		want(t, b.try(at(62)), verify.Reject, verify.ReasonResync) // not in a row
		want(t, b.try(at(63)), verify.Accept, verify.ReasonOK)
		want(t, b.try(at(62)), verify.Reject, verify.ReasonReplayedCode)
		want(t, b.try(at(64)), verify.Accept, verify.ReasonOK)
	})
	t.Run("the second code must come soon", func(t *testing.T) {
		want(t, b.try(at(120)), verify.Reject, verify.ReasonResync)
		b.clock.Add(11 * time.Minute)
		want(t, b.try(at(121)), verify.Reject, verify.ReasonResync)
	})
}

func TestRetriesWithinOneChallenge(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.Tries = policy.Challenge, 2
	first := b.try(password)
	again := b.answer(first.State, b.wrong(rfcKey))
	want(t, again, verify.Challenge, verify.ReasonWrongCode)
	if again.Message != "Again: " || string(again.State) == string(first.State) {
		t.Fatalf("second challenge: %+v", again)
	}
	want(t, b.answer(first.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonBadState)
	want(t, b.answer(again.State, b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode)
	want(t, b.answer(again.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonBadState)
}

func TestDefaultIsOneTry(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	v := b.try(password)
	want(t, b.answer(v.State, b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode)
	want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonBadState)
}

func TestNoDevice(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = nil
	for _, mode := range policy.Modes {
		b.policy.Mode = mode
		want(t, b.try(password), verify.Reject, verify.ReasonNoDevice)
	}
	b.policy.Second = policy.DemandIfEnrolled
	for _, mode := range []policy.Mode{policy.Append, policy.Challenge, policy.Auto} {
		b.policy.Mode = mode
		want(t, b.try("wrong"), verify.Reject, verify.ReasonWrongPassword)
		want(t, b.try(password), verify.Accept, verify.ReasonPasswordOnly)
	}
	b.policy.Mode = policy.CodeOnly
	want(t, b.try(password), verify.Reject, verify.ReasonNoDevice)
}

func TestInputThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		user, typed string
		reason      verify.Reason
	}{
		"no name":           {"", "x", verify.ReasonBadName},
		"line break":        {"alice\r\nroot", "x", verify.ReasonBadName},
		"not UTF-8":         {"al\xe9", "x", verify.ReasonBadName},
		"long name":         {strings.Repeat("a", 254), "x", verify.ReasonBadName},
		"nothing typed":     {"alice", "", verify.ReasonEmptyPassword},
		"NUL":               {"alice", "a\x00b", verify.ReasonBadSecret},
		"password no UTF-8": {"alice", "p\xff123456", verify.ReasonBadSecret},
		"long password":     {"alice", strings.Repeat("p", 1025), verify.ReasonBadSecret},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			want(t, b.core.Start(t.Context(), attempt(c.user, c.typed)), verify.Reject, c.reason)
		})
	}
	b := newBench(t)
	a := attempt("alice", password+b.code(rfcKey, 0))
	a.Policy = "none such"
	want(t, b.core.Start(t.Context(), a), verify.Reject, verify.ReasonNoPolicy)
}

func TestRefusalIsRecordedInThePolicysWords(t *testing.T) {
	b := newBench(t)
	v := b.core.Refuse(t.Context(), attempt("alice", ""), verify.ReasonUnsupportedCreds)
	want(t, v, verify.Reject, verify.ReasonUnsupportedCreds)
	if v.Message != "No." || !v.Hold || b.lastRecord().Reason != verify.ReasonUnsupportedCreds {
		t.Fatalf("%+v, %+v", v, b.lastRecord())
	}
}

func TestUnlock(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.try("wrong" + b.wrong(rfcKey))
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
	account, _, err := b.core.Unlock(t.Context(), "Alice")
	if err != nil || account != "alice" {
		t.Fatalf("Unlock = %q, %v", account, err)
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	if _, _, err := b.core.Unlock(t.Context(), "nobody"); err == nil {
		t.Fatal("unlocked nobody")
	}
}

func TestThrottleHealsByTime(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.try("wrong" + b.wrong(rfcKey))
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
	b.clock.Add(5*time.Minute + time.Second)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestSwapWaitsForRunningAttempts(t *testing.T) {
	b := newBench(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	b.setup.Directory = slowDirectory{b.people, entered, leave}
	b.core = b.node()
	verdict := make(chan verify.Verdict)
	go func() { verdict <- b.core.Start(context.Background(), attempt("alice", password+b.code(rfcKey, 0))) }()
	<-entered

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.setup.Directory = &people{lookupErr: errDown}
	if err := b.core.Swap(b.setup)(ctx); err == nil {
		t.Fatal("Swap did not wait for the attempt that uses the old directory")
	}
	want(t, b.try("x"), verify.Unavailable, verify.ReasonDirectoryDown) // the new one is in force
	close(leave)
	want(t, <-verdict, verify.Accept, verify.ReasonOK)
}

type slowDirectory struct {
	*people
	entered, leave chan struct{}
}

func (d slowDirectory) Lookup(ctx context.Context, name string) (*directory.User, error) {
	d.entered <- struct{}{}
	<-d.leave
	return d.people.Lookup(ctx, name)
}

func TestDeadlineIsNotBlamedOnTheStore(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.people.lookupErr = context.Canceled
	cancel()
	want(t, b.core.Start(ctx, attempt("alice", password+b.code(rfcKey, 0))), verify.Unavailable, verify.ReasonTooLate)
}

func TestReady(t *testing.T) {
	b := newBench(t)
	if err := b.core.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.store.setDown(fmt.Errorf("%w: disk gone", store.ErrUnavailable))
	if err := b.core.Ready(t.Context()); err == nil {
		t.Fatal("ready without a store")
	}
}

func TestFirstFactorDone(t *testing.T) {
	done := func(user, typed string) verify.Attempt {
		a := attempt(user, typed)
		a.Door, a.FirstFactorDone = "pam", true
		return a
	}
	b := newBench(t)
	want(t, b.core.Start(t.Context(), done("alice", b.code(rfcKey, 0))), verify.Accept, verify.ReasonOK)
	b.clock.Add(30 * time.Second)
	v := b.core.Start(t.Context(), done("alice", ""))
	want(t, v, verify.Challenge, verify.ReasonCodeWanted)
	want(t, b.core.Resume(t.Context(), v.State, done("alice", b.code(rfcKey, 0))), verify.Accept, verify.ReasonOK)
	if b.people.binds != 0 {
		t.Fatal("a password was checked")
	}

	stranger := b.core.Start(t.Context(), done("nobody", ""))
	if stranger.Outcome != verify.Challenge || stranger.Message != v.Message {
		t.Fatalf("an unknown user is asked otherwise: %+v", stranger)
	}
	want(t, b.core.Resume(t.Context(), stranger.State, done("nobody", "123456")), verify.Reject, verify.ReasonUnknownUser)

	b.alice().Devices = nil
	want(t, b.core.Start(t.Context(), done("alice", "x")), verify.Reject, verify.ReasonNoDevice)
	b.policy.Second = policy.DemandIfEnrolled
	want(t, b.core.Start(t.Context(), done("alice", "")), verify.Accept, verify.ReasonNoDeviceAllowed)
}

func TestJunkThatSSHDFeedsIsNoGuess(t *testing.T) {
	b := newBench(t)
	for range 100 {
		want(t, b.try("\b\n\r\x7fINCORRECT"), verify.Reject, verify.ReasonBadSecret)
	}
	v := b.try(password + b.code(rfcKey, 0))
	want(t, v, verify.Accept, verify.ReasonOK)
	if v.Password.Reveal() != password {
		t.Fatalf("the bare password is %q", v.Password.Reveal())
	}
}

// localPasswords is a first factor beside the directory.
type localPasswords struct{}

func (localPasswords) CheckPassword(_ context.Context, _ *directory.User, typed string) error {
	if typed != "local" {
		return directory.ErrWrongPassword
	}
	return nil
}

func TestFirstFactorBesideTheDirectory(t *testing.T) {
	b := newBench(t)
	b.policy.FirstFactor = "pam"
	want(t, b.try("local"+b.code(rfcKey, 0)), verify.Reject, verify.ReasonNoPolicy)
	b.setup.Passwords = map[string]verify.PasswordChecker{"pam": localPasswords{}}
	b.core = b.node()
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonWrongPassword)
	want(t, b.try("local"+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	if b.people.binds != 0 {
		t.Fatal("the directory was asked")
	}
	if _, m, err := b.core.Asks(t.Context(), verify.Attempt{Policy: "default"}); m != policy.Append || err != nil {
		t.Fatalf("Asks = %q, %v", m, err)
	}
	if _, _, err := b.core.Asks(t.Context(), verify.Attempt{Policy: "none"}); !errors.Is(err, verify.ErrNoSuchPolicy) {
		t.Fatal("a policy that is not there")
	}
}

func TestExplainTellsEachDecisionAndNoSecret(t *testing.T) {
	b := newBench(t)
	var told []string
	a := attempt("alice", password+b.code(rfcKey, 0))
	a.Explain = func(d verify.Decision) { told = append(told, d.Step+": "+d.Text) }
	want(t, b.core.Start(t.Context(), a), verify.Accept, verify.ReasonOK)
	all := strings.Join(told, "\n")
	for _, step := range []string{"policy: default", "user: alice", "throttle: not", "code: totp: right", "password: right", "claim: recorded"} {
		if !strings.Contains(all, step) {
			t.Errorf("no %q in\n%s", step, all)
		}
	}
	if strings.Contains(all, password) || strings.Contains(all, b.code(rfcKey, 0)) {
		t.Fatalf("a secret is told:\n%s", all)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("correct horse123456", false, "")
	f.Add("123456correct horse", true, "")
	f.Add("pw,123456", false, ",")
	f.Add("123456", false, "")
	f.Add("pw１２３４５６", false, "")
	f.Add("", true, "::")
	f.Fuzz(func(t *testing.T, typed string, first bool, delimiter string) {
		verify.CheckSplit(t, typed, first, delimiter)
	})
}

func FuzzState(f *testing.F) {
	b := newBench(f)
	b.policy.Mode = policy.Challenge
	v := b.core.Start(context.Background(), attempt("alice", password))
	code := b.code(rfcKey, 0)
	f.Add(v.State)
	f.Add([]byte{})
	f.Add(v.State[:23])
	f.Add(append([]byte{0}, v.State[1:]...))
	f.Fuzz(func(t *testing.T, state []byte) {
		if string(state) == string(v.State) {
			return
		}
		r := b.core.Resume(context.Background(), state, attempt("alice", code))
		if r.Outcome != verify.Reject || r.Reason != verify.ReasonBadState {
			t.Fatalf("state %x: %v (%s)", state, r.Outcome, r.Reason)
		}
	})
}

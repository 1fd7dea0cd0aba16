package verify_test

// One test for each row of the threat model (docs/threat-model.md) that the core defends against.
// test/mutants/verify.toml takes each defence out and sees its test fail.

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/directory"
	"tandem/store"
	"tandem/verify"
	"tandem/verify/policy"
)

func TestRow08_StateIsBoundAndSpentOnce(t *testing.T) {
	open := func(t *testing.T) (*bench, []byte) {
		b := newBench(t)
		b.policy.Mode = policy.Challenge
		b.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob", Devices: []directory.Device{totpDevice(rfcKey)}}
		v := b.try(password)
		want(t, v, verify.Challenge, verify.ReasonCodeWanted)
		return b, v.State
	}
	t.Run("another client", func(t *testing.T) {
		b, state := open(t)
		a := attempt("alice", b.code(rfcKey, 0))
		a.Client = "other"
		want(t, b.core.Resume(t.Context(), state, a), verify.Reject, verify.ReasonForeignState)
	})
	t.Run("another NAS", func(t *testing.T) {
		b, state := open(t)
		a := attempt("alice", b.code(rfcKey, 0))
		a.NAS = "gw2"
		want(t, b.core.Resume(t.Context(), state, a), verify.Reject, verify.ReasonForeignState)
	})
	t.Run("another user", func(t *testing.T) {
		b, state := open(t)
		want(t, b.core.Resume(t.Context(), state, attempt("bob", b.code(rfcKey, 0))), verify.Reject, verify.ReasonForeignState)
		want(t, b.core.Resume(t.Context(), state, attempt("nobody", b.code(rfcKey, 0))), verify.Reject, verify.ReasonForeignState)
	})
	t.Run("the same user by another name", func(t *testing.T) {
		b, state := open(t)
		want(t, b.core.Resume(t.Context(), state, attempt("Alice@example.com", b.code(rfcKey, 0))), verify.Accept, verify.ReasonOK)
	})
	t.Run("replayed", func(t *testing.T) {
		b, state := open(t)
		want(t, b.answer(state, b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		want(t, b.answer(state, b.code(rfcKey, 1)), verify.Reject, verify.ReasonBadState)
	})
	t.Run("expired", func(t *testing.T) {
		b, state := open(t)
		b.clock.Add(2*time.Minute + time.Second)
		want(t, b.answer(state, b.code(rfcKey, 0)), verify.Reject, verify.ReasonBadState)
	})
	t.Run("made up", func(t *testing.T) {
		b, state := open(t)
		made := append([]byte(nil), state...)
		made[0] ^= 1
		want(t, b.answer(made, b.code(rfcKey, 0)), verify.Reject, verify.ReasonBadState)
	})
	t.Run("answered on two nodes at once", func(t *testing.T) {
		b, state := open(t)
		nodes := []*verify.Core{b.core, b.node(), b.node()}
		b.alice().Devices = append(b.alice().Devices, totpDevice(otherKey))
		accepts := inParallel(30, func(i int) bool {
			key := []string{rfcKey, otherKey}[i%2] // two right codes, one state
			return nodes[i%3].Resume(t.Context(), state, attempt("alice", b.code(key, 0))).Outcome == verify.Accept
		})
		if accepts != 1 {
			t.Fatalf("one state was answered %d times", accepts)
		}
	})
	t.Run("another node answers between check and commit", func(t *testing.T) {
		b, state := open(t)
		b.alice().Devices = append(b.alice().Devices, totpDevice(otherKey))
		other := b.node()
		b.setup.Factors = []verify.Factor{meanwhile{b.setup.Factors[0].(verify.Checker), func() {
			want(t, other.Resume(t.Context(), state, attempt("alice", b.code(otherKey, 0))), verify.Accept, verify.ReasonOK)
		}}}
		want(t, b.node().Resume(t.Context(), state, attempt("alice", b.code(rfcKey, 0))), verify.Reject, verify.ReasonBadState)
	})
	t.Run("128 random bits", func(t *testing.T) {
		seen := map[string]bool{}
		b, _ := open(t)
		for range 100 {
			v := b.try(password)
			if len(v.State) < 16 || seen[string(v.State[:16])] {
				t.Fatalf("state %x", v.State)
			}
			seen[string(v.State[:16])] = true
		}
	})
}

func inParallel(n int, do func(i int) bool) (yes int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			if do(i) {
				mu.Lock()
				yes++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return yes
}

func TestRow09_LockoutCountsAtRedemption(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	v := b.try(password)
	for range 5 {
		want(t, b.try("wrong"), verify.Reject, verify.ReasonWrongPassword)
	}
	want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
}

func TestRow12_EmptyPasswordNeverReachesTheDirectory(t *testing.T) {
	for _, mode := range policy.Modes {
		b := newBench(t)
		b.policy.Mode = mode
		want(t, b.try(""), verify.Reject, verify.ReasonEmptyPassword)
		if b.people.binds != 0 {
			t.Fatalf("mode %s: an empty password was checked", mode)
		}
	}
}

func TestRow13_SplitThatLeavesNoPassword(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Append, policy.Auto} {
		for _, first := range []bool{false, true} {
			b := newBench(t)
			b.policy.Mode, b.policy.CodeFirst = mode, first
			want(t, b.try(b.code(rfcKey, 0)), verify.Reject, verify.ReasonEmptyPassword)
			if b.people.binds != 0 {
				t.Fatalf("mode %s: an empty password was checked", mode)
			}
		}
	}
}

func TestRow16_OneUserOneKeyHoweverTheNameIsTyped(t *testing.T) {
	names := []string{"alice", "Alice", "ALICE ", "alice@example.com"}
	b := newBench(t)
	for i := range 5 {
		want(t, b.core.Start(t.Context(), attempt(names[i%len(names)], "wrong"+b.code(rfcKey, 0))), verify.Reject, verify.ReasonWrongPassword)
	}
	for _, name := range names {
		want(t, b.core.Start(t.Context(), attempt(name, password+b.code(rfcKey, 0))), verify.Reject, verify.ReasonThrottled)
	}

	b = newBench(t)
	want(t, b.core.Start(t.Context(), attempt("Alice", password+b.code(rfcKey, 0))), verify.Accept, verify.ReasonOK)
	for _, name := range names {
		want(t, b.core.Start(t.Context(), attempt(name, password+b.code(rfcKey, 0))), verify.Reject, verify.ReasonReplayedCode)
	}
}

func TestRow17_FailedLookupIsNotAUserWithoutDevices(t *testing.T) {
	b := newBench(t)
	b.policy.Second = policy.DemandIfEnrolled
	b.people.lookupErr = errDown
	for _, mode := range policy.Modes {
		b.policy.Mode = mode
		want(t, b.try(password), verify.Unavailable, verify.ReasonDirectoryDown)
	}
	if b.people.binds != 0 {
		t.Fatal("a password was checked")
	}
	b.people.lookupErr = nil
	b.people.bindErr = errDown
	b.policy.Mode = policy.Append
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Unavailable, verify.ReasonDirectoryDown)
	b.people.bindErr = nil
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK) // the code was not burnt
}

func TestRow20_UnreachableDirectoryIsNoWrongPassword(t *testing.T) {
	b := newBench(t)
	b.people.bindErr = errDown
	for range 50 {
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Unavailable, verify.ReasonDirectoryDown)
	}
	b.people.bindErr = nil
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestRow21_StateIsNeverReadFromTheDirectory(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 5)}
	want(t, b.try(password+b.digits(rfcKey, 5, 6)), verify.Accept, verify.ReasonOK)
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)} // a stale replica's counter
	want(t, b.try(password+b.digits(rfcKey, 5, 6)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+b.digits(rfcKey, 3, 6)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+b.digits(rfcKey, 6, 6)), verify.Accept, verify.ReasonOK)
}

func TestRow22_OnlyBrokenDevicesIsNotNoDevice(t *testing.T) {
	b := newBench(t)
	b.policy.Second = policy.DemandIfEnrolled
	b.alice().Devices, b.alice().Skipped = nil, []directory.Problem{{Device: "phone", Why: "bad base32"}}
	for _, mode := range []policy.Mode{policy.Append, policy.Challenge, policy.Auto} {
		b.policy.Mode = mode
		want(t, b.try(password), verify.Reject, verify.ReasonNoUsableDevice)
	}
	b.alice().Skipped, b.alice().Devices = nil, []directory.Device{{Type: "WebAuthn", Name: "key"}}
	want(t, b.try(password), verify.Reject, verify.ReasonNoUsableDevice)
}

func TestRow23_CodeWorksOnceInItsWindow(t *testing.T) {
	b := newBench(t)
	newer, older := b.code(rfcKey, 0), b.code(rfcKey, -1)
	want(t, b.try(password+newer), verify.Accept, verify.ReasonOK)
	want(t, b.try(password+newer), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+older), verify.Reject, verify.ReasonReplayedCode)
	b.clock.Add(30 * time.Second)
	want(t, b.try(password+newer), verify.Reject, verify.ReasonReplayedCode)

	t.Run("across modes", func(t *testing.T) {
		b.policy.Mode = policy.CodeOnly
		want(t, b.try(newer), verify.Reject, verify.ReasonReplayedCode)
		b.policy.Mode = policy.Challenge
		want(t, b.answer(b.try(password).State, newer), verify.Reject, verify.ReasonReplayedCode)
	})
	t.Run("across a restart", func(t *testing.T) {
		b.policy.Mode = policy.CodeOnly
		want(t, b.node().Start(t.Context(), attempt("alice", newer)), verify.Reject, verify.ReasonReplayedCode)
	})
	t.Run("across devices that hold one key", func(t *testing.T) {
		twin := totpDevice(rfcKey)
		twin.Name = "registered again"
		b.alice().Devices = append(b.alice().Devices, twin)
		want(t, b.try(newer), verify.Reject, verify.ReasonReplayedCode)
		want(t, b.try(b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		want(t, b.try(b.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode)
	})
	t.Run("after the entry was renamed", func(t *testing.T) {
		b.alice().Devices[0].Name = "renamed"
		want(t, b.try(b.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode)
	})
}

func TestRow24_OtherSpellingsOfACode(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.CodeOnly
	for name, spell := range map[string]func(code string) string{
		"space before": func(c string) string { return " " + c },
		"space after":  func(c string) string { return c + " " },
		"spaced":       func(c string) string { return c[:3] + " " + c[3:] },
		"plus":         func(c string) string { return "+" + c[1:] },
		"newline":      func(c string) string { return c + "\n" },
		"zero before":  func(c string) string { return "0" + c },
		"NUL":          func(c string) string { return c + "\x00" },
		"full-width":   fullWidth,
		"arabic":       arabic,
	} {
		if v := b.try(spell(b.code(rfcKey, 0))); v.Outcome != verify.Reject {
			t.Errorf("%s: %q was accepted", name, spell(b.code(rfcKey, 0)))
		}
		b.clock.Add(5 * time.Minute) // out of the throttle's way
	}
	want(t, b.try(b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)

	t.Run("a code of 6 is the end of the code of 8", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode = policy.CodeOnly
		eight := totpDevice(rfcKey)
		eight.Digits = 8
		b.alice().Devices = append(b.alice().Devices, eight)
		long := b.digits(rfcKey, uint64(b.clock.Now().Unix()/30), 8)
		want(t, b.try(long), verify.Accept, verify.ReasonOK)
		want(t, b.try(long[2:]), verify.Reject, verify.ReasonReplayedCode)
	})
}

func fullWidth(code string) (s string) {
	for _, r := range code {
		s += string('０' + (r - '0'))
	}
	return s
}

func arabic(code string) (s string) {
	for _, r := range code {
		s += string('٠' + (r - '0'))
	}
	return s
}

func TestRow25_OneYesForOneCodeOnManyNodes(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Append, policy.CodeOnly} {
		b := newBench(t)
		b.policy.Mode = mode
		typed := b.code(rfcKey, 0)
		if mode == policy.Append {
			typed = password + typed
		}
		nodes := []*verify.Core{b.core, b.node(), b.node()}
		accepts := inParallel(60, func(i int) bool {
			a := attempt("alice", typed)
			a.Door = []string{"radius", "pam"}[i%2]
			return nodes[i%3].Start(t.Context(), a).Outcome == verify.Accept
		})
		if accepts != 1 {
			t.Fatalf("mode %s: %d accepts for one code", mode, accepts)
		}
	}
}

func TestRow25_AnotherNodeClaimsBetweenCheckAndClaim(t *testing.T) {
	b := newBench(t)
	typed := password + b.code(rfcKey, 0)
	other := b.node()
	b.setup.Factors = []verify.Factor{meanwhile{b.setup.Factors[0].(verify.Checker), func() {
		want(t, other.Start(t.Context(), attempt("alice", typed)), verify.Accept, verify.ReasonOK)
	}}}
	want(t, b.node().Start(t.Context(), attempt("alice", typed)), verify.Reject, verify.ReasonReplayedCode)
}

// meanwhile lets something happen right after a code has been checked.
type meanwhile struct {
	verify.Checker
	happens func()
}

func (f meanwhile) Check(ctx context.Context, u *directory.User, code string, m verify.Marks) (verify.Finding, error) {
	finding, err := f.Checker.Check(ctx, u, code, m)
	f.happens()
	return finding, err
}

func TestRow27_ClockJumpsBack(t *testing.T) {
	b := newBench(t)
	late := b.code(rfcKey, 0)
	want(t, b.try(password+late), verify.Accept, verify.ReasonOK)
	b.clock.Add(-10 * time.Minute)
	early := b.code(rfcKey, 0)
	want(t, b.try(password+early), verify.Reject, verify.ReasonClockBehind)
	want(t, b.try(password+early), verify.Reject, verify.ReasonClockBehind) // an alarm, not a guess
	b.clock.Add(10 * time.Minute)
	want(t, b.try(password+late), verify.Reject, verify.ReasonReplayedCode)
	b.clock.Add(30 * time.Second)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestRow28_GuessesAreCountedOverEverything(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.CodeOnly
	b.alice().Devices = append(b.alice().Devices, totpDevice(otherKey), hotpDevice(otherKey, 0))
	nodes := []*verify.Core{b.core, b.node(), b.node()}
	looked := 0
	for i := range 500 { // a new source, session, door and node for every guess
		a := attempt("alice", b.wrong(rfcKey))
		a.Source, a.NAS, a.Door = fmt.Sprintf("203.0.113.%d:%d", i%250, i), fmt.Sprint("gw", i), []string{"radius", "pam"}[i%2]
		if nodes[i%3].Start(t.Context(), a).Reason == verify.ReasonWrongCode {
			looked++
		}
	}
	if looked != b.setup.Throttle.UserBurst {
		t.Fatalf("%d guesses were looked at, the cap is %d", looked, b.setup.Throttle.UserBurst)
	}
	b.clock.Add(24 * time.Hour)
	looked = 0
	for i := range 500 {
		a := attempt("alice", b.wrong(rfcKey))
		a.Source = fmt.Sprintf("192.0.2.%d-%d", i%250, i)
		if nodes[i%3].Start(t.Context(), a).Reason == verify.ReasonWrongCode {
			looked++
		}
	}
	if looked > b.setup.Throttle.UserBurst {
		t.Fatalf("a day later %d guesses at once", looked)
	}

	t.Run("parallel guesses cannot outrun the count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.setup.Factors = []verify.Factor{meanwhile{b.setup.Factors[0].(verify.Checker), func() { time.Sleep(time.Second) }}}
			b.core = b.node()
			wrong := b.wrong(rfcKey)
			guesses := inParallel(17, func(int) bool {
				return b.core.Start(t.Context(), attempt("alice", password+wrong)).Reason == verify.ReasonWrongCode
			})
			if guesses != b.setup.Throttle.SourceBurst {
				t.Fatalf("%d parallel guesses from one source, %d are allowed", guesses, b.setup.Throttle.SourceBurst)
			}
		})
	})
	t.Run("a login elsewhere gives no fresh start", func(t *testing.T) {
		b := newBench(t)
		guess := func(i int) verify.Verdict {
			a := attempt("alice", password+b.wrong(rfcKey))
			a.Source = fmt.Sprint("stranger ", i)
			return b.core.Start(t.Context(), a)
		}
		for i := range 24 {
			want(t, guess(i), verify.Reject, verify.ReasonWrongCode)
		}
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		want(t, guess(24), verify.Reject, verify.ReasonWrongCode)
		want(t, guess(25), verify.Reject, verify.ReasonThrottled)
	})
}

func TestRow30_StrangersCannotShutTheUserOut(t *testing.T) {
	b := newBench(t)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK) // alice's place is known now
	stranger := func(i int) verify.Verdict {
		a := attempt("alice", "guess"+b.wrong(rfcKey))
		a.Source = fmt.Sprintf("203.0.113.%d", i%200)
		return b.core.Start(t.Context(), a)
	}
	for i := range 300 {
		stranger(i)
	}
	want(t, stranger(301), verify.Reject, verify.ReasonThrottled)
	b.clock.Add(30 * time.Second)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)

	t.Run("one stranger does not use up the user's cap", func(t *testing.T) {
		b := newBench(t)
		for range 100 {
			a := attempt("alice", "guess"+b.wrong(rfcKey))
			a.Source = "203.0.113.9"
			b.core.Start(t.Context(), a)
		}
		want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	})
}

func TestRow31_RejectsTellNothing(t *testing.T) {
	b := newBench(t)
	b.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob"}
	b.people.passwords["id-bob"] = password
	used := b.code(rfcKey, 0)
	want(t, b.try(password+used), verify.Accept, verify.ReasonOK)
	b.clock.Add(30 * time.Second)
	verdicts := map[string]verify.Verdict{
		"unknown user":   b.core.Start(t.Context(), attempt("nobody", password+used)),
		"wrong password": b.try("wrong" + b.code(rfcKey, 0)),
		"wrong code":     b.try(password + b.wrong(rfcKey)),
		"used code":      b.try(password + used),
		"no device":      b.core.Start(t.Context(), attempt("bob", password+used)),
		"bad name":       b.core.Start(t.Context(), attempt("a\nb", password)),
		"nothing typed":  b.try(""),
		"no code":        b.try(password),
	}
	for range 5 {
		b.try("wrong" + b.wrong(rfcKey))
	}
	verdicts["throttled"] = b.try(password + b.code(rfcKey, 0))
	for name, v := range verdicts {
		if v.Outcome != verify.Reject || !v.Hold || v.State != nil || v.Lifetime != 0 {
			t.Errorf("%s: %+v", name, v)
		}
		if v.Message != "No." && v.Message != policy.DefaultTexts().Reject {
			t.Errorf("%s has a text of its own: %q", name, v.Message)
		}
	}

	t.Run("a dummy challenge", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode, b.policy.HideFirstFactor = policy.Challenge, true
		b.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob"}
		right := b.try(password)
		for name, a := range map[string]verify.Attempt{
			"unknown user": attempt("nobody", password), "wrong password": attempt("alice", "wrong"), "no device": attempt("bob", password),
		} {
			v := b.core.Start(t.Context(), a)
			if v.Outcome != verify.Challenge || v.Message != right.Message || v.Lifetime != right.Lifetime ||
				len(v.State) != len(right.State) || !v.Hold || !right.Hold {
				t.Errorf("%s: %+v, a right password: %+v", name, v, right)
			}
			if a.Secret = attempt("", b.code(rfcKey, 0)).Secret; b.core.Resume(t.Context(), v.State, a).Outcome != verify.Reject {
				t.Errorf("%s: the dummy challenge was answered", name)
			}
		}
		want(t, b.answer(right.State, b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	})
}

func TestRow34_SuccessIsNotCached(t *testing.T) {
	b := newBench(t)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	b.clock.Add(30 * time.Second)
	want(t, b.try("wrong"+b.code(rfcKey, 0)), verify.Reject, verify.ReasonWrongPassword)
	b.people.mu.Lock()
	b.people.passwords["id-alice"] = "changed"
	b.people.mu.Unlock()
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonWrongPassword)
	delete(b.people.users, "alice")
	want(t, b.try("changed"+b.code(rfcKey, 0)), verify.Reject, verify.ReasonUnknownUser)
}

func TestRow44_NoYesBeforeTheCommit(t *testing.T) {
	b := newBench(t)
	code := b.code(rfcKey, 0)
	var stood bool
	core, err := verify.New(t.Context(), verify.Config{
		Store: b.store, Now: b.clock.Now, Log: discard,
		Audit: verify.AuditFunc(func(verify.Record) error { // runs after the decision, before the reply
			stood = len(b.marks()) == 1
			return nil
		}),
	}, b.setup)
	if err != nil {
		t.Fatal(err)
	}
	want(t, core.Start(t.Context(), attempt("alice", password+code)), verify.Accept, verify.ReasonOK)
	if !stood {
		t.Fatal("the verdict fell before the claim was in the store")
	}
}

func TestRow45_BrokenStoreLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.store.setDown(fmt.Errorf("%w: no space left on device", store.ErrUnavailable))
	for _, mode := range policy.Modes {
		b.policy.Mode = mode
		for _, typed := range []string{password + b.code(rfcKey, 0), b.code(rfcKey, 0), password, "wrong" + b.wrong(rfcKey)} {
			if v := b.try(typed); v.Outcome != verify.Unavailable {
				t.Errorf("mode %s: %v (%s)", mode, v.Outcome, v.Reason)
			}
		}
	}

	t.Run("it breaks between check and claim", func(t *testing.T) {
		for _, typed := range []string{"right", "wrong"} { // a right and a wrong code must look the same
			b := newBench(t)
			b.setup.Factors = []verify.Factor{meanwhile{b.setup.Factors[0].(verify.Checker), func() {
				b.store.setDown(fmt.Errorf("%w: no space left on device", store.ErrUnavailable))
			}}}
			b.core = b.node()
			code := map[string]string{"right": b.code(rfcKey, 0), "wrong": b.wrong(rfcKey)}[typed]
			want(t, b.try(password+code), verify.Unavailable, verify.ReasonStoreDown)
		}
	})
	t.Run("the audit cannot be written", func(t *testing.T) {
		b := newBench(t)
		b.auditErr = errDown
		code := b.code(rfcKey, 0)
		want(t, b.try(password+code), verify.Reject, verify.ReasonAuditDown)
		b.auditErr = nil
		want(t, b.try(password+code), verify.Reject, verify.ReasonReplayedCode) // it counts as used
	})
}

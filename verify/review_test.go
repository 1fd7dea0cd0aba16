package verify_test

// What a second reading found, each with the test that would have found it.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/policy"
)

// conversation returns the outcomes of a login that answers each challenge wrongly.
func (b *bench) conversation(user, typed string, done bool) (outcomes string) {
	a := attempt(user, typed)
	a.FirstFactorDone = done
	v := b.core.Start(b.t.Context(), a)
	for outcomes = v.Outcome.String(); v.Outcome == verify.Challenge; outcomes += " " + v.Outcome.String() + ":" + v.Message {
		a := attempt(user, "junk")
		a.FirstFactorDone = done
		v = b.core.Resume(b.t.Context(), v.State, a)
	}
	return outcomes
}

func TestRow31_TheNumberOfQuestionsTellsNothing(t *testing.T) {
	for _, tries := range []int{1, 3, 8} { // 8: more than the throttle allows
		t.Run(fmt.Sprint(tries), func(t *testing.T) {
			open := func() *bench {
				b := newBench(t)
				b.policy.Mode, b.policy.HideFirstFactor, b.policy.Tries = policy.Challenge, true, tries
				b.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob"}
				b.people.passwords["id-bob"] = password
				return b
			}
			right := open().conversation("alice", password, false)
			for name, got := range map[string]string{
				"wrong password": open().conversation("alice", "wrong", false),
				"unknown user":   open().conversation("nobody", password, false),
				"no device":      open().conversation("bob", password, false),
			} {
				if got != right {
					t.Errorf("%s: %s; a right password: %s", name, got, right)
				}
			}
			known := open().conversation("alice", "", true)
			if unknown := open().conversation("nobody", "", true); unknown != known {
				t.Errorf("after a key, an unknown user: %s; a known one: %s", unknown, known)
			}
		})
	}
	t.Run("accounts without a second factor do not stand out", func(t *testing.T) {
		b := newBench(t)
		b.policy.Mode, b.policy.HideFirstFactor, b.policy.Second = policy.Challenge, true, policy.DemandIfEnrolled
		b.people.users["bob"] = &directory.User{ID: "id-bob", Name: "bob"}
		b.people.passwords["id-bob"] = password
		if got, want := b.conversation("bob", "wrong", false), b.conversation("alice", "wrong", false); got != want {
			t.Errorf("bob: %s, alice: %s", got, want)
		}
	})
	t.Run("a crowd on one user is told no", func(t *testing.T) {
		b := newBench(t)
		entered, leave := make(chan struct{}, 64), make(chan struct{})
		b.setup.Factors = []verify.Factor{meanwhile{b.setup.Factors[0].(verify.Checker), func() { entered <- struct{}{}; <-leave }}}
		b.core = b.node()
		verdicts := make(chan verify.Verdict, 40)
		for range 40 {
			go func() { verdicts <- b.try(password + "000000") }()
		}
		<-entered
		for range 40 - 17 {
			want(t, <-verdicts, verify.Reject, verify.ReasonOverloaded)
		}
		close(leave)
		for range 17 {
			if v := <-verdicts; v.Outcome != verify.Reject {
				t.Errorf("%v (%s)", v.Outcome, v.Reason)
			}
		}
	})
}

func TestRow28_PlacesThatAreSharedAreNobodys(t *testing.T) {
	b := newBench(t)
	at := func(typed string) verify.Verdict {
		a := attempt("alice", typed)
		a.Source = "" // a NAS without Calling-Station-Id: everybody's place
		return b.core.Start(t.Context(), a)
	}
	looked := 0
	for range 10 {
		want(t, at(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
		for range 4 {
			if at(password+b.wrong(rfcKey)).Reason == verify.ReasonWrongCode {
				looked++
			}
		}
		b.clock.Add(time.Minute)
		if b.lastRecord().Reason == verify.ReasonThrottled {
			break
		}
	}
	if looked > b.setup.Throttle.SourceBurst+2 {
		t.Fatalf("%d guesses beside alice's own logins", looked)
	}
}

func TestRow30_RefusedFailuresDoNotPutTheEndOff(t *testing.T) {
	b := newBench(t)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	for range 600 { // a device at alice's own place repeats an old password for two days
		b.try("old password" + b.code(rfcKey, 0))
		b.clock.Add(5 * time.Minute)
	}
	b.clock.Add(b.setup.Throttle.UserRefill)
	a := attempt("alice", password+b.code(rfcKey, 0))
	a.Source = "a new place"
	want(t, b.core.Start(t.Context(), a), verify.Accept, verify.ReasonOK)
}

func TestRow27_FailuresCountedByAClockThatWasAheadHeal(t *testing.T) {
	b := newBench(t)
	b.clock.Add(365 * 24 * time.Hour)
	for range 5 {
		want(t, b.try("wrong"+b.wrong(rfcKey)), verify.Reject, verify.ReasonWrongCode)
	}
	b.clock.Add(-365 * 24 * time.Hour)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
	b.clock.Add(b.setup.Throttle.UserRefill + time.Second) // both buckets count as full
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestUnlockHoldsThroughShorterBuckets(t *testing.T) {
	b := newBench(t)
	b.setup.Throttle.SourceBurst, b.setup.Throttle.SourceRefill = 5, 24*time.Hour
	b.core = b.node()
	for range 5 {
		b.try("wrong" + b.wrong(rfcKey))
	}
	b.setup.Throttle.SourceRefill = time.Minute // a reload
	b.core = b.node()
	if _, _, err := b.core.Unlock(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	b.clock.Add(7 * time.Hour)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestAutoModeWithAPasswordThatEndsLikeACodeFarAhead(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Auto
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
	typed := "pw" + b.digits(rfcKey, 60, 6)
	b.people.passwords["id-alice"] = typed
	v := b.try(typed)
	want(t, v, verify.Challenge, verify.ReasonCodeWanted)
	want(t, b.answer(v.State, b.digits(rfcKey, 0, 6)), verify.Accept, verify.ReasonOK)

	b.people.passwords["id-alice"] = password // and resynchronisation still works
	want(t, b.try(password+b.digits(rfcKey, 70, 6)), verify.Reject, verify.ReasonWrongEither)
	want(t, b.try(password+b.digits(rfcKey, 71, 6)), verify.Accept, verify.ReasonOK)
}

func TestTheLongerCodeIsCutOff(t *testing.T) {
	for _, order := range [][]int{{6, 8}, {8, 6}} {
		b := newBench(t)
		b.alice().Devices = nil
		for _, digits := range order {
			d := totpDevice(rfcKey)
			d.Digits = digits
			b.alice().Devices = append(b.alice().Devices, d)
		}
		want(t, b.try(password+b.digits(rfcKey, uint64(b.clock.Now().Unix()/30), 8)), verify.Accept, verify.ReasonOK)
	}
}

func TestLongNamesAreRecorded(t *testing.T) {
	b := newBench(t)
	want(t, b.core.Start(t.Context(), attempt(strings.Repeat("ä", 40_000), "x")), verify.Reject, verify.ReasonBadName)
	if r := b.lastRecord(); len(r.User) > 1100 || len(r.Detail) > 1100 || !strings.HasSuffix(r.User, "…") {
		t.Fatalf("%d octets of user, %d of detail", len(r.User), len(r.Detail))
	}
}

func TestEveryRejectUsesThePolicysWords(t *testing.T) {
	b := newBench(t)
	for _, typed := range []string{"", "a\x00b", "wrong", password + b.wrong(rfcKey)} {
		if v := b.try(typed); v.Message != "No." {
			t.Errorf("%q: %q", typed, v.Message)
		}
	}
	if v := b.answer([]byte("junk"), "x"); v.Message != "No." {
		t.Errorf("a bad state: %q", v.Message)
	}
}

// checkedAudit can say that it would fail.
type checkedAudit struct{ err error }

func (a checkedAudit) Record(verify.Record) error { return a.err }
func (a checkedAudit) Check() error               { return a.err }

func TestNotReadyWithoutAnAudit(t *testing.T) {
	b := newBench(t)
	full := errors.New("no space left on device")
	core, err := verify.New(t.Context(), verify.Config{Store: b.store, Now: b.clock.Now, Log: discard, Audit: checkedAudit{full}}, b.setup)
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Ready(t.Context()); !errors.Is(err, full) {
		t.Fatalf("Ready = %v", err)
	}
}

func TestKeysOfOddIdentifiersDoNotMeet(t *testing.T) {
	long := strings.Repeat("x", 200)
	ids := []string{long, verify.UserKey(long), "a/b", "a%2Fb", "sha256:", "a"}
	seen := map[string]string{}
	for _, id := range ids {
		k := verify.UserKey(id)
		if other, ok := seen[k]; ok {
			t.Errorf("%.40q and %.40q share the key %s", id, other, k)
		}
		seen[k] = id
	}
}

func TestRow28_NothingAskedProvesNothing(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = nil
	b.policy.Second = policy.DemandIfEnrolled
	looked := 0
	for range 20 {
		for range 4 {
			if b.try("wrong").Reason == verify.ReasonWrongPassword {
				looked++
			}
		}
		a := attempt("alice", "")
		a.FirstFactorDone = true
		b.core.Start(t.Context(), a)
	}
	if looked != b.setup.Throttle.SourceBurst {
		t.Fatalf("%d guesses were looked at, %d are allowed", looked, b.setup.Throttle.SourceBurst)
	}
}

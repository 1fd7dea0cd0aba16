package verify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/provider"
	"tandem/verify/recovery"
	"tandem/verify/rule"
)

// TestRow28_LoginsWithoutACodeForgiveNoWrongCodes: who knows the password can log in where it is enough; that must not
// make guessing codes free where it is not.
func TestRow28_LoginsWithoutACodeForgiveNoWrongCodes(t *testing.T) {
	for name, open := range map[string]func(*bench) verify.Attempt{
		"a policy with the second factor off": func(b *bench) verify.Attempt {
			open := *b.policy
			open.Name, open.Second = "open", policy.DemandOff
			b.setup.Policies["open"] = &open
			a := attempt("alice", password)
			a.Policy = "open"
			return a
		},
		"a level that the password reaches": func(b *bench) verify.Attempt {
			b.policy.FirstLevel = 1
			a := attempt("alice", password)
			a.Level = 1
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := open(b)
			b.core = b.node()
			guesses := 0
			for range 20 {
				for range 4 {
					if v := b.try(password + b.wrong(rfcKey)); v.Reason == verify.ReasonWrongCode {
						guesses++
					}
				}
				b.core.Start(t.Context(), a)
			}
			if guesses > 5 {
				t.Errorf("%d codes could be guessed in no time at all", guesses)
			}
		})
	}
	t.Run("a source where nothing was proven is not remembered", func(t *testing.T) {
		b := newBench(t)
		b.policy.Second = policy.DemandOff
		a := attempt("alice", "")
		a.FirstFactorDone = true
		want(t, b.core.Start(t.Context(), a), verify.Accept, verify.ReasonExempt)
		for k := range b.store.records {
			if strings.HasPrefix(k, "source/") {
				t.Errorf("remembered %s", k)
			}
		}
	})
}

// TestRow17_WhatDoesNotCountNowIsNotNothing: if-enrolled is for who has nothing at all.
func TestRow17_WhatDoesNotCountNowIsNotNothing(t *testing.T) {
	for name, change := range map[string]func(*office){
		"a level is demanded": func(o *office) {
			o.alice().Phone, o.alice().Mail = "", ""
			o.policy.Level = 3
		},
		"a rule that cannot be evaluated": func(o *office) {
			o.policy.Factors = []string{"mail"}
			o.setup.When = map[string]*rule.Rule{"mail": compileRule(t, `attributes["clearance"][0] == "high"`)}
		},
		"an address of a factor that is worth too little": func(o *office) { o.policy.Level = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, func(o *office) {
				o.alice().Devices = nil
				o.policy.Second, o.policy.FirstLevel = policy.DemandIfEnrolled, 1
				change(o)
			})
			if v := o.try(password); v.Outcome == verify.Accept {
				t.Errorf("in by password: %s", v.Reason)
			}
		})
	}
	t.Run("recovery codes that are used up", func(t *testing.T) {
		b := newBench(t)
		b.alice().Devices = nil
		b.policy.Second, b.policy.Mode = policy.DemandIfEnrolled, policy.Auto
		b.setup.Factors = append(b.setup.Factors, recovery.New(b.clock.Now))
		b.core = b.node()
		codes, record, err := recovery.Make(rand.Reader, b.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.core.PutRecord(t.Context(), "alice", recovery.Key, record); err != nil {
			t.Fatal(err)
		}
		for _, c := range codes {
			want(t, b.try(password+c), verify.Accept, verify.ReasonOK)
		}
		if v := b.try(password); v.Outcome == verify.Accept {
			t.Errorf("in by password: %s", v.Reason)
		}
	})
}

func TestEnforcedGroupsWhateverTheLevel(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.FirstLevel, b.policy.EnforcedGroups = policy.Auto, 1, []string{"admins"}
	b.alice().Groups = []string{"admins"}
	a := attempt("alice", password)
	a.Level = 1
	want(t, b.core.Start(t.Context(), a), verify.Challenge, verify.ReasonCodeWanted)
}

func TestAllowedGroupsAtTheAnswer(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.AllowedGroups = policy.Challenge, []string{"vpn"}
	b.alice().Groups = []string{"vpn"}
	v := b.try(password)
	b.alice().Groups = nil
	want(t, b.answer(v.State, b.code(rfcKey, 0)), verify.Reject, verify.ReasonNotInGroup)
}

func TestAsksLooksUserUpForRules(t *testing.T) {
	b := newBench(t)
	b.alice().Groups = []string{"staff"}
	b.ruled(t, `inGroup("staff")`)
	named := unnamed("alice", "")
	named.Policy = "p0"
	for _, a := range []verify.Attempt{named, unnamed("alice", "")} {
		if name, _, err := b.core.Asks(t.Context(), a); name != "p0" || err != nil {
			t.Errorf("policy %q: %q, %v", a.Policy, name, err)
		}
	}
	b.alice().Groups = nil
	if _, _, err := b.core.Asks(t.Context(), unnamed("alice", "")); !errors.Is(err, verify.ErrNoPolicyHolds) {
		t.Error(err)
	}
	b.people.lookupErr = errDown
	if _, _, err := b.core.Asks(t.Context(), unnamed("alice", "")); !errors.Is(err, errDown) {
		t.Error(err)
	}
}

// TestRow48_DeliveredCodeEndsWithItsLifetime, even if the store forgets late: a change of etcd's leader begins its leases
// anew.
func TestRow48_DeliveredCodeEndsWithItsLifetime(t *testing.T) {
	o := newOffice(t, only("sms"))
	ask(t, o.try(password+",sms"), "Sent by SMS …12: ")
	o.clock.Add(8 * time.Minute) // five, and what clocks may differ by
	for k, r := range o.store.records {
		if !r.expires.IsZero() {
			r.expires = r.expires.Add(time.Hour)
			o.store.records[k] = r
		}
	}
	if v := o.try(password + o.sms.last(t)); v.Outcome == verify.Accept {
		t.Error("a code was accepted after its end")
	}
}

func TestTooManySendsLeaveWhatIsThere(t *testing.T) {
	o := newOffice(t, func(o *office) {
		o.policy.Mode, o.policy.Factors, o.setup.Throttle.SendBurst = policy.Challenge, []string{"sms", "totp"}, 1
	})
	ask(t, o.try(password), "Sent by SMS …12: ")
	o.clock.Add(time.Minute)
	state := ask(t, o.try(password), "Sent before by SMS …12: ") // it is still good
	ask(t, o.answer(state, "resend"), "Not yet: ")
	want(t, o.try(password), verify.Challenge, verify.ReasonCodeWanted)
	o.clock.Add(3*time.Minute + 50*time.Second) // it is not, and no other may be sent yet
	o.store.records = forget(o.store.records, "delivery/")
	state = ask(t, o.try(password), "Code: ")
	want(t, o.answer(state, o.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func forget(records map[string]memoryRecord, part string) map[string]memoryRecord {
	for k := range records {
		if strings.Contains(k, part) {
			delete(records, k)
		}
	}
	return records
}

func TestSendsThatWereNotMadeDoNotCount(t *testing.T) {
	o := newOffice(t, func(o *office) {
		o.policy.Mode, o.policy.Factors, o.policy.Fallback = policy.Challenge, []string{"sms", "mail"}, []string{"mail"}
	})
	o.sms.err = provider.ErrResting // nobody is even called
	for range 5 {
		state := ask(t, o.try(password), "SMS failed. Sent by MAIL …rg: ")
		want(t, o.answer(state, o.mail.last(t)), verify.Accept, verify.ReasonOK)
	}
	want(t, o.try(password), verify.Reject, verify.ReasonTooManySends)
}

// TestRow31_SendFailureAfterAKey: with the first factor done elsewhere, whoever it is, a code is asked for.
func TestRow31_SendFailureAfterAKey(t *testing.T) {
	o := newOffice(t, func(o *office) { o.alice().Devices = nil })
	o.sms.err, o.mail.err = errProvider, errProvider
	for _, user := range []string{"alice", "mallory"} {
		a := attempt(user, "")
		a.FirstFactorDone = true
		ask(t, o.core.Start(t.Context(), a), "Code: ")
	}
}

type offline struct{ verify.Checker }

func (offline) Check(context.Context, *directory.User, string, verify.Marks) (verify.Finding, error) {
	return verify.Finding{}, errProvider
}

// TestRow31_HiddenWhileAServiceIsDown: what hides a wrong password hides it then, too.
func TestRow31_HiddenWhileAServiceIsDown(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.HideFirstFactor = policy.Challenge, true
	b.setup.Factors = []verify.Factor{offline{b.setup.Factors[0].(verify.Checker)}}
	b.core = b.node()
	right, wrong := b.try(password), b.try("wrong")
	if r, w := b.answer(right.State, "123456"), b.answer(wrong.State, "123456"); r.Outcome != verify.Reject || w.Outcome != verify.Reject {
		t.Errorf("right password: %v, wrong password: %v", r.Outcome, w.Outcome)
	}
}

// TestRow31_LanguageTellsNothing before the first factor was right.
func TestRow31_LanguageTellsNothing(t *testing.T) {
	b := newBench(t)
	b.policy.Texts, b.policy.LanguageAttribute = policy.Texts{}, "preferredLanguage"
	b.alice().Attributes = map[string][]string{"preferredLanguage": {"fr"}}
	same := func() {
		t.Helper()
		a, m := b.core.Start(t.Context(), attempt("alice", "nonsense")), b.core.Start(t.Context(), attempt("mallory", "nonsense"))
		if a.Message != m.Message {
			t.Errorf("alice: %q; nobody: %q", a.Message, m.Message)
		}
	}
	same()
	b.policy.Mode, b.policy.HideFirstFactor = policy.Challenge, true
	same()
	if right, wrong := b.try(password), b.try("wrong"); right.Message != wrong.Message {
		t.Errorf("right password: %q, wrong password: %q", right.Message, wrong.Message)
	}
}

// TestHiddenAccountState: an expired account's right password opens a challenge like any other, and its answer is a no.
func TestHiddenAccountState(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.HideFirstFactor, b.policy.TellAccountState = policy.Challenge, true, true
	b.people.bindErr = &directory.AccountError{Condition: directory.AccountExpired, CountsAs: directory.ErrWrongPassword, PasswordRight: true}
	v := b.answer(b.try(password).State, "123456")
	if v.Outcome != verify.Reject || v.Message != "No." {
		t.Errorf("%+v", v)
	}
}

// TestRow08_StatesAreText: some NASes send back what stands before the first NUL.
func TestRow08_StatesAreText(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	for range 100 {
		state := b.try(password).State
		if len(state) != 48 || strings.Trim(string(state), "0123456789abcdef") != "" {
			t.Fatalf("state %q", state)
		}
		if !b.core.Plausible(state) || b.core.Plausible(state[:47]) || b.core.Plausible(append(state, '0')) {
			t.Fatal("not plausible, or too much is")
		}
	}
}

package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

func compileRule(t *testing.T, text string) *rule.Rule {
	t.Helper()
	r, err := rule.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ruled makes the bench choose by rules: each policy is a copy of its own with that name and rule.
func (b *bench) ruled(t *testing.T, rules ...string) []*policy.Policy {
	t.Helper()
	b.setup.Order = nil
	for i, text := range rules {
		p := *b.policy
		p.Name = fmt.Sprintf("p%d", i)
		if text != "" {
			p.When = compileRule(t, text)
		}
		b.setup.Policies[p.Name] = &p
		b.setup.Order = append(b.setup.Order, &p)
	}
	b.core = b.node()
	return b.setup.Order
}

// unnamed is an attempt for which the client names no policy.
func unnamed(user, typed string) verify.Attempt {
	a := attempt(user, typed)
	a.Policy = ""
	return a
}

func TestFirstPolicyThatHoldsIsTaken(t *testing.T) {
	b := newBench(t)
	b.alice().Groups = []string{"staff"}
	b.alice().Mail = "alice@example.org"
	b.ruled(t, `client == "wlan" or attribute("mail") endsWith "@example.com"`, `inGroup("staff") and attribute("mail") != ""`, `inGroup("staff") and via == "radius"`, ``)
	typed := password + b.code(rfcKey, 0)
	want(t, b.core.Start(t.Context(), unnamed("alice", typed)), verify.Accept, verify.ReasonOK)
	if got := b.lastRecord().Policy; got != "p1" {
		t.Errorf("policy %s", got)
	}
	b.alice().Groups = nil
	b.core.Start(t.Context(), unnamed("alice", "x"))
	if got := b.lastRecord().Policy; got != "p3" {
		t.Errorf("policy %s", got)
	}
	named := attempt("alice", "x")
	named.Policy = "p2" // its rule must hold all the same
	want(t, b.core.Start(t.Context(), named), verify.Reject, verify.ReasonNoPolicy)
}

func TestNoPolicyHolds(t *testing.T) {
	b := newBench(t)
	b.ruled(t, `client == "wlan"`)
	v := b.core.Start(t.Context(), unnamed("alice", password+b.code(rfcKey, 0)))
	want(t, v, verify.Reject, verify.ReasonNoPolicy)
	if v.Message != policy.DefaultTexts().Reject || !v.Hold {
		t.Errorf("%+v", v)
	}
}

// TestDirectoryDownIsNoReject: which policy would hold is not known then, and the NAS may ask another node.
func TestDirectoryDownIsNoReject(t *testing.T) {
	b := newBench(t)
	b.ruled(t, `inGroup("staff")`)
	b.people.lookupErr = errDown
	want(t, b.core.Start(t.Context(), unnamed("alice", "x")), verify.Unavailable, verify.ReasonDirectoryDown)
}

// TestRow17_BrokenRuleIsNoWayRound: the policies after one whose rule cannot be evaluated may ask for less.
func TestRow17_BrokenRuleIsNoWayRound(t *testing.T) {
	b := newBench(t)
	order := b.ruled(t, `attributes["clearance"][0] == "high"`, ``)
	order[1].Second = policy.DemandOff
	want(t, b.core.Start(t.Context(), unnamed("alice", password)), verify.Reject, verify.ReasonNoPolicy)
}

func TestChallengeKeepsItsPolicy(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	b.ruled(t, `time.Year() == 2023 and not inGroup("late")`, ``)
	v := b.core.Start(t.Context(), unnamed("alice", password))
	want(t, v, verify.Challenge, verify.ReasonCodeWanted)
	b.alice().Groups = []string{"late"}
	want(t, b.core.Resume(t.Context(), v.State, unnamed("alice", b.code(rfcKey, 0))), verify.Accept, verify.ReasonOK)
	if got := b.lastRecord().Policy; got != "p0" {
		t.Errorf("policy %s", got)
	}
}

func TestUnknownUsersAreHiddenByRulesToo(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.HideFirstFactor = policy.Challenge, true
	b.ruled(t, `client == "vpn"`, ``)
	for _, user := range []string{"alice", "mallory"} {
		v := b.core.Start(t.Context(), unnamed(user, "wrong"))
		if v.Outcome != verify.Challenge || b.lastRecord().Policy != "p0" {
			t.Errorf("%s: %+v", user, v)
		}
	}
}

func TestAllowedGroups(t *testing.T) {
	b := newBench(t)
	b.policy.AllowedGroups = []string{"VPN-Users"}
	typed := password + b.code(rfcKey, 0)
	want(t, b.try(typed), verify.Reject, verify.ReasonNotInGroup)
	b.alice().Groups = []string{"vpn-users"}
	want(t, b.try(typed), verify.Accept, verify.ReasonOK)
}

func TestLevels(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.FirstLevel = policy.Auto, 1
	b.setup.Levels = map[string]int{"totp": 3, "hotp": 2}
	b.alice().Devices = append(b.alice().Devices, hotpDevice(otherKey, 0))
	b.core = b.node()
	try := func(demanded int, typed string) verify.Verdict {
		a := attempt("alice", typed)
		a.Level = demanded
		return b.core.Start(t.Context(), a)
	}
	// The first factor is worth 1.
	v := try(1, password)
	want(t, v, verify.Accept, verify.ReasonLevel)
	if v.Level != 1 || v.Factor != "" {
		t.Errorf("%+v", v)
	}
	want(t, try(2, password), verify.Challenge, verify.ReasonCodeWanted)
	v = try(2, password+b.digits(otherKey, 0, 6))
	want(t, v, verify.Accept, verify.ReasonOK)
	if v.Level != 2 || v.Factor != "hotp" {
		t.Errorf("%+v", v)
	}
	// What is worth less than demanded does not count.
	if v := try(3, password+b.digits(otherKey, 1, 6)); v.Outcome == verify.Accept {
		t.Errorf("%+v", v)
	}
	v = try(3, password+b.code(rfcKey, 0))
	want(t, v, verify.Accept, verify.ReasonOK)
	if v.Level != 3 || v.Factor != "totp" {
		t.Errorf("%+v", v)
	}
	want(t, try(4, password+b.code(rfcKey, 1)), verify.Reject, verify.ReasonNoUsableDevice)
	// The policy's demand and the client's: the higher one.
	b.policy.Level = 3
	want(t, try(1, password), verify.Challenge, verify.ReasonCodeWanted)
	// Off does not mean below the level.
	b.policy.Second = policy.DemandOff
	want(t, try(0, password), verify.Challenge, verify.ReasonCodeWanted)
}

func TestGradualRollOut(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.Spared = policy.Auto, 70
	spared := 0
	for i := range 1000 {
		name := fmt.Sprintf("user%d", i)
		b.people.users[name] = &directory.User{ID: "id-" + name, Name: name}
		b.people.passwords["id-"+name] = password
		v := b.core.Start(t.Context(), attempt(name, password))
		switch v.Outcome {
		case verify.Accept:
			spared++
			b.policy.Spared = 80 // who is spared at 70 is spared at 80
			want(t, b.core.Start(t.Context(), attempt(name, password)), verify.Accept, verify.ReasonPasswordOnly)
			b.policy.Spared = 70
		default:
			want(t, v, verify.Reject, verify.ReasonNoDevice)
		}
	}
	if spared < 650 || spared > 750 {
		t.Errorf("%d of 1000 are spared, instead of 70 %%", spared)
	}
	// Who is enrolled is asked in any case.
	want(t, b.try(password), verify.Challenge, verify.ReasonCodeWanted)
}

func TestRequiredFromADay(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = nil
	b.policy.Mode, b.policy.Second = policy.Auto, policy.DemandIfEnrolled
	b.policy.RequiredFrom = b.clock.Now().Add(time.Hour)
	want(t, b.try(password), verify.Accept, verify.ReasonPasswordOnly)
	b.clock.Add(time.Hour)
	want(t, b.try(password), verify.Reject, verify.ReasonNoDevice)
}

func TestLanguages(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	b.policy.Texts = policy.Texts{Prompt: "Code please: "}
	b.policy.Language, b.policy.LanguageAttribute = "de", "preferredLanguage"
	for language, retry := range map[string]string{
		"":      "Falscher Code. Code: ",
		"fr-CA": "Code erroné. Code : ",
		"en":    "Wrong code. Code: ",
		"tlh":   "Falscher Code. Code: ",
		"DE_at": "Falscher Code. Code: ",
	} {
		b.policy.Tries = 2
		b.alice().Attributes = map[string][]string{"preferredLanguage": {language}}
		v := b.try(password)
		if v.Message != "Code please: " { // the policy's own
			t.Errorf("%q: %q", language, v.Message)
		}
		if v = b.answer(v.State, b.wrong(rfcKey)); v.Message != retry {
			t.Errorf("%q: %q", language, v.Message)
		}
		if _, _, err := b.core.Unlock(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
	}
	if v := b.try("wrong"); !strings.HasPrefix(v.Message, "Anmeldung abgelehnt. ") {
		t.Errorf("before the password is right, %q", v.Message)
	}
}

func TestReplyAttributes(t *testing.T) {
	b := newBench(t)
	b.alice().Groups = []string{"staff", "vpn"}
	b.alice().Attributes = map[string][]string{"ip": {"192.0.2.7"}}
	b.policy.Mode = policy.Auto
	b.policy.Reply = []policy.Reply{
		{Attribute: "Class", Value: template(t, "OU={groups}")},
		{Attribute: "Framed-IP-Address", Value: template(t, "{ip}")},
		{Attribute: "Filter-Id", Value: template(t, "{{x}} level {level} by {factor}")},
		{Attribute: "Never", Value: template(t, "{nothing}")},
		{Attribute: "Only-Elsewhere", Value: template(t, "x"), When: compileRule(t, `client == "wlan"`)},
		{Attribute: "Here", Value: template(t, "y"), When: compileRule(t, `client == "vpn"`)},
	}
	const wanted = "[{Class OU=staff} {Class OU=vpn} {Framed-IP-Address 192.0.2.7} {Filter-Id {x} level 2 by totp} {Here y}]"
	v := b.try(password + b.code(rfcKey, -1))
	if got := fmt.Sprint(v.Attributes); v.Outcome != verify.Accept || got != wanted {
		t.Errorf("appended: %v %s", v.Outcome, got)
	}
	v = b.answer(b.try(password).State, b.code(rfcKey, 0))
	if got := fmt.Sprint(v.Attributes); v.Outcome != verify.Accept || got != wanted {
		t.Errorf("challenge: %v %s", v.Outcome, got)
	}
	if v := b.try("wrong"); v.Attributes != nil {
		t.Errorf("a reject carries %v", v.Attributes)
	}
}

// TestRow17_WhatCannotBeToldLetsNobodyIn: the audit says so too, and the code stays good.
func TestRow17_WhatCannotBeToldLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.policy.Reply = []policy.Reply{{Attribute: "Framed-IP-Address", Value: template(t, "no address")}}
	a := attempt("alice", password+b.code(rfcKey, 0))
	a.CanTell = func(given []verify.Attribute) error { return fmt.Errorf("cannot tell %v", given) }
	if v := b.core.Start(t.Context(), a); v.Outcome != verify.Reject || v.Reason != verify.ReasonReplyInvalid {
		t.Errorf("%v %s", v.Outcome, v.Reason)
	}
	if r := b.lastRecord(); r.Outcome != "reject" || r.Reason != verify.ReasonReplyInvalid || !strings.Contains(r.Detail, "no address") {
		t.Errorf("the audit says %+v", r)
	}
	a.CanTell = func([]verify.Attribute) error { return nil }
	if v := b.core.Start(t.Context(), a); v.Outcome != verify.Accept {
		t.Errorf("the code was used up: %v %s", v.Outcome, v.Reason)
	}
}

// TestRow17_BrokenReplyRuleLetsNobodyIn: the attribute may be what keeps the user in their network.
func TestRow17_BrokenReplyRuleLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.policy.Reply = []policy.Reply{{
		Attribute: "Tunnel-Private-Group-Id", Value: template(t, "quarantine"), When: compileRule(t, `attributes["clearance"][0] == "low"`),
	}}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonNoPolicy)
}

// TestRow17_BrokenFactorRuleIsNoDevice: a factor that may not be there is not there, and that lets nobody in without it.
func TestRow17_BrokenFactorRuleIsNoDevice(t *testing.T) {
	b := newBench(t)
	b.policy.Mode, b.policy.Second = policy.Auto, policy.DemandIfEnrolled
	b.setup.When = map[string]*rule.Rule{"totp": compileRule(t, `attributes["clearance"][0] == "high"`)}
	b.core = b.node()
	want(t, b.try(password), verify.Reject, verify.ReasonNoUsableDevice)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonNoUsableDevice)
}

func TestAccountState(t *testing.T) {
	b := newBench(t)
	b.policy.Mode = policy.Challenge
	account := &directory.AccountError{Condition: directory.PasswordExpired, CountsAs: directory.ErrWrongPassword, PasswordRight: true}
	b.people.bindErr = account
	expired := policy.DefaultTexts().PasswordExpired
	if v := b.try(password); v.Message == expired || v.Reason != verify.ReasonAccountState {
		t.Errorf("told without being asked to: %+v", v)
	}
	b.policy.TellAccountState = true
	for range 10 { // it is no guess
		if v := b.try(password); v.Outcome != verify.Reject || v.Reason != verify.ReasonAccountState || v.Message != expired || !v.Hold {
			t.Fatalf("%+v", v)
		}
	}
	// What the directory says to anybody is told to nobody.
	account.PasswordRight = false
	if v := b.try(password); v.Message == expired || v.Reason != verify.ReasonWrongPassword {
		t.Errorf("%+v", v)
	}
	// A challenge that hides the password's being right hides this.
	account.PasswordRight, b.policy.HideFirstFactor = true, true
	if v := b.try(password); v.Outcome != verify.Challenge || v.Message != "Code: " {
		t.Errorf("%+v", v)
	}
}

// TestRow16_RealmsAreTakenOff: whatever stands beside the name, it is one user with one throttle.
func TestRow16_RealmsAreTakenOff(t *testing.T) {
	b := newBench(t)
	try := func(name, typed string) verify.Verdict {
		a := attempt(name, typed)
		a.Names = directory.Names{Domains: []string{"CORP"}, Realms: []string{"vpn.example"}}
		return b.core.Start(t.Context(), a)
	}
	typed := password + b.code(rfcKey, 0)
	want(t, try(`corp\alice`, typed), verify.Accept, verify.ReasonOK)
	want(t, try("ALICE@VPN.example", typed), verify.Reject, verify.ReasonReplayedCode)
	want(t, try(`OTHER\alice`, typed), verify.Reject, verify.ReasonUnknownUser)
	want(t, try(`CORP\`, typed), verify.Reject, verify.ReasonBadName)
}

package verify_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// TestPreviewIsWhatHappens makes up policies, users and logins, and then does what the preview says: it must end as
// the preview says.
func TestPreviewIsWhatHappens(t *testing.T) {
	for name, value := range map[string]string{"rapid.seed": "1", "rapid.checks": "2000", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	endings := map[verify.Reason]int{}
	rapid.Check(t, func(rt *rapid.T) {
		o := anyOffice(t, rt)
		a := anyAttempt(rt)
		before := maps.Clone(o.store.records)
		p, err := o.core.Preview(t.Context(), a, time.Time{})
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(before, o.store.records) || len(o.records)+len(o.sms.sent)+len(o.mail.sent)+o.people.binds > 0 {
			rt.Fatal("the preview has left a trace")
		}
		endings[p.Reason]++
		v := o.follow(rt, a, p)
		if v.Reason != p.Reason || (v.Outcome == verify.Accept) != p.Possible {
			rt.Fatalf("the login ended with %v (%s), and the preview says %+v", v.Outcome, v.Reason, p)
		}
		if p.Possible && (v.Level != p.Level || v.Factor != p.Factor || !slices.Equal(v.Attributes, p.Reply)) {
			rt.Fatalf("the login got %d, %q, %v, and the preview says %+v", v.Level, v.Factor, v.Attributes, p)
		}
	})
	for _, r := range []verify.Reason{
		verify.ReasonOK, verify.ReasonExempt, verify.ReasonLevel, verify.ReasonPasswordOnly, verify.ReasonNoDeviceAllowed,
		verify.ReasonNoDevice, verify.ReasonNoUsableDevice, verify.ReasonNotInGroup, verify.ReasonNoPolicy, verify.ReasonUnknownUser,
		verify.ReasonNoCode, verify.ReasonEnrolled, verify.ReasonDeviceExpired,
	} {
		if endings[r] == 0 {
			t.Errorf("no login ended with %s: %v", r, endings)
		}
	}
}

// anyOffice is an office with any policy, and an alice who has anything.
func anyOffice(t *testing.T, rt *rapid.T) *office {
	names := func(what string, of ...string) []string {
		return rapid.SliceOfDistinct(rapid.SampledFrom(of), rapid.ID[string]).Draw(rt, what)
	}
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, what) }
	yes := func(what string) bool { return rapid.Bool().Draw(rt, what) }
	return newOffice(t, func(o *office) {
		alice := o.alice()
		alice.Devices = nil
		for _, d := range names("devices", "totp", "hotp", "u2f") {
			alice.Devices = append(alice.Devices, map[string]directory.Device{
				"totp": totpDevice(rfcKey), "hotp": hotpDevice(otherKey, 0), "u2f": {Type: directory.TypeU2F},
			}[d])
		}
		alice.Phone, alice.Mail = pick("phone", "", "+49 170 12"), pick("mail", "", "alice@example.org")
		switch rapid.IntRange(0, 6).Draw(rt, "what alice has") {
		case 0:
			alice.Skipped = []directory.Problem{{Device: "old", Why: "cannot be read"}}
		case 1, 2:
			alice.Devices, alice.Phone, alice.Mail = nil, "", ""
		}
		alice.Groups = names("groups", "staff", "vip", "guests")
		alice.Attributes = map[string][]string{"factor": names("factor attribute", "off", "required", "sms", "hotp", "nonsense")}

		o.setup.Levels = map[string]int{"totp": 3, "sms": 1}
		o.setup.When = map[string]*rule.Rule{"mail": compileRule(t, `not inGroup("guests")`)}
		p := o.policy
		p.Mode = rapid.SampledFrom(policy.Modes).Draw(rt, "mode")
		p.CodeFirst, p.Delimiter = yes("code first"), pick("delimiter", "", ":")
		p.Factors = names("factors", "totp", "hotp", "sms", "mail")
		p.Fallback = names("fallback", "sms", "mail")
		p.Choose = policy.Choose(pick("choose", "first", "ask"))
		p.Second = policy.Demand(pick("second factor", "required", "if-enrolled", "if-enrolled", "off"))
		p.RequiredFrom = rapid.SampledFrom([]time.Time{{}, o.clock.Now().Add(-time.Hour), o.clock.Now().Add(time.Hour)}).Draw(rt, "required from")
		p.Spared = rapid.SampledFrom([]int{0, 30, 60, 100}).Draw(rt, "spared")
		p.Enrol = policy.Enrol(pick("enrol", "", "off", "off", "off", "offer", "require"))
		p.EnrolTimeout, p.SkipWord, p.Texts.Enrol = 2*time.Minute, "skip", "Enrol. "
		if yes("registry") {
			o.setup.Registry = &registry{people: o.people}
		}
		if yes("ttl") {
			o.setup.Devices.TTL = map[string]time.Duration{directory.TypeTOTP: time.Hour}
		}
		p.Level, p.FirstLevel = anyLevel(rt, "level"), rapid.IntRange(0, 2).Draw(rt, "first level")
		p.EnforcedGroups, p.ExemptGroups = names("enforced", "vip"), names("exempt", "vip", "guests")
		p.FactorAttribute = pick("factor attribute is", "", "factor")
		p.WordDelimiter = pick("word delimiter", "", ",")
		if rapid.IntRange(0, 4).Draw(rt, "allowed") == 0 {
			p.AllowedGroups = []string{"Staff"}
		}
		p.Reply = []policy.Reply{
			{Attribute: "Class", Value: template(t, "OU={groups}")},
			{Attribute: "Filter-Id", Value: template(t, "{level} by {factor}"), When: compileRule(t, `not inGroup("staff")`)},
		}
		if rapid.IntRange(0, 4).Draw(rt, "rule") == 0 {
			p.When = compileRule(t, pick("when", `client == "vpn"`, `client == "wlan"`, `attributes["none"][0] == ""`))
		}
	})
}

// anyLevel is 0 half of the time.
func anyLevel(rt *rapid.T, what string) int { return max(0, rapid.IntRange(-2, 3).Draw(rt, what)) }

func anyAttempt(rt *rapid.T) verify.Attempt {
	a := attempt(rapid.SampledFrom([]string{"alice", "Alice", "mallory"}).Draw(rt, "user"), "")
	a.Policy = rapid.SampledFrom([]string{"", "default"}).Draw(rt, "policy")
	a.Level = anyLevel(rt, "the client's level")
	a.FirstFactorDone = rapid.IntRange(0, 4).Draw(rt, "first factor done") == 0
	return a
}

// follow does what the preview says, and otherwise types the password.
func (o *office) follow(rt *rapid.T, a verify.Attempt, p verify.Preview) (v verify.Verdict) {
	asks := p.Asks
	if len(asks) == 0 && !a.FirstFactorDone {
		asks = []verify.PreviewAsk{{Typed: []string{"PASSWORD"}}}
	}
	if a.FirstFactorDone {
		v = o.core.Start(context.Background(), a)
	}
	for i, ask := range asks {
		typed := ask.Typed[rapid.IntRange(0, len(ask.Typed)-1).Draw(rt, "typed")]
		if len(ask.Typed) > 1 && p.Factor != "totp" && p.Factor != "hotp" {
			typed = ask.Typed[0] // the skip word has a reason of its own, and what could be appended is not a code of this factor
		}
		code := o.codeBy(p.Factor)
		if ask.Enrols {
			typed, code = "CODE", o.shown(v, 0)
		}
		a.Secret = secret.New(strings.NewReplacer("PASSWORD", password, "CODE", code, "NUMBER", "1").Replace(typed))
		if i == 0 && !a.FirstFactorDone {
			v = o.core.Start(context.Background(), a)
		} else {
			if v.Outcome != verify.Challenge || v.Message != ask.Text {
				rt.Fatalf("ask %d: %+v, and the preview says %+v", i, v, p)
			}
			v = o.core.Resume(context.Background(), v.State, a)
		}
		if v.Outcome == verify.Accept {
			break
		}
	}
	return v
}

// codeBy is a right code of alice's, if there is one now.
func (o *office) codeBy(factor string) string {
	switch sent := map[string]*messenger{"sms": o.sms, "mail": o.mail}[factor]; {
	case factor == "totp":
		return o.code(rfcKey, 0)
	case factor == "hotp":
		return o.digits(otherKey, 0, 6)
	case sent != nil && len(sent.sent) > 0:
		return sent.sent[len(sent.sent)-1]
	}
	return ""
}

func template(t *testing.T, text string) policy.Template {
	t.Helper()
	parsed, err := policy.ParseTemplate(text, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// preview fails the test if there is none.
func (b *bench) preview(a verify.Attempt, at time.Time) verify.Preview {
	b.t.Helper()
	p, err := b.core.Preview(b.t.Context(), a, at)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestPreviewOfPolicies(t *testing.T) {
	b := newBench(t)
	b.ruled(t, `client == "wlan"`, `attributes["clearance"][0] == "high"`, `time.Hour() in 8..17`, ``)
	b.people.users["alice"].Attributes = map[string][]string{"clearance": {"low"}}
	states := func(a verify.Attempt, at time.Time) string {
		var all []string
		for _, p := range b.preview(a, at).Policies {
			all = append(all, p.Name+" "+string(p.State))
		}
		return strings.Join(all, ", ")
	}
	noon, night := time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC), time.Date(2027, 1, 2, 23, 0, 0, 0, time.UTC)
	named, missing := unnamed("alice", ""), unnamed("alice", "")
	named.Policy, missing.Policy = "p0", "none"
	stranger := unnamed("mallory", "")
	for _, c := range []struct {
		attempt verify.Attempt
		at      time.Time
		want    string
	}{
		{unnamed("alice", ""), noon, "p0 does-not-hold, p1 does-not-hold, p2 holds, p3 not-looked-at"},
		{unnamed("alice", ""), night, "p0 does-not-hold, p1 does-not-hold, p2 does-not-hold, p3 holds"},
		{named, noon, "p0 does-not-hold"},
		{missing, noon, "none missing"},
		{stranger, noon, "p0 does-not-hold, p1 broken, p2 not-looked-at, p3 not-looked-at"},
	} {
		if got := states(c.attempt, c.at); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.attempt.User, c.at, got, c.want)
		}
	}
	p := b.preview(stranger, noon)
	if p.Reason != verify.ReasonNoPolicy || !strings.Contains(p.Policies[1].Error, "column") {
		t.Errorf("%+v", p)
	}
}

func TestPreviewOfDoubt(t *testing.T) {
	b := newBench(t)
	b.people.lookupErr = directory.ErrAmbiguous
	if p := b.preview(attempt("alice", ""), time.Time{}); p.Possible || p.Reason != verify.ReasonAmbiguousUser {
		t.Errorf("%+v", p)
	}
	b.people.lookupErr = errDown
	if _, err := b.core.Preview(t.Context(), attempt("alice", ""), time.Time{}); !errors.Is(err, errDown) {
		t.Errorf("directory down: %v", err)
	}
	b.people.lookupErr = nil
	if _, err := b.core.Preview(t.Context(), attempt("a\x00", ""), time.Time{}); err == nil {
		t.Error("a name with a NUL")
	}
	b.store.setDown(errDown)
	if p := b.preview(attempt("alice", ""), time.Time{}); p.Possible || p.Throttle == nil || p.Throttle.Error == "" {
		t.Errorf("store down: %+v", p)
	}
}

func TestPreviewOfTheThrottle(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.try("wrong" + b.wrong(rfcKey))
	}
	p := b.preview(attempt("alice", ""), b.clock.Now().AddDate(1, 0, 0)) // the throttle is today's
	if p.Possible || p.Reason != verify.ReasonThrottled || !p.Throttle.Until.After(b.clock.Now()) || len(p.Asks) == 0 {
		t.Errorf("%+v", p)
	}
	elsewhere := attempt("alice", "")
	elsewhere.Source = "203.0.113.9"
	if p := b.preview(elsewhere, time.Time{}); !p.Possible || p.Throttle != nil {
		t.Errorf("%+v", p)
	}
	b.clock.Add(-48 * time.Hour) // no bucket can be as full as it is now
	if p := b.preview(attempt("alice", ""), time.Time{}); p.Possible || p.Throttle.Error == "" {
		t.Errorf("%+v", p)
	}
}

func TestPreviewOfTimes(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = nil
	b.policy.Mode, b.policy.Second = policy.Auto, policy.DemandIfEnrolled
	b.policy.RequiredFrom = b.clock.Now().Add(time.Hour)
	if p := b.preview(attempt("alice", ""), time.Time{}); p.Reason != verify.ReasonPasswordOnly || p.Second {
		t.Errorf("%+v", p)
	}
	if p := b.preview(attempt("alice", ""), b.policy.RequiredFrom); p.Reason != verify.ReasonNoDevice || !p.Second {
		t.Errorf("%+v", p)
	}
}

func TestPreviewOfFactorsAndDevices(t *testing.T) {
	o := newOffice(t, func(o *office) {
		o.alice().Devices = append(o.alice().Devices, hotpDevice("short key", 0), directory.Device{Type: directory.TypeU2F, Name: "stick"})
		o.alice().Devices[1].Weak = true
		o.alice().Skipped = []directory.Problem{{Device: "#4", Why: "is no JSON"}}
		o.alice().Mail = ""
		o.policy.Factors = []string{"sms", "hotp", "oracle", "mail"}
		o.setup.Factors = append(o.setup.Factors, new(oracle))
		o.setup.Levels = map[string]int{"oracle": 1}
		o.policy.Level = 2
	})
	p := o.preview(attempt("alice", ""), time.Time{})
	var factors, devices []string
	for _, f := range p.Factors {
		factors = append(factors, fmt.Sprint(f.Name, " ", f.Target, f.Why))
	}
	for _, d := range p.Devices {
		devices = append(devices, fmt.Sprint(d.Type, " ", d.Name, ": ", d.Factors, " ", d.Note))
	}
	wantFactors := []string{
		"sms …12", "hotp ", "totp the policy does not name it", "mail the user has no address for it", "oracle it is worth 1, and level 2 is demanded",
	}
	wantDevices := []string{
		"TOTP phone: [] totp does not count here", "HOTP token: [hotp] its secret has fewer than 128 bits: replace the token",
		"U2F stick: [] no factor that counts here checks devices of type U2F", " #4: [] is no JSON",
	}
	if !slices.Equal(factors, wantFactors) {
		t.Errorf("factors %q", factors)
	}
	if !slices.Equal(devices, wantDevices) {
		t.Errorf("devices %q", devices)
	}
}

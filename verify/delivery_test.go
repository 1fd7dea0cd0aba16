package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// messenger is a factor that sends codes of ours to whoever has a phone or a mail address.
type messenger struct {
	name    string
	address func(*directory.User) string

	mu    sync.Mutex
	sent  []string
	err   error
	count int
}

func (m *messenger) Name() string  { return m.name }
func (m *messenger) Label() string { return strings.ToUpper(m.name) }

func (m *messenger) Shapes(*directory.User) []verify.Shape {
	return []verify.Shape{{Length: 7, Alphabet: verify.Digits}}
}

func (m *messenger) Target(u *directory.User) (string, bool) {
	a := m.address(u)
	if len(a) < 2 {
		return "", false
	}
	return "…" + a[len(a)-2:], true
}

func (m *messenger) Send(_ context.Context, _ *directory.User, code secret.String) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.sent = append(m.sent, code.Reveal())
	return nil
}

func (m *messenger) ResendAfter() time.Duration { return 30 * time.Second }
func (m *messenger) Lifetime() time.Duration    { return 5 * time.Minute }

func (m *messenger) NewCode() (secret.String, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	return secret.New(fmt.Sprintf("77%05d", m.count)), nil
}

// last is the code that was sent last.
func (m *messenger) last(t *testing.T) string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		t.Fatalf("%s has sent nothing", m.name)
	}
	return m.sent[len(m.sent)-1]
}

// oracle is a service that makes and checks codes itself: any form, right if they begin with "yes".
type oracle struct {
	mu    sync.Mutex
	begun int
	asked []string
	err   error
}

func (*oracle) Name() string                          { return "oracle" }
func (*oracle) Label() string                         { return "Oracle" }
func (*oracle) Shapes(*directory.User) []verify.Shape { return []verify.Shape{{}} }
func (*oracle) Target(*directory.User) (string, bool) { return "", true }
func (*oracle) ResendAfter() time.Duration            { return 30 * time.Second }
func (o *oracle) Send(context.Context, *directory.User, secret.String) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun++
	return o.err
}

func (o *oracle) Check(_ context.Context, _ *directory.User, code string, _ verify.Marks) (verify.Finding, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, code)
	if o.err != nil || !strings.HasPrefix(code, "yes") {
		return verify.Finding{}, o.err
	}
	return verify.Finding{Result: verify.Match, Claim: verify.Claim{Key: "oracle/" + code, Value: 1, For: time.Hour}}, nil
}

var errProvider = errors.New("the provider is on fire")

// office is a bench whose alice has a phone and a mail address beside her TOTP device.
type office struct {
	*bench
	sms, mail *messenger
}

func newOffice(t *testing.T, change func(*office)) *office {
	t.Helper()
	o := &office{
		bench: newBench(t),
		sms:   &messenger{name: "sms", address: func(u *directory.User) string { return u.Phone }},
		mail:  &messenger{name: "mail", address: func(u *directory.User) string { return u.Mail }},
	}
	o.alice().Phone, o.alice().Mail = "+49 170 12", "alice@example.org"
	o.setup.Factors = append(o.setup.Factors, o.sms, o.mail)
	o.setup.Throttle.SendBurst, o.setup.Throttle.SendRefill = 5, 5*time.Minute
	o.policy.Mode, o.policy.Choose, o.policy.Tries = policy.Auto, policy.ChooseFirst, 3
	o.policy.WordDelimiter, o.policy.ResendWord = ",", "resend"
	o.policy.Texts.Menu, o.policy.Texts.BadChoice = "Choose {menu}: ", "No such. "
	o.policy.Texts.Sent, o.policy.Texts.Already = "Sent by {label} {target}: ", "Sent before by {label} {target}: "
	o.policy.Texts.TooSoon, o.policy.Texts.SendFailed = "Not yet: ", "{label} failed. "
	if change != nil {
		change(o)
	}
	o.core = o.node()
	return o
}

// only leaves alice with factors that send.
func only(names ...string) func(*office) {
	return func(o *office) { o.policy.Factors = names }
}

// ask wants a challenge with that text.
func ask(t *testing.T, v verify.Verdict, text string) []byte {
	t.Helper()
	if v.Outcome != verify.Challenge || v.Message != text {
		t.Fatalf("%v (%s) %q, want a challenge %q", v.Outcome, v.Reason, v.Message, text)
	}
	return v.State
}

func TestDeliveredCode(t *testing.T) {
	o := newOffice(t, only("sms"))
	state := ask(t, o.try(password), "Sent by SMS …12: ")
	code := o.sms.last(t)
	for key, r := range o.store.records {
		if strings.Contains(string(r.value), code) {
			t.Errorf("the store holds the code in plain under %s", key)
		}
	}
	if got := o.lastRecord(); got.Sent != "sms" {
		t.Errorf("audit %+v", got)
	}
	state = ask(t, o.answer(state, "1111111"), "Again: ")
	want(t, o.answer(state, code), verify.Accept, verify.ReasonOK)

	// The same code is used, which is not a guess, and a new login has a new one at once.
	state = ask(t, o.try(password), "Sent by SMS …12: ")
	if v := o.answer(state, code); v.Outcome == verify.Accept {
		t.Fatal("the old code was good once more")
	}
	o.clock.Add(5*time.Minute + time.Second)
	if v := o.try(password + o.sms.last(t)); v.Outcome == verify.Accept {
		t.Fatal("a code outlived its lifetime")
	}
}

func TestDeliveredCodeReplayedIsNoGuess(t *testing.T) {
	o := newOffice(t, only("sms"))
	o.policy.Mode = policy.Append
	ask(t, o.try(password+",sms"), "Sent by SMS …12: ")
	code := o.sms.last(t)
	want(t, o.try(password+code), verify.Accept, verify.ReasonOK)
	for range 10 {
		want(t, o.try(password+code), verify.Reject, verify.ReasonReplayedCode)
	}
}

// TestRow25_DeliveredCodeOnTwoNodes: both find the code right, and one of them is faster.
func TestRow25_DeliveredCodeOnTwoNodes(t *testing.T) {
	o := newOffice(t, only("sms"))
	ask(t, o.try(password), "Sent by SMS …12: ")
	typed := password + o.sms.last(t)
	o.people.meanwhile = func() {
		want(t, o.node().Start(context.Background(), attempt("alice", typed)), verify.Accept, verify.ReasonOK)
	}
	want(t, o.try(typed), verify.Reject, verify.ReasonReplayedCode)
}

// TestRow25_ClaimWithoutAKey: a factor that forgets what its code is known by lets nobody in.
func TestRow25_ClaimWithoutAKey(t *testing.T) {
	o := newOffice(t, func(o *office) { o.setup.Factors = []verify.Factor{forgetful{o.setup.Factors[0].(verify.Checker)}} })
	want(t, o.try(password+o.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode)
}

type forgetful struct{ verify.Checker }

func (f forgetful) Check(ctx context.Context, u *directory.User, code string, m verify.Marks) (verify.Finding, error) {
	finding, err := f.Checker.Check(ctx, u, code, m)
	finding.Claim.Key = ""
	return finding, err
}

func TestWordAfterThePassword(t *testing.T) {
	o := newOffice(t, nil)
	state := ask(t, o.try(password+",sms"), "Sent by SMS …12: ")
	want(t, o.answer(state, o.sms.last(t)), verify.Accept, verify.ReasonOK)
	state = ask(t, o.try(password+",MAIL"), "Sent by MAIL …rg: ")
	want(t, o.answer(state, o.mail.last(t)), verify.Accept, verify.ReasonOK)
	// A NAS that knows no challenges: the code comes with the next attempt.
	ask(t, o.try(password+",mail"), "Sent by MAIL …rg: ")
	want(t, o.try(password+o.mail.last(t)), verify.Accept, verify.ReasonOK)
	// A wrong password sends nothing.
	sent := len(o.sms.sent)
	want(t, o.try("wrong,sms"), verify.Reject, verify.ReasonWrongPassword)
	if len(o.sms.sent) != sent {
		t.Error("a code was sent after a wrong password")
	}
	// The devices of the user go on working where a code was sent.
	state = ask(t, o.try(password+",sms"), "Sent by SMS …12: ")
	want(t, o.answer(state, o.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestCodeOnlyByWord(t *testing.T) {
	o := newOffice(t, nil)
	o.policy.Mode = policy.CodeOnly
	state := ask(t, o.try("sms"), "Sent by SMS …12: ")
	want(t, o.answer(state, o.sms.last(t)), verify.Accept, verify.ReasonOK)
}

func TestResend(t *testing.T) {
	o := newOffice(t, only("sms"))
	state := ask(t, o.try(password), "Sent by SMS …12: ")
	first := o.sms.last(t)
	state = ask(t, o.answer(state, "resend"), "Not yet: ")
	if len(o.sms.sent) != 1 {
		t.Fatalf("sent %d times", len(o.sms.sent))
	}
	o.clock.Add(31 * time.Second)
	// On another node, which must know the code: the challenge carries it, sealed.
	v := o.node().Resume(context.Background(), state, attempt("alice", " Resend "))
	state = ask(t, v, "Sent by SMS …12: ")
	if len(o.sms.sent) != 2 || o.sms.last(t) != first {
		t.Fatalf("sent %q", o.sms.sent)
	}
	state = ask(t, o.answer(state, "1111111"), "Again: ") // and over a wrong code
	o.clock.Add(31 * time.Second)
	state = ask(t, o.answer(state, "resend"), "Sent by SMS …12: ")
	if o.sms.last(t) != first {
		t.Fatalf("sent %q", o.sms.sent)
	}
	want(t, o.answer(state, first), verify.Accept, verify.ReasonOK)
}

func TestSecondLoginMeanwhileSharesTheCode(t *testing.T) {
	o := newOffice(t, only("sms"))
	vpn := ask(t, o.try(password), "Sent by SMS …12: ")
	ssh := ask(t, o.try(password), "Sent before by SMS …12: ")
	want(t, o.answer(ssh, o.sms.last(t)), verify.Accept, verify.ReasonOK)
	state := ask(t, o.answer(vpn, o.sms.last(t)), "Again: ")
	// What is sent again now is a new code: the old one is used.
	state = ask(t, o.answer(state, "resend"), "Sent by SMS …12: ")
	want(t, o.answer(state, o.sms.last(t)), verify.Accept, verify.ReasonOK)
}

func TestRow29_NewCodesDoNotResetTheCount(t *testing.T) {
	o := newOffice(t, only("sms"))
	o.policy.Tries = 1
	for i := range 5 {
		state := ask(t, o.try(password), "Sent by SMS …12: ")
		want(t, o.answer(state, "1111111"), verify.Reject, verify.ReasonWrongCode)
		o.clock.Add(31 * time.Second)
		if len(o.sms.sent) != i+1 {
			t.Fatalf("%d codes were sent", len(o.sms.sent))
		}
	}
	want(t, o.try(password), verify.Reject, verify.ReasonThrottled)
	if len(o.sms.sent) != 5 {
		t.Errorf("%d codes were sent to a user who is locked out", len(o.sms.sent))
	}
}

func TestRow29_SendsAreLimited(t *testing.T) {
	o := newOffice(t, only("sms", "mail"))
	// Right after a login the next may have a code at once: only the bucket is in the way.
	for i := range 5 {
		word := ",sms"
		if i%2 == 1 {
			word = ",mail"
		}
		state := ask(t, o.try(password+word), []string{"Sent by SMS …12: ", "Sent by MAIL …rg: "}[i%2])
		m := []*messenger{o.sms, o.mail}[i%2]
		want(t, o.answer(state, m.last(t)), verify.Accept, verify.ReasonOK)
	}
	want(t, o.try(password), verify.Reject, verify.ReasonTooManySends)
	if n := len(o.sms.sent) + len(o.mail.sent); n != 5 {
		t.Errorf("%d codes were sent", n)
	}
	o.clock.Add(5 * time.Minute)
	ask(t, o.try(password), "Sent by SMS …12: ")
}

func TestRow29_TwoNodesSendOnce(t *testing.T) {
	o := newOffice(t, only("sms"))
	var all sync.WaitGroup
	for range 20 {
		node := o.node()
		all.Go(func() { node.Start(context.Background(), attempt("alice", password)) })
	}
	all.Wait()
	if len(o.sms.sent) != 1 {
		t.Errorf("%d codes were sent", len(o.sms.sent))
	}
}

func TestFallback(t *testing.T) {
	o := newOffice(t, only("sms", "mail"))
	o.policy.Fallback = []string{"sms", "mail"}
	o.sms.err = errProvider
	state := ask(t, o.try(password), "SMS failed. Sent by MAIL …rg: ")
	if r := o.lastRecord(); r.Sent != "mail" || len(r.SendFailed) != 1 || r.SendFailed[0] != "sms" {
		t.Errorf("audit %+v", r)
	}
	want(t, o.answer(state, o.mail.last(t)), verify.Accept, verify.ReasonOK)

	o.mail.err = errProvider
	want(t, o.try(password), verify.Reject, verify.ReasonSendFailed)
	// Nothing was sent, so the next may be at once.
	o.sms.err = nil
	ask(t, o.try(password), "Sent by SMS …12: ")
}

func TestSendFailedWithoutFallback(t *testing.T) {
	o := newOffice(t, only("sms", "mail"))
	o.sms.err = errProvider
	v := o.try(password)
	want(t, v, verify.Reject, verify.ReasonSendFailed)
	if v.Message != "No." || !v.Hold {
		t.Errorf("%+v", v)
	}
	if len(o.mail.sent) != 0 {
		t.Error("a factor that is no fallback stepped in")
	}
}

func TestMenu(t *testing.T) {
	o := newOffice(t, func(o *office) { o.policy.Choose = policy.ChooseAsk })
	const menu = "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: "
	open := func() []byte {
		t.Helper()
		v := o.try(password)
		if !v.Echo || v.Plain {
			t.Errorf("a menu is answered in the open: %+v", v)
		}
		return ask(t, v, menu)
	}
	state := ask(t, o.answer(open(), "2"), "Sent by SMS …12: ")
	want(t, o.answer(state, o.sms.last(t)), verify.Accept, verify.ReasonOK)
	state = ask(t, o.answer(open(), "mail"), "Sent by MAIL …rg: ")
	state = ask(t, o.answer(state, "sms"), "Sent by SMS …12: ") // another mind
	want(t, o.answer(state, o.mail.last(t)), verify.Accept, verify.ReasonOK)
	state = ask(t, o.answer(open(), "1"), "Code: ")
	want(t, o.answer(state, o.code(rfcKey, -1)), verify.Accept, verify.ReasonOK)
	want(t, o.answer(open(), o.code(rfcKey, 0)), verify.Accept, verify.ReasonOK) // who knows what to type
	state = ask(t, o.answer(open(), "9"), "No such. "+menu)
	state = ask(t, o.answer(state, "0"), "No such. "+menu)
	state = ask(t, o.answer(state, "what?"), "No such. "+menu)
	state = ask(t, o.answer(state, "1234567"), "Again: ")
	o.clock.Add(31 * time.Second)
	want(t, o.answer(state, o.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)

	// It ends.
	state = open()
	for i := range 9 {
		v := o.answer(state, "9")
		if v.Outcome != verify.Challenge {
			t.Fatalf("answer %d: %+v", i, v)
		}
		state = v.State
	}
	want(t, o.answer(state, "9"), verify.Reject, verify.ReasonBadChoice)
}

func TestMenuIsForThoseWhoHaveAChoice(t *testing.T) {
	o := newOffice(t, func(o *office) { o.policy.Choose = policy.ChooseAsk })
	o.alice().Phone, o.alice().Mail = "", ""
	ask(t, o.try(password), "Code: ")
}

func TestPreference(t *testing.T) {
	for _, c := range []struct {
		name      string
		attribute []string
		second    policy.Demand
		groups    []string
		ask       string // empty: accepted
	}{
		{name: "nothing", ask: "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: "},
		{name: "preferred", attribute: []string{"Mail"}, ask: "Sent by MAIL …rg: "},
		{name: "unknown", attribute: []string{"pigeon"}, ask: "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: "},
		{name: "off", attribute: []string{"off"}},
		{name: "off outweighs the group", attribute: []string{" OFF"}, groups: []string{"staff"}},
		{name: "off and required", attribute: []string{"off", "required", "sms"}, ask: "Sent by SMS …12: "},
		{name: "exempt group", groups: []string{"Robots"}},
		{name: "in both", groups: []string{"robots", "staff"}, ask: "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: "},
		{name: "off for all", second: policy.DemandOff},
		{name: "off for all, required by group", second: policy.DemandOff, groups: []string{"staff"}, ask: "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: "},
		{name: "off for all, preferred", second: policy.DemandOff, attribute: []string{"sms"}},
		{name: "off for all, required by attribute", second: policy.DemandOff, attribute: []string{"required", "sms"}, ask: "Sent by SMS …12: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t, func(o *office) {
				o.policy.Choose, o.policy.FactorAttribute = policy.ChooseAsk, "factor"
				o.policy.Second = c.second
				o.policy.EnforcedGroups, o.policy.ExemptGroups = []string{"staff"}, []string{"robots"}
				o.alice().Groups = c.groups
				o.alice().Attributes = map[string][]string{"factor": c.attribute}
			})
			v := o.try(password)
			if c.ask == "" {
				want(t, v, verify.Accept, verify.ReasonExempt)
				want(t, o.try("wrong"), verify.Reject, verify.ReasonWrongPassword)
				return
			}
			ask(t, v, c.ask)
		})
	}
}

func TestNoDeviceButAnAddress(t *testing.T) {
	o := newOffice(t, nil)
	o.alice().Devices = nil
	o.policy.Second = policy.DemandIfEnrolled
	ask(t, o.try(password), "Sent by SMS …12: ")
	o.alice().Phone, o.alice().Mail = "", ""
	want(t, o.try(password), verify.Accept, verify.ReasonPasswordOnly)
}

func TestProviderThatMakesItsOwnCodes(t *testing.T) {
	oracle := &oracle{}
	o := newOffice(t, func(o *office) { o.setup.Factors = append(o.setup.Factors, oracle) })
	// Nobody asks it about what was not meant for it.
	state := ask(t, o.try(password), "Code: ")
	ask(t, o.answer(state, "yes it is"), "Again: ")
	state = ask(t, o.try(password+",oracle"), "Sent by Oracle: ")
	state = ask(t, o.answer(state, "no"), "Again: ")
	want(t, o.answer(state, "yes 1"), verify.Accept, verify.ReasonOK)
	if oracle.begun != 1 || strings.Join(oracle.asked, " ") != "no yes 1" {
		t.Errorf("begun %d times, asked %q", oracle.begun, oracle.asked)
	}
	// Whatever it says, one code is good once.
	o.clock.Add(time.Minute)
	state = ask(t, o.try(password+",oracle"), "Sent by Oracle: ")
	want(t, o.answer(state, "yes 1"), verify.Reject, verify.ReasonReplayedCode)
}

func TestFactorDown(t *testing.T) {
	oracle := &oracle{}
	o := newOffice(t, func(o *office) { o.setup.Factors = append(o.setup.Factors, oracle) })
	state := ask(t, o.try(password+",oracle"), "Sent by Oracle: ")
	oracle.err = errProvider
	want(t, o.answer(state, "yes 2"), verify.Unavailable, verify.ReasonFactorDown)
	oracle.err = nil // it is back, and the challenge still stands
	want(t, o.answer(state, "yes 2"), verify.Accept, verify.ReasonOK)

	// A right code of another factor is right all the same.
	o.clock.Add(time.Minute)
	state = ask(t, o.try(password+",oracle"), "Sent by Oracle: ")
	oracle.err = errProvider
	want(t, o.answer(state, o.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

// TestRow28_GuessesCountWhileAServiceIsDown: six digits fit the authenticator app and the service; that the service
// is down must not make guessing at the app free.
func TestRow28_GuessesCountWhileAServiceIsDown(t *testing.T) {
	oracle := &oracle{err: errProvider}
	o := newOffice(t, func(o *office) {
		o.setup.Factors = append(o.setup.Factors, sixDigits{oracle})
		o.policy.Mode = policy.CodeOnly
	})
	for range 5 {
		want(t, o.try(o.wrong(rfcKey)), verify.Unavailable, verify.ReasonFactorDown)
	}
	want(t, o.try(o.code(rfcKey, 0)), verify.Reject, verify.ReasonThrottled)
}

type sixDigits struct{ *oracle }

func (sixDigits) Shapes(*directory.User) []verify.Shape {
	return []verify.Shape{{Length: 6, Alphabet: verify.Digits}}
}

func TestFactorsOnlyWhen(t *testing.T) {
	compile := func(text string) *rule.Rule {
		r, err := rule.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	o := newOffice(t, func(o *office) {
		o.policy.Choose = policy.ChooseAsk
		o.setup.When = map[string]*rule.Rule{"sms": compile(`inGroup("staff")`), "mail": compile(`inNetwork("198.51.100.0/24")`)}
	})
	ask(t, o.try(password), "Choose 1 authenticator app  2 MAIL …rg: ")
	want(t, o.try(password+",sms"), verify.Reject, verify.ReasonWrongPassword) // no word any more
	o.alice().Groups = []string{"staff"}
	ask(t, o.try(password), "Choose 1 authenticator app  2 SMS …12  3 MAIL …rg: ")
	elsewhere := attempt("alice", password)
	elsewhere.Source = "203.0.113.9"
	ask(t, o.core.Start(t.Context(), elsewhere), "Choose 1 authenticator app  2 SMS …12: ")
}

func TestStoreDownWhileSending(t *testing.T) {
	o := newOffice(t, only("sms"))
	o.store.setDown(fmt.Errorf("%w: disk full", store.ErrUnavailable))
	want(t, o.try(password), verify.Unavailable, verify.ReasonStoreDown)
	if len(o.sms.sent) != 0 {
		t.Error("a code was sent that the store knows nothing of")
	}
}

func TestHiddenFirstFactorKnowsNoWords(t *testing.T) {
	o := newOffice(t, func(o *office) {
		o.policy.Mode, o.policy.HideFirstFactor, o.policy.Factors = policy.Challenge, true, []string{"totp", "hotp"}
	})
	for _, typed := range []string{password, "wrong"} {
		state := ask(t, o.try(typed), "Code: ")
		state = ask(t, o.answer(state, "totp"), "Again: ")
		state = ask(t, o.answer(state, "resend"), "Again: ")
		if v := o.answer(state, "totp"); v.Outcome != verify.Reject {
			t.Errorf("%q: %+v", typed, v)
		}
	}
}

func TestObserved(t *testing.T) {
	o := newOffice(t, nil)
	seen := map[string]int{}
	core, err := verify.New(t.Context(), verify.Config{
		Store: o.store, Now: o.clock.Now, Log: discard, Audit: verify.AuditFunc(func(verify.Record) error { return nil }),
		Observe: func(factor string, e verify.FactorEvent, _ time.Duration) { seen[factor+" "+string(e)]++ },
	}, o.setup)
	if err != nil {
		t.Fatal(err)
	}
	v := core.Start(t.Context(), attempt("alice", password+",sms"))
	v = core.Resume(t.Context(), v.State, attempt("alice", "1111111"))
	core.Resume(t.Context(), v.State, attempt("alice", o.sms.last(t)))
	o.mail.err = errProvider
	core.Start(t.Context(), attempt("alice", password+",mail"))
	for _, e := range []string{"sms sent", "sms wrong", "sms right", "mail send-failed"} {
		if seen[e] != 1 {
			t.Errorf("%s: %d, of %v", e, seen[e], seen)
		}
	}
}

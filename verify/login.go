package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// Limits of what a front door may hand over, in octets. RFC 2865 §5.1 and §5.2 allow less.
const (
	maxName   = 253
	maxSecret = 1024
)

// login is one step of one login on its way to a verdict.
type login struct {
	Attempt
	core  *Core
	setup *Setup
	log   *slog.Logger
	now   func() time.Time // what rules and policies go by; the throttle has the core's own clock

	policy     *policy.Policy
	user       *directory.User
	entry      *directory.User         // user as the directory gave it; others share it
	expired    []directory.Device      // of entry, and not of user
	notice     string                  // goes before the first question
	told       string                  // what a no says in place of the usual text
	enrolled   *directory.Device       // the one that the user got in this step
	removed    []string                // the devices that the user lost in this step
	factors    []Factor                // those that the policy lets count
	tried      []string                // factors a code was tried against
	sent       string                  // the factor by which a code was sent
	failed     []string                // factors by which none could be
	device     string                  // the device whose code matched
	detail     string                  // and what there is to say about it
	opened     *opened                 // the challenge this step ended with
	level      int                     // what was shown is worth
	attributes []Attribute             // for the client, once the user is in
	seen       map[string][]string     // the user's attributes, as rules see them
	vouched    []Attribute             // what the first factor says of the user
	account    *directory.AccountError // why the account may not log in
	// proven: the first factor was right, so that the words may be in the user's own language. Before that, they would
	// tell that there is such a user.
	proven bool
	// brokenRule is why the rule of policy could not be evaluated.
	brokenRule error
	second     string // the second factor that was shown
	// password is what stood beside a code that was split off
	password secret.String
	from     *place // where it comes from; nil until it matters
}

func (c *Core) newLogin(s *Setup, a Attempt) *login {
	return &login{Attempt: a, core: c, setup: s, log: c.log, now: c.now}
}

// ending is how a step ended, before it is put into words.
type ending struct {
	outcome Outcome
	reason  Reason
	err     error // for the audit's detail
}

func reject(r Reason) ending { return ending{outcome: Reject, reason: r} }
func unavailable(r Reason, err error) ending {
	return ending{outcome: Unavailable, reason: r, err: err}
}

func rejectFor(r Reason, detail error) ending { return ending{outcome: Reject, reason: r, err: detail} }

// verdict puts an ending into the words of the policy.
func (l *login) verdict(e ending) Verdict {
	v := Verdict{Outcome: e.outcome, Reason: e.reason, AttemptID: l.ID}
	texts := l.texts()
	switch e.outcome {
	case Accept:
		v.Password, v.Level, v.Factor, v.Attributes = l.password, l.level, l.second, l.attributes
	case Challenge:
		v.State, v.Lifetime = l.opened.state, int(l.opened.lifetime.Round(time.Second)/time.Second)
		v.Message, v.Echo, v.Plain = l.opened.text, l.opened.menu, l.opened.text == ""
		switch {
		case l.opened.retry:
			v.Message, v.Plain = texts.Retry, false
		case v.Plain:
			v.Message = texts.Prompt
		}
		if l.notice != "" {
			v.Message, v.Plain = l.notice+v.Message, false
		}
		v.Enrolment = l.opened.enrolment
		// A challenge that must not tell whether the password was right must not tell by its timing.
		v.Hold = l.policy.HideFirstFactor
	case Reject, Unavailable:
		v.Message, v.Hold = texts.Reject, true
		if e.reason == ReasonAccountState && l.account != nil && l.policy.TellAccountState {
			v.Message = accountText(texts, l.account.Condition)
		}
		if e.reason == ReasonDeviceExpired && l.told != "" {
			v.Message = l.told
		}
	}
	return v
}

// accountText is what a user is told whose password was right.
func accountText(t policy.Texts, c directory.Condition) string {
	switch c {
	case directory.PasswordExpired, directory.PasswordMustChange:
		return t.PasswordExpired
	case directory.AccountExpired:
		return t.AccountExpired
	case directory.AccountDisabled:
		return t.AccountDisabled
	case directory.OutsideHours, directory.OtherWorkstation:
		return t.AccountHours
	case directory.LockedOut: // who waits gets in: the usual text says so
	}
	return t.Reject
}

// texts are what the user reads, in their language as far as it is known.
func (l *login) texts() policy.Texts {
	if l.policy == nil {
		return policy.DefaultTexts()
	}
	var wanted []string
	if l.proven && !l.policy.HideFirstFactor && l.policy.LanguageAttribute != "" {
		wanted = l.user.Attributes[l.policy.LanguageAttribute]
	}
	return l.policy.TextsIn(wanted...)
}

func (l *login) explain(step, format string, args ...any) {
	if l.Explain != nil {
		l.Explain(Decision{Step: step, Text: fmt.Sprintf(format, args...)})
	}
}

// start takes the first words of a user.
func (l *login) start(ctx context.Context) ending {
	if l.Policy != "" && !l.policyNamed(l.Policy) {
		return reject(ReasonNoPolicy)
	}
	if e, ok := l.checkInput(); !ok {
		l.policy = l.setup.Policies[l.Policy]
		return e
	}
	e, found := l.findUser(ctx)
	if e.outcome == Unavailable { // which policy holds may depend on what is not known now
		return e
	}
	if !l.choosePolicy() {
		return reject(ReasonNoPolicy)
	}
	if l.Asked != "" && l.Asked != l.policy.Mode {
		l.explain("policy", "%s was reloaded since the user was asked", l.policy.Name)
		return rejectFor(ReasonNoPolicy, fmt.Errorf("policy %q had the mode %q when the user was asked, and has %q now", l.policy.Name, l.Asked, l.policy.Mode))
	}
	if !found {
		return l.hide(ctx, e)
	}
	if !l.allowedIn() {
		return l.hide(ctx, reject(ReasonNotInGroup))
	}
	unlock, err := l.core.locks.lock(ctx, l.user.ID)
	if err != nil {
		return l.hide(ctx, l.turnedAway(err))
	}
	defer unlock()
	if e, ok := l.checkThrottle(ctx); !ok {
		return l.hide(ctx, e)
	}

	l.level = l.policy.FirstLevel
	switch path, r, err := l.path(ctx); {
	case err != nil:
		return unavailable(ReasonStoreDown, err)
	case path == pathFirst && l.FirstFactorDone:
		return l.accept(ctx, r, commit{})
	case path == pathFirst:
		return l.hide(ctx, l.passwordAlone(ctx, r))
	case path == pathEnrol:
		return l.hide(ctx, l.enrol(ctx))
	case path == pathNone:
		return l.nothingUsable(ctx)
	}
	if l.FirstFactorDone {
		if l.Secret.Empty() {
			return l.hide(ctx, l.secondFactor(ctx, commit{}))
		}
		return l.codeOnly(ctx)
	}
	switch l.policy.Mode {
	case policy.Append, policy.Auto:
		if password, f := l.splitWord(); f != nil {
			return l.passwordThenBegin(ctx, password, f)
		}
		if l.policy.Mode == policy.Auto {
			return l.auto(ctx)
		}
		return l.append(ctx)
	case policy.CodeOnly:
		return l.codeOnly(ctx)
	case policy.Challenge:
		return l.hide(ctx, l.challenge(ctx))
	}
	return rejectFor(ReasonNoPolicy, fmt.Errorf("policy %q has the unknown mode %q", l.policy.Name, l.policy.Mode))
}

// turnedAway ends a step whose turn did not come. A crowd on one user is told no, as it would be told if
// there were no such user; it must not look to the client as if this server were down.
func (l *login) turnedAway(err error) ending {
	l.explain("turn", "%v", err)
	if errors.Is(err, errTooMany) {
		return rejectFor(ReasonOverloaded, err)
	}
	return unavailable(ReasonTooLate, fmt.Errorf("wait for earlier attempts of this user: %w", err))
}

// checkInput refuses what no directory and no log should ever see.
func (l *login) checkInput() (ending, bool) {
	if err := checkName(l.User); err != nil {
		l.explain("user", "%v", err)
		return rejectFor(ReasonBadName, err), false
	}
	typed := l.Secret.Reveal()
	switch {
	case typed == "" && !l.FirstFactorDone:
		l.explain("password", "nothing was typed")
		return reject(ReasonEmptyPassword), false
	case len(typed) > maxSecret, !utf8.ValidString(typed), strings.ContainsFunc(typed, isUntypable):
		l.explain("password", "too long, not UTF-8, or it holds a control character")
		return reject(ReasonBadSecret), false
	}
	return ending{}, true
}

// isUntypable finds what no person types into a password field: NUL, and the control characters
// that sshd answers with for a user whom it will not let in whatever is typed.
func isUntypable(r rune) bool { return unicode.IsControl(r) && r != '\t' }

// checkName accepts names that can be looked up and logged: non-empty UTF-8 of at most 253 octets
// without control characters.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the user name is empty", errInput)
	case len(name) > maxName:
		return fmt.Errorf("%w: the user name has %d octets, at most %d are taken", errInput, len(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the user name is not UTF-8 (does the client need charset = \"latin-1\"?)", errInput)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: the user name holds a control character", errInput)
	}
	return nil
}

// policyNamed takes the policy of that name.
func (l *login) policyNamed(name string) bool {
	p, ok := l.setup.Policies[name]
	if !ok {
		l.explain("policy", "there is no policy %q", name)
		return false
	}
	l.policy = p
	return true
}

// choosePolicy takes the policy that the front door names, or else the first one whose rule holds. A rule that cannot
// be evaluated ends the search: the policies after it may ask for less.
func (l *login) choosePolicy() bool {
	rules := rule.For(l.env)
	defer rules.Close()
	if l.Policy != "" {
		if !l.policyNamed(l.Policy) || !l.policyHolds(rules, l.policy) {
			l.policy = nil
			return false
		}
		if l.Explain != nil {
			l.explain("policy", "%s, which the client names: mode %s", l.policy.Name, l.policy.Mode)
		}
		return true
	}
	for _, p := range l.setup.Order {
		l.policy = p // whose texts a reject has
		if l.policyHolds(rules, p) {
			if l.Explain != nil {
				l.explain("policy", "%s: mode %s", p.Name, p.Mode)
			}
			return true
		}
		if l.brokenRule != nil {
			return false
		}
	}
	l.policy = nil
	l.explain("policy", "none holds for this login")
	return false
}

func (l *login) policyHolds(rules *rule.Matcher, p *policy.Policy) bool {
	if p.When == nil {
		return true
	}
	ok, err := rules.Match(p.When)
	if err != nil {
		l.brokenRule = err
		l.log.Error("a policy's rule could not be evaluated: the attempt is rejected", "attempt", l.ID, "policy", p.Name, "err", err)
		l.explain("policy", "%s: its rule: %v", p.Name, err)
		return false
	}
	if !ok && l.Explain != nil { // there may be a hundred that do not
		l.explain("policy", "%s does not hold: %s", p.Name, p.When)
	}
	return ok
}

// allowedIn reports whether the policy lets in members of the user's groups.
func (l *login) allowedIn() bool {
	if len(l.policy.AllowedGroups) == 0 || l.memberOf(l.policy.AllowedGroups) {
		return true
	}
	l.explain("groups", "the user is in none of %s", strings.Join(l.policy.AllowedGroups, ", "))
	return false
}

// findUser turns the name as typed into the directory's entry. From here on only the entry's
// identifier is a key.
func (l *login) findUser(ctx context.Context) (ending, bool) {
	name := l.Names.Plain(l.User)
	if name == "" {
		l.explain("user", "%q is a domain or realm without a name", l.User)
		return reject(ReasonBadName), false
	}
	u, err := l.setup.Directory.Lookup(ctx, name)
	var account *directory.AccountError
	switch {
	case errors.As(err, &account) && errors.Is(err, directory.ErrNoUser):
		l.explain("user", "%v", err)
		return rejectFor(ReasonUnknownUser, err), false
	case errors.Is(err, directory.ErrNoUser):
		l.explain("user", "the directory has no user %q", name)
		return reject(ReasonUnknownUser), false
	case errors.Is(err, directory.ErrAmbiguous):
		l.explain("user", "the directory has more than one user %q", l.User)
		return reject(ReasonAmbiguousUser), false
	case err != nil:
		l.explain("user", "the directory cannot be asked: %v", err)
		return unavailable(ReasonDirectoryDown, err), false
	case u.ID == "":
		err := fmt.Errorf("the entry of %q has no identifier to keep state under", l.User)
		l.explain("user", "%v", err)
		return unavailable(ReasonDirectoryDown, err), false
	}
	l.user, l.entry = u, u
	if l.Explain != nil { // most of the time nobody listens
		l.explain("user", "%s, id %s", u.Name, u.ID)
		if len(u.Groups) > 0 {
			l.explain("groups", "%s", strings.Join(u.Groups, ", "))
		}
	}
	for _, p := range u.Skipped {
		l.log.Warn("a device cannot be used", "attempt", l.ID, "user", u.Name, "device", p.Device, "why", p.Why)
		l.explain("devices", "%s cannot be used: %s", p.Device, p.Why)
	}
	for _, d := range u.Devices {
		if d.Weak {
			l.log.Warn("a device's secret has fewer than 128 bits (RFC 4226 §4): replace the token", "user", u.Name, "device", d.Name)
			l.explain("devices", "%q has a secret of fewer than 128 bits", d.Name)
		}
	}
	l.setExpiredAside()
	return ending{}, true
}

// refusedUntil is when the throttle lets the user try again, zero if now; see [Throttle.refusedUntil].
func (l *login) refusedUntil(ctx context.Context) (until time.Time, err error) {
	err = l.core.store.View(ctx, func(r store.Reader) error {
		until, err = l.setup.Throttle.refusedUntil(r, l.place(), l.core.now())
		return err
	})
	return until, err
}

func (l *login) checkThrottle(ctx context.Context) (ending, bool) {
	until, err := l.refusedUntil(ctx)
	if errors.Is(err, errFromTheFuture) {
		l.log.Error("failures were counted at a time that has not come: did this host's clock jump back?", "user", l.user.Name)
		err = l.core.store.Update(ctx, func(tx store.Tx) error {
			var err error
			until, err = l.setup.Throttle.heal(tx, l.place(), l.core.now())
			return err
		})
	}
	switch {
	case err != nil:
		l.explain("throttle", "the store cannot be read: %v", err)
		return unavailable(ReasonStoreDown, err), false
	case !until.IsZero():
		l.explain("throttle", "too many failures: refused until %s (`tandem unlock %s` ends it)", until.Format(time.TimeOnly), l.user.Name)
		return rejectFor(ReasonThrottled, fmt.Errorf("refused until %s", until.UTC().Format(time.RFC3339))), false
	}
	l.explain("throttle", "not throttled")
	return ending{}, true
}

// place is where failures and successes of this person are counted.
func (l *login) place() place {
	if l.from != nil {
		return *l.from
	}
	name, personal := "client:"+l.Client, false
	if s := strings.ToLower(strings.TrimSpace(l.Source)); s != "" {
		name, personal = "at:"+s, true
	}
	from := newPlace(l.user.ID, name, personal)
	l.from = &from
	return from
}

func (l *login) noDevice() ending {
	if !l.user.HasDevices() {
		l.explain("devices", "the user has no device, and the policy says reject")
		return reject(ReasonNoDevice)
	}
	why := make([]string, 0, len(l.user.Skipped)+len(l.user.Devices))
	for _, p := range l.user.Skipped {
		why = append(why, p.Device+": "+p.Why)
	}
	for _, d := range l.user.Devices {
		why = append(why, fmt.Sprintf("%q: %s", d.Name, uncheckable(d)))
	}
	err := errors.New(strings.Join(why, "; "))
	l.explain("devices", "none of the user's devices can be used: %v", err)
	if len(l.expired) > 0 {
		return rejectFor(ReasonDeviceExpired, err)
	}
	return rejectFor(ReasonNoUsableDevice, err)
}

// uncheckable says of a device that nobody here checks its codes.
func uncheckable(d directory.Device) string {
	return "no factor that counts here checks devices of type " + d.Type
}

// append: the field holds password and code. The code is looked at first, so that a wrong one
// never reaches the directory's password check; it is claimed last.
func (l *login) append(ctx context.Context) ending {
	c, o := l.checkAppended(ctx)
	switch {
	case o.unknown():
		return l.factorDown(ctx, o)
	case !o.guessed:
		l.explain("code", "no code can be split off what was typed")
		return reject(ReasonNoCode)
	case c.Result != Match:
		return l.failCode(ctx, c.Finding)
	}
	return l.passwordThenClaim(ctx, c)
}

// auto: append if a right code can be split off, else the whole field is the password.
func (l *login) auto(ctx context.Context) ending {
	c, o := l.checkAppended(ctx)
	if o.unknown() {
		return l.factorDown(ctx, o)
	}
	if !o.guessed || c.Result == NoMatch || c.Result == Resync {
		// The password may end in digits that are no code: only a right code decides for append.
		l.explain("code", "no right code can be split off: the field is taken as the password")
		e := l.challenge(ctx, c.Notes...)
		if o.guessed && e.reason == ReasonWrongPassword {
			e.reason = ReasonWrongEither
		}
		return e
	}
	if c.Result != Match {
		return l.failCode(ctx, c.Finding)
	}
	return l.passwordThenClaim(ctx, c)
}

func (l *login) passwordThenClaim(ctx context.Context, c appended) ending {
	if e, ok := l.checkPassword(ctx, c.password); !ok {
		return e
	}
	l.password = secret.New(c.password)
	return l.accept(ctx, ReasonOK, commit{claim: &c.Claim, notes: c.Notes})
}

// passwordThenBegin: the field holds the password and the name of the factor that the user wants.
func (l *login) passwordThenBegin(ctx context.Context, password string, f Factor) ending {
	l.explain("code", "a code by %s is asked for", f.Name())
	if e, ok := l.checkPassword(ctx, password); !ok {
		return e
	}
	l.noteExpired()
	return l.begin(ctx, commit{}, l.newSession(), f)
}

// factorDown ends a step in which somebody who must be asked did not answer. If another factor has found the code
// to be none of its own, that was a guess all the same: a service that is down must not make guessing free.
func (l *login) factorDown(ctx context.Context, o opinion) ending {
	if o.guessed {
		c, _ := refusal(o.best)
		if e, ok := l.fail(ctx, c); !ok {
			return e
		}
	}
	return unavailable(ReasonFactorDown, o.err)
}

// codeOnly: the client has checked the password; the field is the code, or the name of a factor.
func (l *login) codeOnly(ctx context.Context) ending {
	if f := l.named(l.Secret.Reveal()); f != nil {
		return l.begin(ctx, commit{}, l.newSession(), f)
	}
	f, o := l.checkCode(ctx, l.Secret.Reveal(), "")
	switch {
	case o.unknown():
		return l.factorDown(ctx, o)
	case f.Result != Match:
		return l.failCode(ctx, f)
	}
	return l.accept(ctx, ReasonOK, commit{claim: &f.Claim, notes: f.Notes})
}

// challenge: the field is the password; a right one opens a challenge for the code.
// notes are kept either way.
func (l *login) challenge(ctx context.Context, notes ...Note) ending {
	if e, ok := l.checkPassword(ctx, l.Secret.Reveal(), notes...); !ok {
		return e
	}
	return l.secondFactor(ctx, commit{notes: notes})
}

// secondFactor asks for the code, once the first factor was right: of the first factor that serves the user, or of
// the one that the user chooses.
func (l *login) secondFactor(ctx context.Context, c commit) ending {
	l.noteExpired()
	menu, f := l.question()
	s := l.newSession()
	switch {
	case menu != nil:
		s.Menu = menu
		return l.offerMenu(ctx, c, s, "")
	case f == nil:
		return l.openChallenge(ctx, c, s)
	}
	return l.begin(ctx, c, s, f)
}

func (l *login) passwordAlone(ctx context.Context, r Reason) ending {
	l.explain("second factor", "the password alone is enough: %s", r)
	if e, ok := l.checkPassword(ctx, l.Secret.Reveal()); !ok {
		return e
	}
	return l.accept(ctx, r, commit{})
}

// hide turns a definite no into a challenge that cannot be answered, where the policy wants nobody
// to learn whether the first factor was right.
func (l *login) hide(ctx context.Context, e ending) ending {
	hidden := l.policy.HideFirstFactor && l.policy.Mode == policy.Challenge
	asked := l.FirstFactorDone && l.Secret.Empty() // whoever it is, a code is asked for
	if e.outcome != Reject || !hidden && !asked {
		return e
	}
	l.explain("challenge", "a challenge is opened that no code can answer, so that nobody learns of this from the prompt")
	s := openSession{Doomed: cmp.Or(e.reason, ReasonInternal), Tries: l.policy.Tries}
	if l.user != nil {
		s.Account = l.user.ID
	}
	opened := l.openChallenge(ctx, commit{}, s)
	if opened.outcome == Challenge {
		opened.reason = e.reason // the audit knows at once
	}
	return opened
}

// checkPassword asks the first factor, mostly the directory. A wrong password counts as a failure; an unknown answer does not.
func (l *login) checkPassword(ctx context.Context, password string, notes ...Note) (ending, bool) {
	if password == "" { // what the split left over (CVE-2014-7828)
		l.explain("password", "nothing is left for the password")
		return reject(ReasonEmptyPassword), false
	}
	checker, ok := l.setup.checker(l.policy.FirstFactor)
	if !ok {
		err := fmt.Errorf("policy %q has the first factor %q, which is not set up", l.policy.Name, l.policy.FirstFactor)
		l.explain("password", "%v", err)
		return rejectFor(ReasonNoPolicy, err), false
	}
	var err error
	if v, ok := checker.(Voucher); ok {
		l.vouched, err = v.Vouch(ctx, l.user, password)
	} else {
		err = checker.CheckPassword(ctx, l.user, password)
	}
	switch {
	case err == nil:
		l.proven = true
		l.explain("password", "right")
		return ending{}, true
	case errors.As(err, &l.account) && l.account.PasswordRight:
		// Who knows the password has not guessed it; and is not let in.
		l.proven = true
		l.explain("password", "right, but %v", err)
		if e, ok := l.fail(ctx, commit{notes: notes}); !ok {
			return e, false
		}
		return rejectFor(ReasonAccountState, err), false
	case errors.Is(err, directory.ErrWrongPassword):
		l.explain("password", "wrong: %v", err)
		if e, ok := l.fail(ctx, commit{failure: true, notes: notes}); !ok {
			return e, false
		}
		return rejectFor(ReasonWrongPassword, err), false
	}
	l.explain("password", "it cannot be checked: %v", err)
	return unavailable(ReasonDirectoryDown, err), false
}

// failCode ends a step whose code was not accepted.
func (l *login) failCode(ctx context.Context, f Finding) ending {
	c, e := refusal(f)
	if failed, ok := l.fail(ctx, c); !ok {
		return failed
	}
	return e
}

// refusal is what a code that is not accepted leaves behind, and how the step ends: a guess is counted, a
// code that was right once is not.
func refusal(f Finding) (commit, ending) {
	reasons := map[Result]Reason{NoMatch: ReasonWrongCode, Used: ReasonReplayedCode, ClockBehind: ReasonClockBehind, Resync: ReasonResync}
	e := reject(reasons[f.Result])
	if f.Detail != "" {
		e.err = errors.New(f.Detail)
	}
	return commit{failure: f.Result == NoMatch || f.Result == Resync, notes: f.Notes}, e
}

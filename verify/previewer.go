package verify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"tandem/verify/policy"
)

// previewer goes the way of a login as far as that leads without a password, and notes what it passes. It decides
// nothing by itself: it asks the login.
type previewer struct {
	*login
	out Preview
	// heard is what the login has explained.
	heard []Decision
}

// quieten keeps the log free of what nobody attempted.
func (p *previewer) quieten() {
	p.log = slog.New(slog.DiscardHandler)
	p.Explain = func(d Decision) { p.heard = append(p.heard, d) }
}

// because lets the login decide something, and returns how it explains that.
func (p *previewer) because(decide func()) (texts []string) {
	p.heard = nil
	decide()
	for _, d := range p.heard {
		if !slices.Contains(texts, d.Text) {
			texts = append(texts, d.Text)
		}
	}
	return texts
}

// refuse notes why the user cannot get in. The first reason is the one that a login would end with.
func (p *previewer) refuse(r Reason, detail string) {
	if p.out.Reason == "" {
		p.out.Reason, p.out.Detail = r, detail
	}
}

// preview follows [login.start].
func (p *previewer) preview(ctx context.Context) error {
	if err := checkName(p.User); err != nil {
		return err
	}
	e, found := p.findUser(ctx)
	if e.outcome == Unavailable {
		return fmt.Errorf("look up %q: %w", p.User, e.err)
	}
	if found {
		p.out.User = &PreviewUser{Name: p.user.Name, ID: p.user.ID, Groups: p.user.Groups}
	}
	if p.Policy != "" && p.setup.Policies[p.Policy] == nil {
		p.out.Policies = []PreviewPolicy{{Name: p.Policy, State: PolicyMissing}}
		p.refuse(ReasonNoPolicy, "")
		return nil
	}
	chosen := p.choosePolicy()
	p.tellPolicies(chosen)
	if !chosen {
		p.refuse(ReasonNoPolicy, "")
		return nil
	}
	p.tellInForce()
	if !found {
		p.refuse(e.reason, "")
		return nil
	}
	allowed := false
	if why := p.because(func() { allowed = p.allowedIn() }); !allowed {
		p.refuse(ReasonNotInGroup, strings.Join(why, "; "))
		return nil
	}
	p.tellThrottle(ctx)
	if err := p.tellFactors(ctx); err != nil {
		return err
	}
	p.tellDevices()
	return p.tellEnding(ctx)
}

// tellPolicies tells what became of each, of which choosePolicy has said only where it ended.
func (p *previewer) tellPolicies(chosen bool) {
	order := p.setup.Order
	if p.Policy != "" {
		order = []*policy.Policy{p.setup.Policies[p.Policy]}
	}
	ended := false
	for _, of := range order {
		told := PreviewPolicy{Name: of.Name, State: PolicyDoesNotHold}
		if of.When != nil {
			told.When = of.When.String()
		}
		last := of == p.policy || p.Policy != ""
		switch {
		case ended:
			told.State = PolicyNotLookedAt
		case last && p.brokenRule != nil:
			told.State, told.Error = PolicyBroken, p.brokenRule.Error()
		case last && chosen:
			told.State = PolicyHolds
		}
		ended = ended || last
		p.out.Policies = append(p.out.Policies, told)
	}
}

func (p *previewer) tellInForce() {
	first := p.policy.FirstFactor
	if first == "" {
		first = policy.FirstDirectory
	}
	p.out.InForce = &PreviewInForce{
		Policy: p.policy.Name, Mode: p.policy.Mode, FirstFactor: first, FirstLevel: p.policy.FirstLevel, Demanded: p.demandedLevel(),
	}
}

func (p *previewer) tellThrottle(ctx context.Context) {
	until, err := p.refusedUntil(ctx)
	switch {
	case err != nil:
		p.out.Throttle = &PreviewThrottle{Error: err.Error()}
	case !until.IsZero():
		p.out.Throttle = &PreviewThrottle{Until: until.UTC()}
	default:
		return
	}
	p.refuse(ReasonThrottled, "")
}

// tellFactors tells which the user can use: those that are offered, then those that stand in for others, then the rest.
func (p *previewer) tellFactors(ctx context.Context) error {
	offered := p.choices()
	for _, f := range offered {
		told := p.describe(f)
		told.Usable = true
		if s, ok := f.(Sender); ok {
			told.Target, _ = s.Target(p.user)
		}
		p.out.Factors = append(p.out.Factors, told)
	}
	var standIns, useless []PreviewFactor
	for _, f := range p.setup.Factors {
		if slices.Contains(offered, f) {
			continue
		}
		told := p.describe(f)
		h, holder := f.(Holder)
		switch {
		case !slices.Contains(p.allowed(), f):
			told.Why = p.whyNotCounting(f)
		case holder:
			left, enrolled, err := h.Holds(p.marksUntil(ctx))
			switch {
			case err != nil:
				return fmt.Errorf("whether %s has a %s: %w", p.user.Name, f.Label(), err)
			case left:
				told.Usable = true
				standIns = append(standIns, told)
				continue
			case enrolled:
				told.Why = "the user has none left"
			default:
				told.Why = "the user has none"
			}
		default:
			told.Why = whyNotServing(f)
		}
		useless = append(useless, told)
	}
	p.out.Factors = slices.Concat(p.out.Factors, standIns, useless)
	return nil
}

func (p *previewer) describe(f Factor) PreviewFactor {
	_, holder := f.(Holder)
	return PreviewFactor{Name: f.Name(), Label: f.Label(), Level: p.setup.level(f.Name()), StandIn: holder}
}

func (p *previewer) whyNotCounting(f Factor) string {
	if !slices.Contains(p.listed(), f) {
		return "the policy does not name it"
	}
	why := p.because(func() { p.counts(f) })
	return strings.TrimPrefix(strings.Join(why, "; "), f.Name()+": ")
}

func whyNotServing(f Factor) string {
	if _, ok := f.(Sender); ok {
		return "the user has no address for it"
	}
	return "the user has no device for it"
}

// tellDevices tells what each of the user's is good for.
func (p *previewer) tellDevices() {
	for _, d := range p.user.Devices {
		told := PreviewDevice{Type: d.Type, Name: d.Name}
		var idle []string
		for _, f := range p.setup.Factors {
			switch {
			case !serves(f, p.user, d):
			case slices.Contains(p.allowed(), f):
				told.Factors = append(told.Factors, f.Name())
			default:
				idle = append(idle, f.Name())
			}
		}
		switch {
		case len(told.Factors) > 0 && d.Weak:
			told.Note = "its secret has fewer than 128 bits: replace the token"
		case len(told.Factors) > 0:
		case len(idle) > 0:
			told.Note = strings.Join(idle, ", ") + " does not count here"
		default:
			told.Note = uncheckable(d)
		}
		p.out.Devices = append(p.out.Devices, told)
	}
	for _, s := range p.user.Skipped {
		p.out.Devices = append(p.out.Devices, PreviewDevice{Type: s.Type, Name: s.Device, Note: s.Why})
	}
}

// tellEnding tells what the login would end with, and how it gets there.
func (p *previewer) tellEnding(ctx context.Context) error {
	var way path
	var reason Reason
	var err error
	p.out.Because = p.because(func() { way, reason, err = p.path(ctx) })
	if err != nil {
		return err
	}
	p.level = p.policy.FirstLevel
	p.out.Second = way != pathFirst
	switch way {
	case pathNone:
		p.refuse(p.whyNoDevice())
		return nil
	case pathFirst:
		if !p.FirstFactorDone {
			p.out.Asks = []PreviewAsk{{Typed: []string{typedPassword}}}
		}
	case pathEnrol:
		f := p.tellEnrolment()
		reason = ReasonEnrolled
		p.second, p.level = f.Name(), max(p.level, p.setup.level(f.Name()))
	case pathSecond:
		f := p.tellQuestions()
		if f == nil {
			p.refuse(ReasonNoCode, "nothing that the user has can be appended to a password, and word_delimiter is empty, so that no code can be asked for")
			return nil
		}
		reason = ReasonOK
		p.second, p.level = f.Name(), max(p.level, p.setup.level(f.Name()))
	}
	p.out.Factor, p.out.Level = p.second, p.level
	if p.out.Reply, err = p.reply(); err != nil {
		p.refuse(ReasonNoPolicy, err.Error())
	}
	p.refuse(reason, "")
	p.out.Possible = p.out.Reason == reason
	return nil
}

func (p *previewer) whyNoDevice() (Reason, string) {
	e := p.noDevice()
	if e.err != nil {
		return e.reason, e.err.Error()
	}
	return e.reason, ""
}

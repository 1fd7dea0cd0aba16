package verify

import (
	"slices"

	"tandem/verify/policy"
)

// What stands for itself in [PreviewAsk.Typed].
const (
	typedPassword = "PASSWORD"
	typedCode     = "CODE"
	typedNumber   = "NUMBER"
)

// tellQuestions tells what the user is asked where a second factor is wanted, if they take what is offered first, and
// returns the factor that this is; nil if there is none by which they could get in.
func (p *previewer) tellQuestions() Factor {
	var usable []Factor
	for _, told := range p.out.Factors {
		if told.Usable {
			usable = append(usable, p.setup.factor(told.Name))
		}
	}
	if len(usable) == 0 { // recovery codes were made after tellFactors had looked
		return nil
	}
	first := usable[0]
	p.proven = !p.FirstFactorDone && p.policy.Mode != policy.CodeOnly
	switch mode := p.policy.Mode; {
	case p.FirstFactorDone:
	case mode == policy.Append:
		return p.tellAppended(usable)
	case mode == policy.CodeOnly && sends(first):
		p.ask(PreviewAsk{Typed: []string{first.Name()}}, p.codeOf(first))
		return first
	case mode == policy.CodeOnly:
		p.ask(PreviewAsk{Typed: []string{typedCode}})
		return first
	case mode == policy.Auto && slices.ContainsFunc(usable, p.appendable):
		p.ask(PreviewAsk{Typed: []string{typedPassword, p.appendedForm()}})
	default:
		p.ask(PreviewAsk{Typed: []string{typedPassword}})
	}
	p.noteExpired()
	if menu, _ := p.question(); menu != nil {
		p.ask(PreviewAsk{Typed: []string{typedNumber}, Text: p.notice + p.menuText(menu)})
		p.notice = ""
	}
	code := p.codeOf(first)
	code.Text = p.notice + code.Text
	p.ask(code)
	return first
}

// tellAppended is tellQuestions for a client that asks only once: what has to be asked for is asked for by its name.
func (p *previewer) tellAppended(usable []Factor) Factor {
	for _, f := range usable {
		switch {
		case p.appendable(f):
			p.ask(PreviewAsk{Typed: []string{p.appendedForm()}})
			return f
		case p.policy.WordDelimiter != "":
			p.noteExpired()
			code := p.codeOf(f)
			code.Text = p.notice + code.Text
			p.ask(PreviewAsk{Typed: []string{typedPassword + p.policy.WordDelimiter + f.Name()}}, code)
			return f
		}
	}
	return nil
}

// tellEnrolment tells what a user without any device is asked, and returns the factor that they get.
func (p *previewer) tellEnrolment() Factor {
	p.proven = !p.FirstFactorDone
	if !p.FirstFactorDone {
		p.ask(PreviewAsk{Typed: []string{typedPassword}})
	}
	confirm := PreviewAsk{Typed: []string{typedCode}, Text: p.texts().Enrol + p.skipText(), Enrols: true}
	if p.maySkip() {
		confirm.Typed = append(confirm.Typed, p.policy.SkipWord)
	}
	p.ask(confirm)
	return p.enroller()
}

func (p *previewer) ask(asks ...PreviewAsk) { p.out.Asks = append(p.out.Asks, asks...) }

// codeOf is how a code of f's is asked for; see [login.begin].
func (p *previewer) codeOf(f Factor) PreviewAsk {
	asked := PreviewAsk{Typed: []string{typedCode}, Text: p.texts().Prompt}
	if !sends(f) {
		return asked
	}
	asked.Sends, asked.Text = f.Name(), p.fill(p.texts().Sent, f)
	for _, other := range p.fallbacks() {
		if other.Name() != f.Name() {
			asked.Fallback = append(asked.Fallback, other.Name())
		}
	}
	return asked
}

// appendedForm is how password and code stand in one field.
func (p *previewer) appendedForm() string {
	if p.policy.CodeFirst {
		return typedCode + p.policy.Delimiter + typedPassword
	}
	return typedPassword + p.policy.Delimiter + typedCode
}

func sends(f Factor) bool { _, ok := f.(Sender); return ok }

// appendable reports whether codes of f's can be split off a password, and are there without asking.
func (p *previewer) appendable(f Factor) bool {
	return !sends(f) && slices.ContainsFunc(f.Shapes(p.user), func(s Shape) bool { return s.Length > 0 })
}

package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tandem/store"
	"tandem/verify/policy"
)

// appended is a finding about a code that was split off, and the password that stood beside it.
type appended struct {
	Finding
	password string
}

// candidate is a shape that a code of the user's may have, and the factor that knows such codes.
type candidate struct {
	factor Factor
	shape  Shape
}

// candidates lists the shapes of the user's codes, the longest first: a code of 6 digits may be the end of
// one of 8, and then the 8 were typed. Those of any length come last.
func (l *login) candidates() []candidate {
	var all []candidate
	for _, f := range l.allowed() {
		shapes := f.Shapes(l.user)
		for i, s := range shapes {
			if !slices.Contains(shapes[:i], s) {
				all = append(all, candidate{f, s})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.shape.Length, a.shape.Length) })
	return all
}

// checkAppended splits codes off what was typed in each shape that a code of the user's may have,
// and checks them.
func (l *login) checkAppended(ctx context.Context) (best appended, o opinion) {
	for _, c := range l.candidates() {
		password, code, ok := split(l.Secret.Reveal(), c.shape, l.policy)
		if !ok || !l.held(ctx, c.factor, &o) {
			continue
		}
		finding, err := l.ask(ctx, c.factor, code)
		if o.add(finding, err) {
			best = appended{finding, password}
		}
		if best.Result == Match {
			break
		}
	}
	return best, o
}

// checkCode checks what was typed as a whole. begun is the factor that the challenge was opened for, if one was:
// only that one is asked about what has the form of no other code.
func (l *login) checkCode(ctx context.Context, code, begun string) (best Finding, o opinion) {
	for _, c := range l.candidates() {
		if !c.shape.fits(code) || c.shape.Length == 0 && !l.takesFreeForm(c.factor, begun) {
			continue
		}
		if !l.held(ctx, c.factor, &o) {
			continue
		}
		finding, err := l.ask(ctx, c.factor, code)
		if o.add(finding, err) {
			best = finding
		}
		if best.Result == Match {
			break
		}
	}
	if !o.guessed && o.err == nil {
		l.explain("code", "what was typed has the shape of no code of this user's")
	}
	return best, o
}

// held reports whether a user has what only the store can tell. What nobody has does not make the end of a password
// a wrong code.
func (l *login) held(ctx context.Context, f Factor, o *opinion) bool {
	h, ok := f.(Holder)
	if !ok {
		return true
	}
	holds, _, err := h.Holds(l.marksUntil(ctx))
	if err != nil {
		o.add(Finding{}, err)
	}
	return holds
}

// takesFreeForm reports whether f may be asked about a code of any form: if the user was asked for it, or if it
// needs no asking first.
func (l *login) takesFreeForm(f Factor, begun string) bool {
	_, sender := f.(Sender)
	return f.Name() == begun || begun == "" && !sender
}

// opinion is what the factors, taken together, know about what was typed.
type opinion struct {
	// guessed: at least one has checked it.
	guessed bool
	// err: at least one could not.
	err  error
	best Finding
}

// add takes in what one factor found, and reports whether that says more than all before.
func (o *opinion) add(f Finding, err error) bool {
	if err != nil {
		o.err = errors.Join(o.err, err)
		return false
	}
	if o.guessed && !f.Better(o.best) {
		return false
	}
	o.guessed, o.best = true, f
	return true
}

// unknown reports whether nothing can be said: the code is right for nobody who could be asked, and somebody
// could not be asked.
func (o *opinion) unknown() bool { return o.err != nil && o.best.Result != Match }

// ask lets one factor check one code.
func (l *login) ask(ctx context.Context, f Factor, code string) (Finding, error) {
	began := l.core.now()
	var finding Finding
	var err error
	switch f := f.(type) {
	case Checker:
		finding, err = f.Check(ctx, l.user, code, l.marksUntil(ctx))
	case Maker:
		finding, err = l.checkDelivered(f, code, l.marksUntil(ctx))
	default:
		err = errors.New("it can neither check codes nor make them")
	}
	l.core.observe(f, checkEvent(finding, err), l.core.now().Sub(began))
	l.tried = append(l.tried, f.Name())
	if err != nil {
		l.explain("code", "%s cannot check: %v", f.Name(), err)
		return Finding{}, fmt.Errorf("check a %s code: %w", f.Name(), err)
	}
	if l.Explain != nil {
		l.explain("code", "%s", findingText(f, finding))
	}
	if finding.Result == Match {
		if _, ok := f.(Sender); ok { // the next login may have a code at once
			finding.Notes = append(finding.Notes, Note{Key: sentKey(f)})
		}
		l.device, l.detail, l.second = finding.Device, finding.Detail, f.Name()
		l.level = max(l.level, l.setup.level(f.Name()))
	}
	return finding, nil
}

// findingText says what f found out about a code.
func findingText(f Factor, found Finding) string {
	words := map[Result]string{
		NoMatch: "wrong", Match: "right, not yet used", Used: "was right, but is used already",
		ClockBehind: "a later code has been accepted: did this host's clock jump back?",
		Resync:      "right for a counter far ahead: the next code in a row will be accepted",
	}
	text := f.Name() + ": " + words[found.Result]
	if found.Device != "" {
		text += fmt.Sprintf(" (device %q)", found.Device)
	}
	if found.Detail != "" {
		text += ": " + found.Detail
	}
	return text
}

// maxFreeForm bounds codes that may have any form, in octets.
const maxFreeForm = 128

// fits reports whether code could be one of this shape. Only the octets of the alphabet count:
// other scripts' digits and spaces fit nothing (CVE-2025-6014).
func (s Shape) fits(code string) bool {
	if s.Length == 0 {
		return code != "" && len(code) <= maxFreeForm
	}
	return len(code) == s.Length && strings.Trim(code, s.Alphabet) == "" && !strings.ContainsFunc(code, func(r rune) bool {
		return !strings.ContainsRune(s.Alphabet, r)
	})
}

// split cuts a code of shape s off typed, where the policy says it stands.
func split(typed string, s Shape, p *policy.Policy) (password, code string, ok bool) {
	n := s.Length + len(p.Delimiter)
	if s.Length == 0 || len(typed) < n {
		return "", "", false
	}
	var delimiter string
	if p.CodeFirst {
		code, delimiter, password = typed[:s.Length], typed[s.Length:n], typed[n:]
	} else {
		at := len(typed) - n
		password, delimiter, code = typed[:at], typed[at:at+len(p.Delimiter)], typed[at+len(p.Delimiter):]
	}
	if delimiter != p.Delimiter || !s.fits(code) {
		return "", "", false
	}
	return password, code, true
}

// marksUntil reads what is kept of the user, until ctx ends.
func (l *login) marksUntil(ctx context.Context) Marks {
	return userMarks{ctx, l.core.store, l.user.ID}
}

// userMarks reads one user's marks from the store.
type userMarks struct {
	ctx   context.Context //nolint:containedctx // lives as long as one Factor.Check
	store store.Store
	user  string
}

// Mark implements [Marks].
func (m userMarks) Mark(key string) (value uint64, ok bool, err error) {
	err = m.store.View(m.ctx, func(r store.Reader) error {
		value, ok, err = readMark(r, m.user, key)
		return err
	})
	return value, ok, err
}

// Record implements [Marks].
func (m userMarks) Record(key string) (value []byte, err error) {
	err = m.store.View(m.ctx, func(r store.Reader) error {
		value, err = r.Get(recordKey(m.user, key))
		return err
	})
	return value, err
}

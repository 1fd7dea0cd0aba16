package verify

import (
	"cmp"
	"context"
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
// one of 8, and then the 8 were typed.
func (l *login) candidates() []candidate {
	var all []candidate
	for _, f := range l.setup.Factors {
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
// and checks them. found is false if what was typed fits no shape.
func (l *login) checkAppended(ctx context.Context) (best appended, found bool, err error) {
	for _, c := range l.candidates() {
		password, code, ok := split(l.Secret.Reveal(), c.shape, l.policy)
		if !ok {
			continue
		}
		finding, err := l.ask(ctx, c.factor, code)
		if err != nil {
			return appended{}, false, err
		}
		if !found || finding.Better(best.Finding) {
			best, found = appended{finding, password}, true
		}
		if best.Result == Match {
			l.device = best.Device
			return best, true, nil
		}
	}
	return best, found, nil
}

// checkCode checks what was typed as a whole.
func (l *login) checkCode(ctx context.Context, code string) (best Finding, err error) {
	found := false
	for _, c := range l.candidates() {
		if !c.shape.fits(code) {
			continue
		}
		finding, err := l.ask(ctx, c.factor, code)
		if err != nil {
			return Finding{}, err
		}
		if !found || finding.Better(best) {
			best, found = finding, true
		}
		if best.Result == Match {
			l.device = best.Device
			return best, nil
		}
	}
	if !found {
		l.explain("code", "what was typed has the shape of no code of this user's")
	}
	return best, nil
}

// ask lets one factor check one code.
func (l *login) ask(ctx context.Context, f Factor, code string) (Finding, error) {
	checker, ok := f.(Checker)
	if !ok {
		return Finding{}, nil
	}
	finding, err := checker.Check(ctx, l.user, code, userMarks{ctx, l.core.store, l.user.ID})
	if err != nil {
		l.explain("code", "%s cannot check: %v", f.Name(), err)
		return Finding{}, fmt.Errorf("check a %s code: %w", f.Name(), err)
	}
	l.tried = append(l.tried, f.Name())
	words := map[Result]string{
		NoMatch: "wrong", Match: "right, not yet used", Used: "was right, but is used already",
		ClockBehind: "a later code has been accepted: did this host's clock jump back?",
		Resync:      "right for a counter far ahead: the next code in a row will be accepted",
	}
	text := f.Name() + ": " + words[finding.Result]
	if finding.Device != "" {
		text += fmt.Sprintf(" (device %q)", finding.Device)
	}
	if finding.Detail != "" {
		text += ": " + finding.Detail
	}
	l.explain("code", "%s", text)
	return finding, nil
}

// fits reports whether code could be one of this shape. Only the octets of the alphabet count:
// other scripts' digits and spaces fit nothing (CVE-2025-6014).
func (s Shape) fits(code string) bool {
	return len(code) == s.Length && strings.Trim(code, s.Alphabet) == "" && !strings.ContainsFunc(code, func(r rune) bool {
		return !strings.ContainsRune(s.Alphabet, r)
	})
}

// split cuts a code of shape s off typed, where the policy says it stands.
func split(typed string, s Shape, p *policy.Policy) (password, code string, ok bool) {
	n := s.Length + len(p.Delimiter)
	if len(typed) < n {
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

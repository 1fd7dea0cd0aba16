package verify

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tandem/directory"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// allowed lists the factors that the policy, and their own rules, let count in this login, in the policy's order.
func (l *login) allowed() []Factor {
	if l.factors != nil {
		return l.factors
	}
	all := l.listed()
	if l.factors = all; len(l.setup.When) == 0 && l.demandedLevel() == 0 {
		return all
	}
	l.factors = slices.DeleteFunc(slices.Clone(all), func(f Factor) bool { return !l.counts(f) })
	return l.factors
}

// counts reports whether f, which the policy lets count, does so in this login.
func (l *login) counts(f Factor) bool {
	if worth, demanded := l.setup.level(f.Name()), l.demandedLevel(); worth < demanded {
		l.explain("factors", "%s: it is worth %d, and level %d is demanded", f.Name(), worth, demanded)
		return false
	}
	return l.holds(f)
}

// holds reports whether this login is one that f's rule is about. A rule that cannot be evaluated holds for none.
func (l *login) holds(f Factor) bool {
	r := l.setup.When[f.Name()]
	if r == nil {
		return true
	}
	ok, err := r.Match(l.env())
	if err != nil {
		l.log.Error("a factor's rule could not be evaluated: the factor is not used", "attempt", l.ID, "factor", f.Name(), "err", err)
		l.explain("factors", "%s: its rule: %v", f.Name(), err)
		return false
	}
	if !ok {
		l.explain("factors", "%s: its rule does not hold: %s", f.Name(), r)
	}
	return ok
}

// env is what rules can see of this login. Of a user who does not exist they see the name as it was typed.
func (l *login) env() rule.Env {
	e := rule.Env{
		User: l.User, Client: l.Client, NAS: l.Station, Service: l.Service, Via: l.Door, Source: l.Source, Time: l.now(),
	}
	if l.user != nil {
		e.User, e.Groups, e.Attributes = l.user.Name, l.user.Groups, l.attributesOf(l.user)
	}
	return e
}

// attributesOf are the user's, with mail and phone, which have a place of their own in the entry, under these names.
func (l *login) attributesOf(u *directory.User) map[string][]string {
	if l.seen != nil {
		return l.seen
	}
	l.seen = maps.Clone(u.Attributes)
	if l.seen == nil {
		l.seen = map[string][]string{}
	}
	for name, value := range map[string]string{"mail": u.Mail, "phone": u.Phone} {
		if _, there := l.seen[name]; !there && value != "" {
			l.seen[name] = []string{value}
		}
	}
	return l.seen
}

// listed are the factors that the policy names, or all if it names none.
func (l *login) listed() []Factor {
	if len(l.policy.Factors) == 0 {
		return l.setup.Factors
	}
	var all []Factor
	for _, name := range l.policy.Factors {
		if f := l.setup.factor(name); f != nil {
			all = append(all, f)
		}
	}
	return all
}

// factor finds a factor by its name, or returns nil.
func (s *Setup) factor(name string) Factor {
	for _, f := range s.Factors {
		if f.Name() == name {
			return f
		}
	}
	return nil
}

// serves reports whether f can be asked for a code of the user's, as far as the directory tells.
func (l *login) serves(f Factor) bool {
	if len(f.Shapes(l.user)) == 0 {
		return false
	}
	if s, ok := f.(Sender); ok {
		_, ok := s.Target(l.user)
		return ok
	}
	return true
}

// choices are the factors that the user may choose from: those that serve, the preferred one first. What only
// stands in for others, such as recovery codes, is not among them; where a code is asked for it is taken all the
// same.
func (l *login) choices() []Factor {
	var all []Factor
	for _, f := range l.allowed() {
		if _, holder := f.(Holder); !holder && l.serves(f) {
			all = append(all, f)
		}
	}
	if preferred := l.preference().factor; preferred != "" {
		if i := slices.IndexFunc(all, func(f Factor) bool { return f.Name() == preferred }); i > 0 {
			first := all[i]
			all = slices.Insert(slices.Delete(all, i, i+1), 0, first)
		}
	}
	return all
}

// question is what a user whose first factor was right is asked for: to choose from a menu; or a code of f; or, with
// neither, a code of what only stands in for others, which is all there is.
func (l *login) question() (menu []string, f Factor) {
	choices := l.choices()
	switch {
	case len(choices) == 0:
		return nil, nil
	case l.policy.Choose == policy.ChooseAsk && len(choices) > 1 && l.preference().factor != choices[0].Name():
		for _, f := range choices {
			menu = append(menu, f.Name())
		}
		return menu, nil
	}
	return nil, choices[0]
}

// servable reports whether any factor can check a code of the user's, and whether the store knows of any that could, once.
func (l *login) servable(ctx context.Context) (ok, enrolled bool, err error) {
	if slices.ContainsFunc(l.allowed(), func(f Factor) bool {
		_, holder := f.(Holder)
		return !holder && l.serves(f)
	}) {
		return true, true, nil
	}
	for _, f := range l.allowed() {
		h, ok := f.(Holder)
		if !ok {
			continue
		}
		left, had, err := h.Holds(l.marksUntil(ctx))
		if left || err != nil {
			return left, left, err
		}
		enrolled = enrolled || had
	}
	return false, enrolled, nil
}

// reachable reports whether any factor of the policy could ask the user for a code, whatever they are worth. A rule that
// cannot be evaluated does not make anybody unreachable.
func (l *login) reachable() bool {
	return slices.ContainsFunc(l.listed(), func(f Factor) bool {
		_, holder := f.(Holder)
		if holder || !l.serves(f) {
			return false
		}
		r := l.setup.When[f.Name()]
		if r == nil {
			return true
		}
		ok, err := r.Match(l.env())
		return ok || err != nil
	})
}

// preference is what the user's own entry says about second factors.
type preference struct {
	factor string        // empty: none is preferred
	demand policy.Demand // empty: nothing is said
}

func (l *login) preference() (p preference) {
	if l.policy.FactorAttribute == "" {
		return p
	}
	for _, v := range l.user.Attributes[l.policy.FactorAttribute] {
		v = strings.ToLower(strings.TrimSpace(v))
		switch {
		case v == string(policy.DemandRequired): // whatever else stands there
			p.demand = policy.DemandRequired
		case v == string(policy.DemandOff) && p.demand == "":
			p.demand = policy.DemandOff
		case l.setup.factor(v) != nil && p.factor == "":
			p.factor = v
		}
	}
	return p
}

// named finds the choice that the user means by a word: its name or its label.
func (l *login) named(word string) Factor {
	word = strings.TrimSpace(word)
	for _, f := range l.choices() {
		if strings.EqualFold(word, f.Name()) || strings.EqualFold(word, f.Label()) {
			return f
		}
	}
	return nil
}

// splitWord cuts the name of a factor off what was typed: "password,sms".
func (l *login) splitWord() (password string, f Factor) {
	typed, delimiter := l.Secret.Reveal(), l.policy.WordDelimiter
	if delimiter == "" {
		return "", nil
	}
	at := strings.LastIndex(typed, delimiter)
	if at < 0 {
		return "", nil
	}
	if f = l.named(typed[at+len(delimiter):]); f == nil {
		return "", nil
	}
	return typed[:at], f
}

// menuText asks the user to choose.
func (l *login) menuText(names []string) string {
	return strings.ReplaceAll(l.texts().Menu, "{menu}", l.menu(names))
}

// menu is the numbered list of what the user can choose from.
func (l *login) menu(names []string) string {
	entries := make([]string, 0, len(names))
	for i, name := range names {
		f := l.setup.factor(name)
		if f == nil { // a reload has taken it away
			continue
		}
		entry := strconv.Itoa(i+1) + " " + f.Label()
		if s, ok := f.(Sender); ok {
			if target, _ := s.Target(l.user); target != "" {
				entry += " " + target
			}
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, "  ")
}

// pick finds what an answer to a menu means: a number, a name or a label.
func (l *login) pick(menu []string, answer string) Factor {
	if n, err := strconv.Atoi(strings.TrimSpace(answer)); err == nil {
		if n < 1 || n > len(menu) {
			return nil
		}
		answer = menu[n-1]
	}
	f := l.named(answer)
	if f == nil || !slices.Contains(menu, f.Name()) {
		return nil
	}
	return f
}

// fill puts a factor's label and target into a text of the policy.
func (l *login) fill(text string, f Factor) string {
	var target string
	if s, ok := f.(Sender); ok {
		target, _ = s.Target(l.user)
	}
	text = strings.NewReplacer("{label}", f.Label(), " {target}", spaced(target), "{target}", target).Replace(text)
	return text
}

// spaced is s with the space before it, so that an empty target leaves none.
func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

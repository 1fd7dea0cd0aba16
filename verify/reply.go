package verify

import (
	"fmt"
	"slices"
	"strconv"

	"tandem/verify/rule"
)

// reply is what the client is to be told of the user once they are in. An attribute may be what keeps somebody in their
// network, so if it is not known whether it belongs there, nobody is let in.
func (l *login) reply() ([]Attribute, error) {
	out := slices.Clone(l.vouched)
	rules := rule.For(l.env)
	defer rules.Close()
	for i := range l.policy.Reply {
		r := &l.policy.Reply[i]
		if r.When != nil {
			ok, err := rules.Match(r.When)
			if err != nil {
				return nil, fmt.Errorf("the reply attribute %s of policy %q: %w", r.Attribute, l.policy.Name, err)
			}
			if !ok {
				continue
			}
		}
		for _, v := range r.Value.Expand(l.known) {
			out = append(out, Attribute{r.Attribute, v})
		}
	}
	return out, nil
}

// known are the values of a name in a template.
func (l *login) known(name string) []string {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	switch name {
	case "user":
		return one(l.user.Name)
	case "groups":
		return l.user.Groups
	case "mail":
		return one(l.user.Mail)
	case "phone":
		return one(l.user.Phone)
	case "level":
		return one(strconv.Itoa(l.level))
	case "factor":
		return one(l.second)
	}
	return l.user.Attributes[name]
}

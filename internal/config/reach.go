package config

import (
	"fmt"
	"slices"
	"strings"

	"tandem/verify/rule"
)

// reach warns of what is written in vain: policies that no login can come under, clients for which no policy can
// hold, and factors that nobody can use. It says only what is sure, by what rules say of via and client, and needs a
// configuration without errors.
func (c *checker) reach(conf *Config) {
	r := reach{checker: c, conf: conf, factors: conf.Factor.setUp(conf)}
	for i := range conf.Policies {
		text := conf.Policies[i].When
		if text == "" {
			text = "true"
		}
		outline, err := rule.NewOutline(text)
		if err != nil {
			return // never: such a rule is an error
		}
		r.rules = append(r.rules, outline)
	}
	for i := range conf.Policies {
		r.policy(i)
	}
	for i := range conf.Radius.Clients {
		r.client(i)
	}
	for _, f := range r.factors {
		r.factor(f)
	}
	if conf.Factor.Password.Enabled && conf.Directory.Type == "file" {
		c.Warnf("factor.password.enabled", "nobody can use it: a users file has no devices of type Password; remove it, or keep users in LDAP")
	}
}

// reach is what it looks at.
type reach struct {
	*checker
	conf *Config
	// rules are those of the policies; true for one that has none.
	rules   []rule.Outline
	factors []setUp
}

// byPAM are this host's own logins. They are always possible: tandem-pam may read this file too.
var byPAM = rule.Kind{Via: "pam", Client: "pam"} //nolint:gochecknoglobals // constant

func byClient(cl *Client) rule.Kind { return rule.Kind{Via: "radius", Client: cl.Name} }

// kinds are those of logins that may come under a policy: their client names it, or, if unnamed is set, none.
func (r *reach) kinds(policy string, unnamed bool) []rule.Kind {
	kinds := []rule.Kind{byPAM} // a PAM module may name any
	for i := range r.conf.Radius.Clients {
		if cl := &r.conf.Radius.Clients[i]; cl.Policy == policy || cl.Policy == "" && unnamed {
			kinds = append(kinds, byClient(cl))
		}
	}
	return kinds
}

func (r *reach) policy(i int) {
	p, key := &r.conf.Policies[i], fmt.Sprintf("policies[%d]", i)
	kinds := slices.DeleteFunc(r.kinds(p.Name, p.When != ""), func(k rule.Kind) bool { return r.rules[i].Judge(k) == rule.Never })
	switch {
	case len(kinds) == 0:
		r.Warnf(key+".when", "holds for no login: neither for one through PAM nor for one of a client that may come under this policy (%s): correct the rule, or remove the policy", clientNames(r.conf.Radius.Clients))
	case p.When != "" && !isUsed(p, r.conf.Radius.Clients) && r.conf.PAM.Socket == "":
		if by := r.shadow(i, kinds); by >= 0 {
			r.Warnf(key+".when", "is never looked at: policy %q on line %d comes first and holds for all these logins; change their order, or remove one of them", r.conf.Policies[by].Name, r.lines[fmt.Sprintf("policies[%d]", by)])
		}
	}
	for j, name := range p.Fallback {
		if len(p.Factors) > 0 && !slices.Contains(p.Factors, name) {
			r.Warnf(fmt.Sprintf("%s.fallback[%d]", key, j), "%q never steps in, as it is not among this policy's factors: add it there, or remove it here", name)
		}
	}
	highest := p.FirstLevel
	for _, f := range r.factors {
		at := slices.Index(p.Factors, f.name)
		if at >= 0 && f.level < p.Level {
			r.Warnf(fmt.Sprintf("%s.factors[%d]", key, at), "%q never counts: it is worth %d, and this policy demands level %d", f.name, f.level, p.Level)
		}
		if at >= 0 || len(p.Factors) == 0 {
			highest = max(highest, f.level)
		}
	}
	if highest < p.Level {
		r.Warnf(key+".level", "nobody can reach %d: no factor of this policy is worth more than %d", p.Level, highest)
	}
}

// shadow finds the earlier policies that are taken for all logins of these kinds, and returns the last of them; -1 if
// there are none.
func (r *reach) shadow(i int, kinds []rule.Kind) int {
	last := -1
	for _, k := range kinds {
		by := -1
		for j := range i {
			ruled := r.conf.Policies[j].When != ""
			if ruled && (r.rules[j].Judge(k) == rule.Always || r.rules[j].String() == r.rules[i].String()) {
				by = j
				break
			}
		}
		if by < 0 {
			return -1
		}
		last = max(last, by)
	}
	return last
}

func (r *reach) client(i int) {
	cl, key := &r.conf.Radius.Clients[i], fmt.Sprintf("radius.clients[%d]", i)
	highest := 0
	holds := false
	for j := range r.conf.Policies {
		p := &r.conf.Policies[j]
		mine := cl.Policy == p.Name || cl.Policy == "" && (p.When != "" || p.Name == "default")
		if !mine || r.rules[j].Judge(byClient(cl)) == rule.Never {
			continue
		}
		holds = true
		highest = max(highest, p.FirstLevel)
		for _, f := range r.factors {
			if len(p.Factors) == 0 || slices.Contains(p.Factors, f.name) {
				highest = max(highest, f.level)
			}
		}
	}
	switch {
	case !holds && cl.Policy != "":
		r.Warnf(key+".policy", "nobody gets in through this client: the rule of policy %q never holds for it", cl.Policy)
	case !holds:
		r.Warnf(key+".name", "nobody gets in through this client: no rule of a policy holds for it, and no policy is called default")
	case highest < cl.Level:
		r.Warnf(key+".level", "nobody can reach %d: no factor of a policy for this client is worth more than %d", cl.Level, highest)
	}
}

func (r *reach) factor(f setUp) {
	if f.key == "" { // it is there without having been asked for
		return
	}
	counts, named := false, false
	for i := range r.conf.Policies {
		if p := &r.conf.Policies[i]; len(p.Factors) == 0 || slices.Contains(p.Factors, f.name) {
			named, counts = true, counts || f.level >= p.Level
		}
	}
	switch {
	case !named:
		r.Warnf(f.key, "nobody can use %s: no policy names it in factors", f.name)
	case !counts:
		r.Warnf(f.key, "nobody can use %s: it is worth %d, and all policies that name it demand more", f.name, f.level)
	case f.when != "" && r.never(f.when):
		r.Warnf(f.key+".when", "nobody can use %s: its rule holds for no login, neither for one through PAM nor for one of a client (%s)", f.name, clientNames(r.conf.Radius.Clients))
	}
}

// never reports whether a rule holds for no login at all.
func (r *reach) never(text string) bool {
	outline, err := rule.NewOutline(text)
	return err == nil && !slices.ContainsFunc(r.conf.Radius.Clients, func(cl Client) bool {
		return outline.Judge(byClient(&cl)) != rule.Never
	}) && outline.Judge(byPAM) == rule.Never
}

func clientNames(clients []Client) string {
	if len(clients) == 0 {
		return "there are no clients"
	}
	names := make([]string, len(clients))
	for i := range clients {
		names[i] = clients[i].Name
	}
	return "clients are called " + strings.Join(names, ", ")
}

// setUp is what the terms are on which a factor can be used.
type setUp struct {
	name string
	// key is its block; empty if it is there by default.
	key   string
	level int
	when  string
}

// setUp lists all factors.
func (f *Factors) setUp(conf *Config) []setUp {
	all := []setUp{{name: "totp", level: conf.TOTP.Level}, {name: "hotp", level: conf.HOTP.Level}}
	if f.Yubico != nil {
		all = append(all, setUp{"yubico", yubicoBlock, f.Yubico.Level, ""})
	}
	for i := range f.External {
		e := &f.External[i]
		all = append(all, setUp{e.Name, fmt.Sprintf("factor.external[%d]", i), e.Level, e.When})
	}
	for i := range f.REST {
		s := &f.REST[i]
		all = append(all, setUp{s.Name, fmt.Sprintf("factor.rest[%d]", i), s.Level, s.When})
	}
	for i := range f.Mail {
		m := &f.Mail[i]
		all = append(all, setUp{m.Name, fmt.Sprintf("factor.mail[%d]", i), m.Level, m.When})
	}
	if f.Password.Enabled {
		all = append(all, setUp{"password", "factor.password", f.Password.Level, ""})
	}
	if f.Recovery.Enabled {
		all = append(all, setUp{name: "recovery", level: f.Recovery.Level})
	}
	return all
}

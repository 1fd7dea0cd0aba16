package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tandem/internal/admin"
	"tandem/verify"
)

// sheet is a page of labelled lines.
type sheet struct{ strings.Builder }

// say writes lines under one label. What a directory says may hold anything: nothing of it reaches the terminal as a
// command.
func (s *sheet) say(label string, lines ...string) {
	for _, line := range lines {
		fmt.Fprintf(s, "%-10s %s\n", label, strings.TrimRight(harmless(line), " "))
		label = ""
	}
}

// plain writes lines without a label.
func (s *sheet) plain(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(s, strings.TrimRight(harmless(line), " "))
	}
}

// harmless is text of which a terminal obeys nothing.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// columns aligns rows: each cell but the last of a row is as wide as the widest of its column.
func columns(rows [][]string) (lines []string) {
	var width []int
	for _, row := range rows {
		for i := range row[:len(row)-1] {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(row[i])))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row[:len(row)-1] {
			line.WriteString(cell + strings.Repeat(" ", width[i]-len([]rune(cell))+2))
		}
		lines = append(lines, line.String()+row[len(row)-1])
	}
	return lines
}

// describePreview is the answer to r for people.
func describePreview(p *verify.Preview, r admin.Request) string {
	s := new(sheet)
	switch {
	case p.User == nil:
		s.say("user", p.Name+": not found in the directory")
	case len(p.User.Groups) == 0:
		s.say("user", fmt.Sprintf("%s, id %s, in no groups", p.User.Name, p.User.ID))
	default:
		s.say("user", fmt.Sprintf("%s, id %s", p.User.Name, p.User.ID))
		s.say("groups", listGroups(p.User.Groups)...)
	}
	s.say("login", describeLogin(r))
	s.say("policies", describePolicies(p)...)
	if f := p.InForce; f != nil {
		demanded := "no level is demanded"
		if f.Demanded > 0 {
			demanded = fmt.Sprintf("level %d is demanded", f.Demanded)
		}
		s.say("in force", fmt.Sprintf("%s: mode %s, first factor %s (level %d), %s", f.Policy, f.Mode, f.FirstFactor, f.FirstLevel, demanded))
	}
	if t := p.Throttle; t != nil {
		until := t.Error
		if until == "" {
			until = "refused until " + t.Until.Format(time.RFC3339)
		}
		s.say("throttle", until)
	}
	if len(p.Because) > 0 {
		asked := "not asked for: "
		if p.Second {
			asked = "asked for: "
		}
		s.say("second", asked+strings.Join(p.Because, "; "))
	}
	s.say("factors", columns(factorRows(p))...)
	s.say("devices", columns(deviceRows(p))...)
	for i, ask := range p.Asks {
		label := ""
		if i == 0 {
			label = "asked"
		}
		s.say(label, fmt.Sprintf("%d. %s", i+1, describeAsk(ask)))
	}
	if p.Possible || p.Reason == reasonUnsendable {
		s.say("reply", describeReply(p)...)
	}
	s.say("result", describeEnding(p))
	return s.String()
}

// listGroups puts groups on one line, unless they are DNs.
func listGroups(groups []string) []string {
	if line := strings.Join(groups, ", "); strings.Count(line, ",") == len(groups)-1 {
		return []string{line}
	}
	return groups
}

func describeLogin(r admin.Request) string {
	text := "via " + r.Login.Via
	for _, about := range []struct{ name, value string }{
		{"client", r.Login.Client},
		{"policy", r.Policy},
		{"source", r.Source},
		{"service", r.Login.Service},
		{"nas identifier", r.Login.NASIdentifier},
		{"nas ip", r.Login.NASIP},
		{"nas port type", r.Login.NASPortType},
	} {
		if about.value != "" {
			text += ", " + about.name + " " + about.value
		}
	}
	if r.Login.Time != nil {
		text += ", at " + r.Login.Time.Format(time.RFC3339)
	}
	return text
}

func describePolicies(p *verify.Preview) []string {
	var rows [][]string
	var rest []string
	for _, policy := range p.Policies {
		rule := cmp.Or(policy.When, "(for every login)")
		switch policy.State {
		case verify.PolicyHolds:
			rows = append(rows, []string{policy.Name, "holds", rule})
		case verify.PolicyDoesNotHold:
			rows = append(rows, []string{policy.Name, "does not hold", rule})
		case verify.PolicyBroken:
			rows = append(rows, []string{policy.Name, "BROKEN, so nobody gets in", policy.Error})
		case verify.PolicyNotLookedAt:
			rest = append(rest, policy.Name)
		case verify.PolicyMissing:
			rows = append(rows, []string{policy.Name, "there is no policy of this name"})
		}
	}
	lines := columns(rows)
	if len(rest) > 0 {
		lines = append(lines, "not looked at: "+strings.Join(rest, ", "))
	}
	return lines
}

func factorRows(p *verify.Preview) (rows [][]string) {
	offered := 0
	for _, f := range p.Factors {
		switch what := strings.TrimSpace(f.Label + " " + f.Target); {
		case !f.Usable:
			rows = append(rows, []string{"-", f.Name, "not usable", f.Why})
		case f.StandIn:
			rows = append(rows, []string{"+", f.Name, levelOf(f), what + ", wherever a code is asked for"})
		default:
			offered++
			rows = append(rows, []string{strconv.Itoa(offered) + ".", f.Name, levelOf(f), what})
		}
	}
	return rows
}

func levelOf(f verify.PreviewFactor) string { return "level " + strconv.Itoa(f.Level) }

func deviceRows(p *verify.Preview) (rows [][]string) {
	for _, d := range p.Devices {
		what := strconv.Quote(d.Name)
		if d.Type != "" {
			what = d.Type + " " + what
		}
		use := "not used"
		if len(d.Factors) > 0 {
			use = strings.Join(d.Factors, ", ")
		}
		rows = append(rows, []string{what, use, d.Note})
	}
	return rows
}

func describeAsk(a verify.PreviewAsk) string {
	text := strings.Join(a.Typed, " or ")
	if a.Text != "" {
		text += fmt.Sprintf(", at %q", a.Text)
	}
	if a.Enrols {
		text += ", after a new device was shown: the user is asked to enrol it"
	}
	if a.Sends != "" {
		text += ", after a code was sent by " + a.Sends
	}
	if len(a.Fallback) > 0 {
		text += " (if that fails: " + strings.Join(a.Fallback, ", ") + ")"
	}
	return text
}

// describeReply says what the client is told, and for which of the ways in.
func describeReply(p *verify.Preview) []string {
	by := "by the first factor alone"
	if p.Factor != "" {
		by = "by " + p.Factor
	}
	what := ""
	if len(p.Reply) == 0 {
		what = " no attributes"
	}
	lines := make([]string, 0, 1+len(p.Reply))
	lines = append(lines, fmt.Sprintf("after a login %s (level %d):%s", by, p.Level, what))
	for _, a := range p.Reply {
		lines = append(lines, a.Name+" = "+a.Value)
	}
	return lines
}

func describeEnding(p *verify.Preview) string {
	text := "NO"
	if p.Possible {
		text = "YES"
	}
	return text + fmt.Sprintf(" (%s): %s", p.Reason, cmp.Or(p.Detail, endings[p.Reason]))
}

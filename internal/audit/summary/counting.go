package summary

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The bounds of what is remembered, whatever the audit holds.
const (
	maxUsers   = 4096
	maxSources = 1 << 18 // pairs of user and source: some 10 MB
	maxText    = 256     // octets of a name
)

// counting is a [Summary] in the making.
type counting struct {
	Options
	files, skipped, broken []string

	lines, unreadable     int
	oldest                time.Time // of the lines that earlier logins can be told from
	began, ended          int       // logins
	accepted, rejected    counts
	undecided, doors      counts
	sent, failed, actions counts
	users, throttled      *top
	byDoor, byFactor      grouped
	byReason              grouped
	latest                []Action

	seed       maphash.Seed
	sources    map[uint64]struct{}
	fresh      int
	freshest   []NewSource
	incomplete bool
}

// counts are by a name; see maxGroups.
type counts map[string]int

func (c counts) add(name string) {
	if _, known := c[name]; !known && len(c) >= maxGroups {
		name = others
	}
	c[name]++
}

func (c counts) sum() (n int) {
	for _, v := range c {
		n += v
	}
	return n
}

func newCounting(o Options) *counting {
	return &counting{
		Options: o, accepted: counts{}, rejected: counts{}, undecided: counts{}, doors: counts{}, sent: counts{}, failed: counts{}, actions: counts{},
		users: newTop(maxUsers), throttled: newTop(maxUsers), byDoor: grouped{}, byFactor: grouped{}, byReason: grouped{},
		seed: maphash.MakeSeed(), sources: map[uint64]struct{}{},
	}
}

// line counts one line; nil is one that is too long.
func (c *counting) line(text []byte) {
	if len(bytes.TrimSpace(text)) == 0 && text != nil {
		return // the end that follows a line which was cut off
	}
	l, ok := decode(text)
	switch {
	case !ok:
		c.unreadable++
		return
	case !l.Time.Before(c.Until):
		return
	case c.oldest.IsZero() || l.Time.Before(c.oldest):
		c.oldest = l.Time
	}
	if l.Time.Before(c.Since) {
		if l.Outcome == "accept" && !l.Time.Before(c.Since.Add(-LookBack)) {
			c.isNew(&l)
		}
		return
	}
	c.lines++
	if l.Action != "" {
		c.action(&l)
		return
	}
	c.step(&l)
}

func (c *counting) action(l *line) {
	c.actions.add(printable(l.Action))
	c.latest = append(c.latest, Action{
		Time: l.Time.UTC(), By: printable(l.By), Action: printable(l.Action), User: printable(cmp.Or(l.Account, l.User)),
		Device: printable(l.Device), Detail: printable(l.Detail), Error: printable(l.Error),
	})
	c.latest = trim(c.latest, c.Top)
}

// trim drops the oldest; not at each call, as that would copy all the others.
func trim[T any](list []T, most int) []T {
	if len(list) < 2*most+1 {
		return list
	}
	return slices.Clone(list[len(list)-most:])
}

// step counts one step of a login.
func (c *counting) step(l *line) {
	c.durations(l)
	if l.Sent != "" {
		c.sent.add(printable(l.Sent))
	}
	for _, factor := range l.SendFailed {
		c.failed.add(printable(factor))
	}
	// An answer to no open challenge belongs to no login that has begun.
	stray := l.Reason == "bad-state" || l.Reason == "foreign-state"
	if l.Step == "start" {
		c.began++
	}
	if l.Outcome == "challenge" {
		return
	}
	if !stray {
		c.ended++
	}
	c.doors.add(printable(l.Door))
	reason := printable(l.Reason)
	switch l.Outcome {
	case "accept":
		by := reason
		if n := len(l.Factors); n > 0 { // the last one that was tried is the one whose code was right
			by = printable(l.Factors[n-1])
		}
		c.accepted.add(by)
		if c.isNew(l) {
			c.fresh++
			c.freshest = trim(append(c.freshest, NewSource{l.Time.UTC(), printable(l.Account), printable(l.Source)}), c.Top)
		}
	case "reject":
		c.rejected.add(reason)
		if l.AccountID == "" {
			return
		}
		c.users.add(clip(l.AccountID), printable(l.Account), l.Time, "")
		if l.Reason == "throttled" {
			c.throttled.add(clip(l.AccountID), printable(l.Account), l.Time, printable(l.Detail))
		}
	default:
		c.undecided.add(reason)
	}
}

func (c *counting) durations(l *line) {
	c.byDoor.add(printable(l.Door), l.DurationMS)
	c.byReason.add(printable(l.Reason), l.DurationMS)
	if n := len(l.Factors); n > 0 {
		c.byFactor.add(printable(l.Factors[n-1]), l.DurationMS)
	}
}

// isNew reports whether an accepted login is the first of its user from its source, and remembers it.
func (c *counting) isNew(l *line) bool {
	source := strings.ToLower(strings.TrimSpace(l.Source))
	if source == "" || l.AccountID == "" {
		return false
	}
	pair := maphash.Comparable(c.seed, [2]string{l.AccountID, source})
	if _, known := c.sources[pair]; known {
		return false
	}
	if len(c.sources) == maxSources {
		c.incomplete = true
		return false
	}
	c.sources[pair] = struct{}{}
	return true
}

// summary says what was counted.
func (c *counting) summary() *Summary {
	s := &Summary{
		Since: c.Since.UTC(), Until: c.Until.UTC(), Files: c.files, Skipped: c.skipped, Broken: c.broken,
		Lines: c.lines, Unreadable: c.unreadable,
		Logins: Logins{
			Accepted: c.accepted.sum(), Rejected: c.rejected.sum(), Undecided: c.undecided.sum(),
			Unanswered: max(0, c.began-c.ended), // a login may have begun before Since
		},
		Accepted: byCount(c.accepted, meanings), Rejected: byCount(c.rejected, meanings), Undecided: byCount(c.undecided, meanings),
		Doors: byCount(c.doors, nil), Admin: byCount(c.actions, nil),
		Users: users(c.users.most(c.Top)), Throttled: users(c.throttled.most(c.Top)),
		Sources: Source{Latest: []NewSource{}, Since: c.comparedSince(), Incomplete: c.incomplete},
		Sent:    []Sent{},
		Actions: last(c.latest, c.Top),
	}
	if s.Sources.Since.Before(s.Since) {
		s.Sources.Count, s.Sources.Latest = c.fresh, last(c.freshest, c.Top)
	}
	for _, factor := range byCount(both(c.sent, c.failed), nil) {
		s.Sent = append(s.Sent, Sent{factor.Name, c.sent[factor.Name], c.failed[factor.Name]})
	}
	for _, took := range [][]Took{c.byDoor.slowest("door"), c.byFactor.slowest("factor"), c.byReason.slowest("reason")} {
		s.Slowest = append(s.Slowest, took...)
	}
	slices.SortFunc(s.Slowest, func(a, b Took) int { return compareTook(b, a) })
	s.Slowest = s.Slowest[:min(len(s.Slowest), c.Top)]
	return s
}

// comparedSince is how far back logins are known.
func (c *counting) comparedSince() time.Time {
	since := c.Since.Add(-LookBack)
	if c.oldest.IsZero() {
		return c.Since.UTC()
	}
	if c.oldest.After(since) {
		since = c.oldest
	}
	return since.UTC()
}

func both(a, b counts) counts {
	sum := counts{}
	for _, c := range []counts{a, b} {
		for name, n := range c {
			sum[name] += n
		}
	}
	return sum
}

func last[T any](list []T, most int) []T { return append([]T{}, list[max(0, len(list)-most):]...) }

func users(most []*counted) []User {
	list := make([]User, len(most))
	for i, c := range most {
		list[i] = User{User: c.name, Count: c.count, Over: c.over, Last: c.last.UTC(), Detail: c.detail}
	}
	return list
}

// clip bounds what is remembered of a text.
func clip(s string) string { return strings.Clone(s[:min(len(s), maxText)]) }

// printable is a text of the audit as it may be shown: nothing of it reaches a terminal as a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(clip(s), "…"))
}

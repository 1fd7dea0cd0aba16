package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tandem/internal/audit"
	"tandem/internal/audit/summary"
	"tandem/internal/config"
)

type reportCmd struct {
	Since string `default:"24h" placeholder:"TIME" help:"From when on: how long ago (90m, 24h, 7d), a day (2027-01-31) or a time (2027-01-31T08:00:00+01:00) (default ${default})."`
	Until string `placeholder:"TIME" help:"Until when, in the same forms (default: now)."`
	File  string `placeholder:"FILE" help:"The audit file, beside which the rotated ones are read too; - is standard input (default: that of the configuration)."`
	Top   int    `default:"10" placeholder:"N" help:"How many users, sources and steps to list (default ${default})."`
	JSON  bool   `help:"Print the summary as JSON."`
}

// Run summarises the audit. It fails if a file could not be read to its end.
func (c *reportCmd) Run(e *env) error {
	options, err := c.options(time.Now())
	if err != nil {
		return usageError{err}
	}
	file := c.File
	if file == "" {
		cfg, err := config.Load(e.config)
		if err != nil {
			return err
		}
		if file = cfg.Audit.File; file == audit.Stdout {
			return usageError{errors.New("the audit goes to tandemd's standard output, and this command does not know where that goes: give it with --file -")}
		}
	}
	s, err := summary.Read(file, e.stdin, options)
	if err != nil {
		return err
	}
	if err := report(e.stdout, c.JSON, s, describeSummary(s)); err != nil {
		return err
	}
	if len(s.Broken) > 0 {
		return errSilent
	}
	return nil
}

func (c *reportCmd) options(now time.Time) (o summary.Options, err error) {
	o = summary.Options{Until: now, Top: c.Top}
	if o.Since, err = moment(c.Since, now); err != nil {
		return o, fmt.Errorf("--since: %w", err)
	}
	if c.Until != "" {
		if o.Until, err = moment(c.Until, now); err != nil {
			return o, fmt.Errorf("--until: %w", err)
		}
	}
	switch {
	case !o.Since.Before(o.Until):
		return o, fmt.Errorf("--since %s is not before --until %s", o.Since.Format(time.RFC3339), o.Until.Format(time.RFC3339))
	case c.Top < 1 || c.Top > 1000:
		return o, fmt.Errorf("--top %d: choose from 1 to 1000", c.Top)
	}
	return o, nil
}

// moment reads a time, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%.40q is no time: write it like 24h, 7d, 2027-01-31 or 2027-01-31T08:00:00+01:00", text)
}

// describeSummary is a summary for people, in this host's time.
func describeSummary(s *summary.Summary) string {
	p := new(sheet)
	p.say("time", fmt.Sprintf("%s to %s", local(s.Since), s.Until.Local().Format(time.DateTime+" MST")))
	p.say("audit", describeFiles(s)...)
	p.say("logins", fmt.Sprintf("%d accepted, %d rejected, %d that could not be decided, %d whose code never came",
		s.Logins.Accepted, s.Logins.Rejected, s.Logins.Undecided, s.Logins.Unanswered))
	p.say("doors", columns(countRows(s.Doors))...)
	p.say("accepted", columns(countRows(s.Accepted))...)
	p.say("rejected", columns(countRows(s.Rejected))...)
	p.say("undecided", columns(countRows(s.Undecided))...)
	p.say("users", columns(userRows(s.Users, "rejected, last"))...)
	p.say("throttled", columns(userRows(s.Throttled, "turned away, last"))...)
	p.say("sources", describeSources(s)...)
	p.say("sent", columns(sentRows(s.Sent))...)
	p.say("slowest", columns(tookRows(s.Slowest))...)
	p.say("admins", columns(actionRows(s))...)
	return p.String()
}

func local(t time.Time) string { return t.Local().Format(time.DateTime) }

func describeFiles(s *summary.Summary) []string {
	lines := []string{fmt.Sprintf("lines of that time: %d, in %s", s.Lines, strings.Join(s.Files, ", "))}
	if s.Unreadable > 0 {
		lines = append(lines, fmt.Sprintf("lines that cannot be read: %d, cut off by a full disk or a crash, or not the audit's", s.Unreadable))
	}
	for _, b := range s.Broken {
		lines = append(lines, "BROKEN: "+b)
	}
	for _, name := range s.Skipped {
		lines = append(lines, "NOT READ: "+name+": unpack it, or have logrotate compress with gzip")
	}
	return lines
}

func countRows(counts []summary.Count) (rows [][]string) {
	for _, c := range counts {
		rows = append(rows, []string{strconv.Itoa(c.Count), c.Name, c.Meaning})
	}
	return rows
}

func userRows(users []summary.User, what string) (rows [][]string) {
	for _, u := range users {
		count := strconv.Itoa(u.Count)
		if u.Over > 0 {
			count = fmt.Sprintf("%d to %d", u.Count-u.Over, u.Count)
		}
		when := fmt.Sprintf("%s %s", what, local(u.Last))
		if u.Detail != "" {
			when += ", " + u.Detail
		}
		rows = append(rows, []string{count, u.User, when})
	}
	return rows
}

func describeSources(s *summary.Summary) []string {
	if !s.Sources.Since.Before(s.Since) {
		return []string{"nothing can be told to be new: no earlier logins are left in the audit"}
	}
	atLeast := ""
	if s.Sources.Incomplete {
		atLeast = "at least "
	}
	rows := make([][]string, 0, len(s.Sources.Latest))
	for _, n := range s.Sources.Latest {
		rows = append(rows, []string{local(n.Time), n.User, n.Source})
	}
	head := fmt.Sprintf("logins from where their user had not been since %s: %s%d", local(s.Sources.Since), atLeast, s.Sources.Count)
	return append([]string{head}, columns(rows)...)
}

func sentRows(sent []summary.Sent) (rows [][]string) {
	for _, f := range sent {
		rows = append(rows, []string{f.Factor, fmt.Sprintf("%d sent, %d failed", f.Sent, f.Failed)})
	}
	return rows
}

func tookRows(took []summary.Took) (rows [][]string) {
	for _, t := range took {
		rows = append(rows, []string{
			t.Kind, t.Name, "median " + millis(t.P50), "95 % " + millis(t.P95), "longest " + millis(t.Max), fmt.Sprintf("of %d", t.Steps),
		})
	}
	return rows
}

// millis is a duration in ms for people: no more digits than mean anything.
func millis(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(10 * time.Microsecond).String()
}

func actionRows(s *summary.Summary) (rows [][]string) {
	for _, a := range s.Actions {
		what := a.User
		if a.Device != "" {
			what += " " + strconv.Quote(a.Device)
		}
		if a.Error != "" {
			what += " FAILED: " + a.Error
		}
		rows = append(rows, []string{local(a.Time), a.By, a.Action, strings.TrimSpace(what + " " + a.Detail)})
	}
	return rows
}

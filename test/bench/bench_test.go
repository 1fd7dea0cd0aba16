package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tandem/test/bench/load"
	"tandem/test/bench/people"
)

func TestCasesFitTogether(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases() {
		if names[c.name] || c.name == "" || c.about == "" {
			t.Errorf("the name %q is taken, or nothing is said about it", c.name)
		}
		names[c.name] = true
		labels := map[string]bool{"": true}
		for _, l := range c.lines {
			if labels[l.label] {
				t.Errorf("%s: two lines are called %q", c.name, l.label)
			}
			if l.work.of != "" && !labels[l.work.of] { // it must have been measured before
				t.Errorf("%s: %q comes before %q", c.name, l.label, l.work.of)
			}
			labels[l.label] = true
			if w := l.work; (w.outstanding > 0) == (w.rate > 0 || w.times > 0) || l.users == 0 {
				t.Errorf("%s: %q: %+v", c.name, l.label, w)
			}
		}
		for _, l := range c.lines {
			if !labels[l.against] {
				t.Errorf("%s: %q is compared with %q, which is not there", c.name, l.label, l.against)
			}
		}
		for _, b := range c.bars {
			if !labels[b.line] || !labels[b.against] || (b.least > 0) == (b.most > 0) {
				t.Errorf("%s: bar %+v", c.name, b)
			}
		}
	}
}

func TestChoosingCases(t *testing.T) {
	if chosen, err := choose(cases(), ""); err != nil || len(chosen) != len(cases()) {
		t.Errorf("%d cases without a choice (%v)", len(chosen), err)
	}
	if chosen, err := choose(cases(), "ldap,file"); err != nil || len(chosen) != 2 || chosen[0].name != "ldap" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := choose(cases(), "nothing"); err == nil {
		t.Error("an unknown case was chosen")
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"-list"}, 0, "million"},
		{[]string{"-help"}, 0, "-duration"},
		{[]string{"-case", "nothing"}, 2, "-list"},
		{[]string{"-rounds", "0"}, 2, "-rounds"},
		{[]string{"-duration", "1h"}, 2, "8s"},
		{[]string{"file"}, 2, "options only"},
		{[]string{"-trivial", "nowhere"}, 1, "nowhere"},
	} {
		var out bytes.Buffer
		if got := run(t.Context(), c.args, &out, &out); got != c.want || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: status %d, want %d: %s", c.args, got, c.want, out.String())
		}
	}
}

func TestWhatPeopleType(t *testing.T) {
	const step = 12345
	u := people.Get(7)
	for _, c := range []struct {
		work work
		want load.Login
	}{
		{work{}, load.Login{Name: u.Name, Password: u.Password + u.Code(step)}},
		{work{credential: wrongCode}, load.Login{Name: u.Name, Password: u.Password + u.WrongCode(step)}},
		{work{credential: wrongPassword}, load.Login{Name: u.Name, Password: "Not." + u.Password[4:] + u.Code(step)}},
		{work{credential: twoSteps}, load.Login{Name: u.Name, Password: u.Password, Answer: u.Code(step)}},
	} {
		if got := c.work.login(7, step); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.work, got, c.want)
		}
	}
	if w := (work{slow: true}); !w.login(50, step).Aside || w.login(51, step).Aside {
		t.Error("other users are slow")
	}
}

func TestOddResultsAreSeen(t *testing.T) {
	for _, c := range []struct {
		work work
		r    load.Result
		odd  bool
	}{
		{work{}, load.Result{Sent: 5, Accepted: 5}, false},
		{work{}, load.Result{Sent: 5, Accepted: 4, Rejected: 1}, true},
		{work{}, load.Result{Sent: 5, Accepted: 4, Lost: 1}, true},
		{work{}, load.Result{Sent: 5, Accepted: 5, Forged: 1}, true},
		{work{lossy: true}, load.Result{Sent: 5, Accepted: 4, Lost: 1}, false},
		{work{lossy: true}, load.Result{Sent: 5, Accepted: 3, Rejected: 1, Lost: 1}, true},
		{work{}, load.Result{}, true},
		{work{credential: wrongCode}, load.Result{Sent: 5, Rejected: 5}, false},
		{work{credential: wrongCode}, load.Result{Sent: 5, Rejected: 4, Accepted: 1}, true},
		{work{credential: wrongPassword}, load.Result{Sent: 5, Rejected: 4, Accepted: 1}, true},
	} {
		if odd := c.work.expected(c.r); (odd != "") != c.odd {
			t.Errorf("%+v of %+v: %q", c.r, c.work, odd)
		}
	}
}

func TestReport(t *testing.T) {
	at := func(rates ...float64) (m []Measurement) {
		for _, r := range rates {
			m = append(m, Measurement{LoginsPerSecond: r, ServerMicros: 1e6 / r})
		}
		return m
	}
	r := report{
		Case: "file", About: "a test", Notes: []string{"A note."},
		Lines: []reportLine{
			{Label: tandem, Measurements: at(100, 300, 200), against: freeradius},
			{Label: freeradius, Measurements: at(100, 200, 50)},
			{Label: "odd", Measurements: []Measurement{{Odd: "1 of 2 logins got no answer"}}},
		},
		bars: []bar{
			{line: tandem, against: freeradius, metric: rate, least: 1.5},
			{line: tandem, against: freeradius, metric: cpu, most: 0.4},
			{line: "nobody", against: freeradius, metric: p99, most: 1},
		},
	}
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{
		"file: a test",
		"logins/s of tandem: 2.00 × freeradius (1.00 to 4.00 over the rounds), bar ≥ 1.50: met",
		"CPU of tandem: 0.50 × freeradius (0.25 to 1.00 over the rounds), bar ≤ 0.40: MISSED",
		"p99 of nobody: not measured",
		"! odd: 1 of 2 logins got no answer",
		"A note.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
	if got := r.reached(freeradius); got != 50 { // of this round
		t.Errorf("reached is %v", got)
	}
	if got := median([]float64{1, 9, 2, 4}); got != 3 {
		t.Errorf("the median is %v", got)
	}
}

func TestDurationFitsIntoAStep(t *testing.T) {
	if longest := 8*time.Second + spare; longest > people.Period/2 {
		t.Errorf("%v is too long for two measurements in a step", longest)
	}
}

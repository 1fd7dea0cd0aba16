package rule_test

import (
	"testing"

	"tandem/verify/rule"
)

func outline(t testing.TB, text string) rule.Outline {
	t.Helper()
	compile(t, text)
	o, err := rule.NewOutline(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func TestOutline(t *testing.T) {
	edge := rule.Kind{Via: "radius", Client: "edge"}
	for text, want := range map[string]rule.Truth{
		`false`:                                       rule.Never,
		`1 == 2`:                                      rule.Never,
		`true or inGroup("x")`:                        rule.Always,
		`client == "edge"`:                            rule.Always,
		`client != "edge"`:                            rule.Never,
		`not (client == "edge")`:                      rule.Never,
		`client in ["a", "edge"]`:                     rule.Always,
		`client in ["a", "b"]`:                        rule.Never,
		`client startsWith "ed"`:                      rule.Always,
		`lower(client) == "EDGE"`:                     rule.Never,
		`client matches "^e.*e$"`:                     rule.Always,
		`via == "pam"`:                                rule.Never,
		`via == client`:                               rule.Never,
		`len(client) > 3`:                             rule.Always,
		`client == "" ? true : via == "radius"`:       rule.Always,
		`any(["edge", "core"], # == client)`:          rule.Always,
		`client == "edge" and user == "alice"`:        rule.Sometimes,
		`client == "core" and user == "alice"`:        rule.Never,
		`user == "alice" and client == "core"`:        rule.Never,
		`client == "edge" or user == "alice"`:         rule.Always,
		`not (client == "edge" or user == "alice")`:   rule.Never,
		`not (client == "core" or user == "alice")`:   rule.Sometimes,
		`client == user`:                              rule.Sometimes,
		`inGroup(client)`:                             rule.Sometimes,
		`nas.identifier == client`:                    rule.Sometimes,
		`int(client) == 1`:                            rule.Sometimes,
		`time.Hour() == 3`:                            rule.Sometimes,
		`attributes["x"][0] == "y" or via == "pam"`:   rule.Sometimes,
		`inNetwork("192.0.2.0/24") and via == "sftp"`: rule.Never,
	} {
		if got := outline(t, text).Judge(edge); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	if _, err := rule.NewOutline(`client ==`); err == nil {
		t.Error("no rule has an outline")
	}
}

func TestOutlinesOfTheSameRule(t *testing.T) {
	a, b := outline(t, `client=="edge" and  inGroup('x')`), outline(t, "client == \"edge\"\nand inGroup(\"x\")")
	if a.String() != b.String() {
		t.Errorf("%s is not %s", a, b)
	}
	if c := outline(t, `client == "edge" and inGroup("y")`); a.String() == c.String() {
		t.Errorf("%s is %s", a, c)
	}
}

// FuzzOutline: an outline is never wrong about a login of its kind.
func FuzzOutline(f *testing.F) {
	for _, seed := range []string{
		`inGroup("vpn") and not (client == "edge")`, `not (via == "radius" or 1/0 == 1)`, `client in ["edge"] or attributes["x"][0] == ""`,
		`{"edge": [1]}[client][0] == 1`, `any(["edge"], # == client)`, `client ?? "" == "edge"`, `nas?.ip == client`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := rule.Compile(text)
		if err != nil {
			return
		}
		o, err := rule.NewOutline(text)
		if err != nil {
			t.Fatalf("%q is a rule without an outline: %v", text, err)
		}
		for _, env := range []rule.Env{{}, login} {
			holds, err := r.Match(env)
			if err != nil {
				continue
			}
			switch truth := o.Judge(rule.Kind{Via: env.Via, Client: env.Client}); {
			case truth == rule.Always && !holds, truth == rule.Never && holds:
				t.Errorf("%q: %t, and the outline says %d", text, holds, truth)
			}
		}
	})
}

package rule_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/verify/rule"
)

// login is a Saturday morning's.
var login = rule.Env{
	User:   "alice",
	Groups: []string{"cn=VPN Users,ou=groups,dc=example,dc=org", `CN=Sales\, Paris,OU=groups`, `cn=caf\C3\A9+ou=x`, "admins", "odd="},
	Attributes: map[string][]string{
		"mail":       {"alice@example.org", "a.liddell@example.org"},
		"department": {"R&D"},
		"empty":      {},
	},
	Client:  "edge",
	NAS:     rule.NAS{Identifier: "vpn-1", IP: "198.51.100.1", PortType: "Virtual"},
	Service: "sshd",
	Via:     "radius",
	Source:  "192.0.2.7",
	Time:    time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC),
}

func compile(t testing.TB, text string) *rule.Rule {
	t.Helper()
	r, err := rule.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		`true`:            true,
		`user == "alice"`: true,
		`user == "Alice"`: false,
		`user != "bob" and (client == "edge" || via == "pam")`:   true,
		`user matches "^al(ice|ex)$"`:                            true,
		`nas.identifier startsWith "vpn-"`:                       true,
		`nas.ip == "198.51.100.1" && nas.port_type == "Virtual"`: true,
		`via == "pam" and service in ["sshd", "sudo"]`:           false,

		`inGroup("admins")`:       true,
		`inGroup("ADMINS")`:       true,
		`inGroup("vpn users")`:    true,
		`inGroup("sales, paris")`: true,
		`inGroup("café")`:         true,
		`inGroup("CN=vpn users,OU=Groups,DC=example,DC=org")`: true,
		`inGroup("vpn")`:             false,
		`inGroup("groups")`:          false,
		`inGroup("")`:                true, // of "odd="
		`any(groups, # == "admins")`: true,
		`count(groups, lower(#) startsWith "cn=v") == 1`: true,

		`inNetwork("192.0.2.0/24")`:                                   true,
		`inNetwork("192.0.2.7/32")`:                                   true,
		`inNetwork("198.51.100.0/24")`:                                false,
		`inNetwork("198.51.100.0/24", "192.0.2.0/24")`:                true,
		`inNetwork("198.51.100.0/24", "2001:db8::/32", "::/0")`:       false,
		`not inNetwork("0.0.0.0/0", "2001:db8::/32")`:                 false,
		`attribute("mail") endsWith "@example.org"`:                   true,
		`attribute("department") == "R&D"`:                            true,
		`attribute("phone") == "" and attribute("empty") == ""`:       true,
		`"a.liddell@example.org" in attributes["mail"]`:               true,
		`len(attributes.mail) == 2 and attributes.phone == nil`:       true,
		`time.Hour() in 8..18`:                                        true,
		`time.Weekday().String() in ["Saturday", "Sunday"]`:           true,
		`time > date("2026-12-01")`:                                   false,
		`date("2026-12-01") - time < duration("240h")`:                true,
		`len(split(user, "l")) == 2 ? upper(user) == "ALICE" : false`: true,
	} {
		if got, err := compile(t, text).Match(login); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestSources(t *testing.T) {
	r := compile(t, `inNetwork("192.0.2.0/24", "2001:db8::/32", "fe80::/10")`)
	for source, want := range map[string]bool{
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "2001:db8::1": true, "fe80::1%eth0": true,
		"192.0.3.7": false, "2001:db9::1": false, "": false, "00-11-22-33-44-55": false, "192.0.2.7:1812": false, "host.example.org": false,
		"192.0.2.07": false, "3221225991": false,
	} {
		if got, err := r.Match(rule.Env{Source: source}); err != nil || got != want {
			t.Errorf("%q: %v, %v", source, got, err)
		}
	}
}

func TestMistakesSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		``:                           `is empty`,
		`usr == "alice"`:             `column 1: unknown name usr`,
		"true and\n  usr == 'alice'": `line 2, column 3: unknown name usr`,
		`user ==`:                    `column 7: unexpected token EOF`,
		`user == 3`:                  `column 6: invalid operation: == (mismatched types string and int)`,
		`user`:                       `is neither true nor false: expected bool, but got string`,
		`attributes["mail"]`:         `is neither true nor false: expected bool, but got []string`,
		`nil`:                        `is neither true nor false: expected bool, but got unknown`,
		`nas.name == "x"`:            `column 5: type rule.NAS has no field name`,
		`inGroup(3)`:                 `column 9: cannot use int as argument (type string) to call inGroup `,
		`inGroup(staff)`:             `column 9: unknown name staff`,
		`inNetwork()`:                `column 1: inNetwork needs a network, such as inNetwork("192.0.2.0/24")`,
		`inNetwork("192.0.2.0")`:     `column 11: "192.0.2.0" is no network: write it like 192.0.2.0/24 or 2001:db8::/32`,
		`inNetwork("192.0.2.7/24")`:  `column 11: "192.0.2.7/24" is an address in 192.0.2.0/24: write that`,
		`user matches "("`:           "column 6: error parsing regexp: missing closing ): `(`",

		// What could take long, grow, look elsewhere, or come from the user.
		`inNetwork(source)`:                       `column 11: a network has to be a text in quotes`,
		`user matches source`:                     `column 14: what matches looks for has to be a text in quotes`,
		`let a = user; a == user`:                 `column 5: a rule has no variables of its own and no steps: write one expression`,
		`true; true`:                              `column 1: a rule has no variables of its own and no steps: write one expression`,
		`all(groups, any(groups, # == user))`:     `column 13: a loop stands in a loop: write any, all … beside each other, with and`,
		`any(1..100000, # == 3)`:                  `column 6: a range goes from one number to another, such as 8..18, and has at most 1000`,
		`any(1..len(user), # == 3)`:               `column 6: a range goes from one number to another, such as 8..18, and has at most 1000`,
		`repeat("a", 100000000) == user`:          `column 1: unknown name repeat`,
		`len(map(groups, # + user)) > 1`:          `column 5: unknown name map`,
		`(repeat)("a", 100000000) == user`:        `column 9: unexpected token Bracket("(")`,
		`len(user | repeat(100000000)) > 1`:       `column 12: unknown name repeat`,
		`first(filter(groups, true)) == user`:     `column 7: unknown name filter`,
		`now() > time`:                            `column 1: unknown name now`,
		`$env["user"] == user`:                    `column 1: unknown name $env`,
		`address == user`:                         `column 1: unknown name address`,
		strings.Repeat(`true and `, 600) + `true`: `is 5404 octets long: use at most 4096`,
		strings.Repeat(`1<2&&`, 600) + `true`:     `column 1254: compilation failed: expression exceeds maximum allowed nodes`,
		strings.Repeat("(", 4000):                 `column 4000: unexpected token EOF`,
		strings.Repeat("!", 4000) + "true":        `column 4004: compilation failed: expression exceeds maximum allowed nodes`,
	} {
		_, err := rule.Compile(text)
		if err == nil || err.Error() != want {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestErrorsAreNoYes(t *testing.T) {
	for _, text := range []string{
		`attributes["x"][0] != "y"`, `first(attributes.mail) == "x" or attributes.mail[7] != "x"`, `int(user) != 3`,
		`date(user) < time`, `len(string(user)) > 0`, `1 % int("0") == 0`,
	} {
		r, err := rule.Compile(text)
		if err != nil {
			continue // better still
		}
		if holds, err := r.Match(login); err == nil || holds || !strings.Contains(err.Error(), "column ") {
			t.Errorf("%s: %v, %v", text, holds, err)
		}
		if holds, err := compile(t, `user == "alice"`).Match(login); err != nil || !holds {
			t.Errorf("the next evaluation: %v, %v", holds, err)
		}
	}
}

func TestNobodySeesAnothersLogin(t *testing.T) {
	rules := []*rule.Rule{
		compile(t, `user == "u" + attribute("n")`),
		compile(t, `inGroup(attribute("n")) and inNetwork("192.0.2.0/25") == (attribute("n") == "1")`),
	}
	var wg sync.WaitGroup
	for _, env := range []rule.Env{
		{User: "u1", Groups: []string{"1"}, Attributes: map[string][]string{"n": {"1"}}, Source: "192.0.2.1"},
		{User: "u2", Groups: []string{"2"}, Attributes: map[string][]string{"n": {"2"}}, Source: "192.0.2.200"},
	} {
		for range 4 {
			wg.Go(func() {
				for range 500 {
					for _, r := range rules {
						if holds, err := r.Match(env); err != nil || !holds {
							t.Errorf("%s for %s: %v, %v", r, env.User, holds, err)
							return
						}
					}
				}
			})
		}
	}
	wg.Wait()
}

func FuzzRule(f *testing.F) {
	for _, seed := range []string{
		`inGroup("vpn") and not inNetwork("192.0.2.0/24", "2001:db8::/32")`, `any(groups, # matches "(a*)*b")`, `time.Hour() in 8..18`,
		`attributes["mail"][0] endsWith user`, `let a = 1; a`, `{"a": [1, 2]}.a[0] == 1`, `nas?.ip ?? "" == ""`, "\x00", `"\xff" == user`, `#`, `$env`,
		`time.AppendFormat(nil, user) == nil`, `time.In(nil) == time`, `1 / 0 == 1`, `-9223372036854775808 % -1 == 0`, `user[1:99] == ""`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := rule.Compile(text)
		if err != nil {
			return
		}
		for _, env := range []rule.Env{{}, login} {
			if holds, err := r.Match(env); err != nil && holds {
				t.Errorf("%q: true, and %v", text, err)
			}
		}
	})
}

// BenchmarkHundredRules is a login for which the last of a hundred policies holds.
func BenchmarkHundredRules(b *testing.B) {
	env := login
	env.Groups = []string{"cn=staff,ou=groups,dc=example,dc=org", "cn=vpn-users,ou=groups,dc=example,dc=org", "cn=admins,ou=groups,dc=example,dc=org"}
	for name, text := range map[string]string{
		"client":  `client == "edge-%" and via == "radius"`,
		"group":   `inGroup("team-%")`,
		"network": `inNetwork("198.51.%.0/24")`,
	} {
		rules := make([]*rule.Rule, 100)
		for i := range rules {
			rules[i] = compile(b, strings.ReplaceAll(text, "%", strconv.Itoa(i)))
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := rule.For(func() rule.Env { return env })
				for _, r := range rules {
					if holds, err := m.Match(r); err != nil || holds {
						b.Fatal(holds, err)
					}
				}
				m.Close()
			}
		})
	}
}

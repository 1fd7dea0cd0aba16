package verify_test

import (
	"fmt"
	"testing"
	"time"

	"tandem/verify/policy"
	"tandem/verify/rule"
)

// BenchmarkHundredPolicies is what it costs to find the policy of a login among a hundred with rules as people write
// them: the last one holds. The bar is 20 µs.
func BenchmarkHundredPolicies(b *testing.B) {
	w := newBench(b)
	alice := w.alice()
	for i := range 20 {
		alice.Groups = append(alice.Groups, fmt.Sprintf("cn=team-%d,ou=groups,dc=example,dc=org", i))
	}
	alice.Attributes = map[string][]string{"department": {"R&D"}, "memberLevel": {"3"}}
	rules := []string{
		`client == "edge-%d" and inGroup("vpn-users")`,
		`client in ["core-%d", "lab-%[1]d"] and time.Hour() in 8..18`,
		`via == "pam" and service in ["sshd", "sudo-%d"]`,
		`inGroup("project-%d") and not inNetwork("192.0.2.0/24")`,
		`nas.identifier startsWith "site-%d-" and nas.port_type == "Virtual"`,
		`attribute("department") == "D%d" and via == "radius"`,
		`inNetwork("10.%d.0.0/16", "2001:db8:%[1]d::/48")`,
	}
	w.setup.Order = nil
	for i := range 99 {
		text := fmt.Sprintf(rules[i%len(rules)], i)
		r, err := rule.Compile(text)
		if err != nil {
			b.Fatal(text, err)
		}
		w.setup.Order = append(w.setup.Order, &policy.Policy{Name: fmt.Sprintf("p%d", i), Mode: policy.Challenge, When: r})
	}
	w.setup.Order = append(w.setup.Order, &policy.Policy{Name: "default", Mode: policy.Append})
	core := w.node()
	a := attempt("alice", password)
	a.Policy, a.Station = "", rule.NAS{Identifier: "gw1", IP: "192.0.2.1", PortType: "Virtual"}
	if p, err := core.Preview(b.Context(), a, time.Time{}); err != nil || p.InForce == nil || p.InForce.Policy != "default" {
		b.Fatalf("%+v, %v", p, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, m, err := core.Asks(b.Context(), a); err != nil || m != policy.Append {
			b.Fatal(m, err)
		}
	}
}

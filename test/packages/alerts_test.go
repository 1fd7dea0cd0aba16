package packages

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const alerts = top + "/packaging/prometheus/tandem.rules"

// comparison is where an alert's expression says how much is too much.
var comparison = regexp.MustCompile(` (<|>|==) [0-9.]+( \* [0-9]+)?`)

// TestAlertsAreTested makes one comparison after the other true of everything, so that the alert fires always, and of nothing, so that
// it never fires: the tests of the alerts notice both.
func TestAlertsAreTested(t *testing.T) {
	if !*install {
		t.Skip("takes a minute: make test-packages; whether the tests of the alerts pass is for cmd/tandemd")
	}
	promtool := need(t, "promtool", "prometheus")
	text, dir := read(t, alerts+".yml"), t.TempDir()
	var rules, tests []string // the files of promtool
	add := func(name, text string) {
		t.Helper()
		in := filepath.Join(dir, name)
		rules, tests = append(rules, filepath.Join(in, "tandem.rules.yml")), append(tests, filepath.Join(in, "tandem.rules.test.yml"))
		write(t, rules[len(rules)-1], 0o600, text)
		write(t, tests[len(tests)-1], 0o600, read(t, alerts+".test.yml"))
	}
	add("as they are", text)
	found := regexp.MustCompile(`(?s)- alert: (\w+)\n\s+expr: (.*?)\n\s+(?:for|labels):`).FindAllStringSubmatchIndex(text, -1)
	if len(found) < 10 || len(found) != strings.Count(text, "- alert:") {
		t.Fatalf("%d alerts were found", len(found))
	}
	for _, alert := range found {
		name, expression, before, after := text[alert[2]:alert[3]], text[alert[4]:alert[5]], text[:alert[4]], text[alert[5]:]
		compared := comparison.FindAllStringSubmatchIndex(expression, -1)
		if len(compared) == 0 {
			t.Errorf("%s compares nothing", name)
		}
		for _, c := range compared {
			ofAll := map[string]string{"<": " < +Inf", ">": " > -Inf", "==": " > -Inf"}[expression[c[2]:c[3]]]
			for what, instead := range map[string]string{"always": ofAll, "never": " == 123456789"} {
				add(fmt.Sprintf("%s %s, without%s", name, what, expression[c[0]:c[1]]), before+expression[:c[0]]+instead+expression[c[1]:]+after)
			}
		}
	}

	run(t, promtool, slices.Concat([]string{"check", "rules"}, rules)...)
	out, _ := exec.Command(promtool, slices.Concat([]string{"test", "rules"}, tests)...).CombinedOutput() // most of them fail
	said := strings.Split(string(out), "Unit Testing:  ")[1:]
	if len(said) != len(tests) {
		t.Fatalf("promtool ran %d of %d files: %s", len(said), len(tests), out)
	}
	for i, result := range said {
		passed := strings.Contains(result, "\n  SUCCESS\n")
		if i == 0 && !passed {
			t.Fatal(result)
		}
		if i > 0 && passed {
			t.Errorf("no test notices %s", filepath.Dir(strings.TrimPrefix(tests[i], dir+"/")))
		}
	}
}

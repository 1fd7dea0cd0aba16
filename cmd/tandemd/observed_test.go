package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/radiusd"
	"tandem/store/bolt"
)

const (
	rules     = "../../packaging/prometheus/tandem.rules.yml"
	dashboard = "../../packaging/grafana/tandem.json"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestAlerts: each fires when it must, and only then.
func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", rules)
	promtool(t, "test", "rules", strings.Replace(rules, ".yml", ".test.yml", 1))
}

// registered are the daemon's metrics: their labels by their names.
func registered(t *testing.T) map[string][]string {
	t.Helper()
	db, err := bolt.Open(bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := newMetrics()
	m.observeFile(db)
	server, err := radiusd.New(radiusd.Config{Core: struct{ radiusd.Core }{}, Listen: []string{"127.0.0.1:1812"}}) // it is never asked, and never listens
	if err != nil {
		t.Fatal(err)
	}
	m.register(server.Collectors()...)
	defer func() { _ = server.Shutdown(context.Background()) }()
	descs := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descs)
	close(descs)
	found := map[string][]string{}
	described := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range descs {
		p := described.FindStringSubmatch(d.String())
		if p == nil {
			t.Fatalf("nobody knows how to read %s", d)
		}
		found[p[1]] = strings.FieldsFunc(p[2], func(r rune) bool { return r == ',' })
	}
	found["tandem_build_info"] = []string{"version", "commit"} // constant labels
	found["up"] = nil                                          // Prometheus's own
	return found
}

var (
	// selector is a metric, and what is asked of its labels.
	selector = regexp.MustCompile(`\b((?:tandem|process|go)_[a-z0-9_]+|up)\b(\{[^}]*\})?`)
	label    = regexp.MustCompile(`([a-z_]+)(=~|!=|!~|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)
	suffix   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// checkExpr compares the metrics and labels of an expression with those that there are.
func checkExpr(t *testing.T, where, expr string, metrics map[string][]string) {
	t.Helper()
	of := []string{"instance", "job", "le"} // Prometheus's own
	for _, m := range selector.FindAllStringSubmatch(grouping.ReplaceAllString(expr, ""), -1) {
		labels, known := metrics[m[1]]
		if !known {
			labels, known = metrics[suffix.ReplaceAllString(m[1], "")]
		}
		if !known {
			t.Errorf("%s: tandemd has no metric %s", where, m[1])
		}
		of = append(of, labels...)
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append([]string{"instance", "job"}, labels...), l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
			checkValues(t, where, m[1], l[1], l[3])
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for name := range strings.SplitSeq(g[1], ", ") {
			if !slices.Contains(of, name) {
				t.Errorf("%s: by %s, which nothing in it has", where, name)
			}
		}
	}
}

// checkValues: what a label is compared with is written somewhere in the code.
func checkValues(t *testing.T, where, metric, name, values string) {
	t.Helper()
	if name == "instance" || name == "job" {
		return
	}
	for value := range strings.SplitSeq(values, "|") {
		found := false
		for _, folder := range []string{"verify", "radiusd", "cmd/tandemd"} {
			sources, err := filepath.Glob("../../" + folder + "/*.go")
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range sources {
				text, err := os.ReadFile(source)
				if err != nil {
					t.Fatal(err)
				}
				found = found || !strings.HasSuffix(source, "_test.go") && strings.Contains(string(text), `"`+value+`"`)
			}
		}
		if !found {
			t.Errorf("%s: %s of %s is never %q", where, name, metric, value)
		}
	}
}

// TestAlertsKnowTheMetrics: every metric, label and value that an alert asks for is one that tandemd has.
func TestAlertsKnowTheMetrics(t *testing.T) {
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	metrics := registered(t)
	alerts := regexp.MustCompile(`(?s)- alert: (\w+)\n\s+expr: (.*?)\n\s+(?:for|labels):`).FindAllStringSubmatch(string(text), -1)
	if len(alerts) < 10 || len(alerts) != strings.Count(string(text), "- alert:") {
		t.Fatalf("%d alerts were found", len(alerts))
	}
	admin, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		checkExpr(t, a[1], a[2], metrics)
		if !strings.Contains(string(admin), "`"+a[1]+"`") {
			t.Errorf("docs/admin.md does not say what to do about %s", a[1])
		}
	}
}

// TestDashboard: its queries are queries, of metrics that there are; its panels do not lie on each other; and what there
// is can be seen.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	metrics := registered(t)
	ids, taken, shown := map[int]bool{}, map[[2]int]string{}, ""
	recording := "groups:\n  - name: dashboard\n    rules:\n"
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q: no id of its own, no title or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%q lies on %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			checkExpr(t, p.Title, strings.ReplaceAll(target.Expr, `instance=~"$instance"`, ""), metrics)
			shown += target.Expr + "\n"
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			recording += fmt.Sprintf("      - record: dashboard:panel%d\n        expr: %q\n", p.ID, expr)
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(recording), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if strings.HasPrefix(name, "tandem_") && !strings.Contains(shown, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}

// TestCertificates: from the files of the configuration in force, at each scrape.
func TestCertificates(t *testing.T) {
	m := newMetrics()
	gathered := func() map[string]float64 {
		t.Helper()
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, f := range families {
			for _, metric := range f.GetMetric() {
				if f.GetName() == "tandem_certificate_expiry_seconds" {
					values[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
				}
			}
		}
		return values
	}
	if got := gathered(); len(got) != 0 {
		t.Errorf("without a configuration: %v", got)
	}
	until := time.Now().Add(36 * time.Hour).Truncate(time.Second)
	conf, file := withCertificate(t, until)
	m.certificates.follow(conf)
	want := map[string]float64{"store.etcd": float64(until.Unix()), "factor.rest sms": float64(until.Unix())}
	if got := gathered(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := gathered(); !maps.Equal(got, map[string]float64{"store.etcd": 0, "factor.rest sms": 0}) {
		t.Errorf("a file that is no certificate: %v", got)
	}
}

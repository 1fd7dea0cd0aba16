package summary

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/admin"
	"tandem/internal/audit"
	"tandem/verify"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// day is what is asked for in most tests: the 24 hours before noon.
func day() Options { return Options{Since: noon.Add(-24 * time.Hour), Until: noon, Top: 10} }

// login is one step, as the daemon writes it.
func login(at time.Time, user, outcome string, reason verify.Reason, change ...func(*verify.Record)) string {
	r := verify.Record{
		Time: at, ID: "1", Step: "start", User: user, Account: user, AccountID: "id-" + user, Door: "radius", Source: "192.0.2.7",
		Outcome: outcome, Reason: reason, DurationMS: 2,
	}
	for _, c := range change {
		c(&r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

func read(t *testing.T, text string, o Options) *Summary {
	t.Helper()
	s, err := Read(Stdin, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryReasonHasItsWords(t *testing.T) {
	sources, err := filepath.Glob("../../../verify/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	found := map[string]bool{}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bReason\w+\s+Reason = "([^"]*)"`).FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
	}
	if len(found) < 30 {
		t.Fatalf("only %d reasons were found", len(found))
	}
	for reason := range found {
		if meanings[reason] == "" {
			t.Errorf("%s has no words", reason)
		}
	}
	for reason := range meanings {
		if !found[reason] {
			t.Errorf("there is no reason %s", reason)
		}
	}
}

// TestLineFitsTheRecords: what is read is what is written.
func TestLineFitsTheRecords(t *testing.T) {
	written := map[string]reflect.Type{}
	for _, record := range []reflect.Type{reflect.TypeFor[verify.Record](), reflect.TypeFor[admin.Action]()} {
		for _, f := range reflect.VisibleFields(record) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			written[name] = f.Type
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[line]()) {
		name := f.Tag.Get("json")
		if is, ok := written[name]; !ok || is.Kind() != f.Type.Kind() {
			t.Errorf("%s is read as %s, and written as %v", name, f.Type, is)
		}
	}
}

func TestLogins(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(-time.Hour + time.Duration(minutes)*time.Minute) }
	answer := func(r *verify.Record) { r.Step = "answer" }
	by := func(names ...string) func(*verify.Record) {
		return func(r *verify.Record) { r.Factors = names }
	}
	nobody := func(r *verify.Record) { r.Account, r.AccountID = "", "" }
	pam := func(r *verify.Record) { r.Door = "pam" }
	text := login(at(0), "alice", "accept", "ok", by("hotp", "totp")) +
		login(at(1), "bob", "challenge", "code-wanted", func(r *verify.Record) { r.Sent, r.SendFailed = "mail", []string{"sms"} }) +
		login(at(2), "bob", "accept", "ok", answer, by("mail")) +
		login(at(3), "bob", "challenge", "code-wanted", func(r *verify.Record) { r.Sent = "sms" }) + // and no answer
		login(at(4), "carl", "accept", "ok-level", pam) +
		login(at(5), "carl", "reject", "wrong-code", by("totp"), pam) +
		login(at(6), "carl", "reject", "throttled", pam, func(r *verify.Record) { r.Detail = "refused until 2026-11-21T12:00:00Z" }) +
		login(at(7), "hunter2", "reject", "unknown-user", nobody) +
		login(at(8), "alice", "unavailable", "directory-unavailable") +
		login(at(9), "mallory", "reject", "bad-state", answer, nobody) +
		`{"time":"2026-11-21T11:30:00Z","action":"unlock","by":"root","pid":1,"user":"Carl","account":"carl"}` + "\n" +
		login(noon, "late", "accept", "ok") + login(noon.Add(-25*time.Hour), "early", "reject", "wrong-code")
	s := read(t, text, day())

	if want := (Logins{Accepted: 3, Rejected: 4, Undecided: 1, Unanswered: 1}); s.Logins != want {
		t.Errorf("logins %+v, want %+v", s.Logins, want)
	}
	for _, tt := range []struct {
		what string
		got  []Count
		want string
	}{
		{"accepted", s.Accepted, "1 mail, 1 ok-level, 1 totp"},
		{"rejected", s.Rejected, "1 bad-state, 1 throttled, 1 unknown-user, 1 wrong-code"},
		{"undecided", s.Undecided, "1 directory-unavailable"},
		{"doors", s.Doors, "5 radius, 3 pam"},
		{"admin", s.Admin, "1 unlock"},
	} {
		var got []string
		for _, c := range tt.got {
			got = append(got, fmt.Sprint(c.Count, " ", c.Name))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
	if want := []User{{User: "carl", Count: 2, Last: at(6)}}; !slices.Equal(s.Users, want) {
		t.Errorf("users %+v, want %+v", s.Users, want)
	}
	if want := []User{{User: "carl", Count: 1, Last: at(6), Detail: "refused until 2026-11-21T12:00:00Z"}}; !slices.Equal(s.Throttled, want) {
		t.Errorf("throttled %+v, want %+v", s.Throttled, want)
	}
	if want := []Sent{{"sms", 1, 1}, {"mail", 1, 0}}; !slices.Equal(s.Sent, want) {
		t.Errorf("sent %+v, want %+v", s.Sent, want)
	}
	if s.Lines != 11 || s.Unreadable != 0 {
		t.Errorf("%d lines, %d unreadable", s.Lines, s.Unreadable)
	}
	all, err := json.Marshal(s)
	if err != nil || bytes.Contains(all, []byte("hunter2")) {
		t.Errorf("a name that the directory does not have is shown: %s %v", all, err)
	}
}

// TestCutOff: what a full disk or a crash leaves behind, and the line that is being written just now.
func TestCutOff(t *testing.T) {
	whole := login(noon.Add(-time.Minute), "alice", "accept", "ok")
	for name, tt := range map[string]struct {
		text              string
		lines, unreadable int
	}{
		"nothing":            {"", 0, 0},
		"half a last line":   {whole + whole[:40], 1, 0},
		"whole but its end":  {whole + strings.TrimSuffix(whole, "\n"), 1, 0},
		"torn in the middle": {whole + whole[:40] + "\n" + whole, 2, 1},
		"no JSON":            {"a log line\n" + whole, 1, 1},
		"another's JSON":     {"{}\n[]\nnull\n{\"time\":\"2026-11-21T11:00:00Z\"}\n" + whole, 1, 4},
		"zeros of a crash":   {whole + strings.Repeat("\x00", 5000) + "\n" + whole, 2, 1},
		"too long":           {whole + `{"step":"` + strings.Repeat("x", 2*maxLine) + "\"}\n" + whole, 2, 1},
		"empty lines":        {"\n" + whole + "\n\n", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := read(t, tt.text, day())
			if s.Lines != tt.lines || s.Unreadable != tt.unreadable || len(s.Broken) > 0 {
				t.Errorf("%d lines, %d unreadable, broken %q; want %d and %d", s.Lines, s.Unreadable, s.Broken, tt.lines, tt.unreadable)
			}
		})
	}
}

func TestNewSources(t *testing.T) {
	from := func(source string) func(*verify.Record) {
		return func(r *verify.Record) { r.Source = source }
	}
	before := noon.Add(-10 * 24 * time.Hour)
	today := noon.Add(-time.Hour)
	text := login(noon.Add(-40*24*time.Hour), "alice", "accept", "ok", from("192.0.2.3")) + // forgotten
		login(before, "alice", "accept", "ok", from("192.0.2.1")) +
		login(before, "alice", "reject", "wrong-code", from("192.0.2.2")) +
		login(before, "bob", "accept", "ok", from("HOST")) +
		login(today, "alice", "accept", "ok", from("192.0.2.1")) +
		login(today, "alice", "accept", "ok", from("192.0.2.2")) + // new: it failed there before
		login(today, "alice", "accept", "ok", from("192.0.2.2")) +
		login(today, "alice", "accept", "ok", from("192.0.2.3")) + // new again
		login(today, "bob", "accept", "ok", from(" host")) +
		login(today, "bob", "accept", "ok", from("192.0.2.1")) + // new: alice's, not bob's
		login(today, "bob", "accept", "ok", from(""))
	s := read(t, text, day())
	var got []string
	for _, n := range s.Sources.Latest {
		got = append(got, n.User+" "+n.Source)
	}
	want := []string{"alice 192.0.2.2", "alice 192.0.2.3", "bob 192.0.2.1"}
	if !slices.Equal(got, want) || s.Sources.Count != len(want) || !s.Sources.Since.Equal(noon.Add(-31*24*time.Hour)) {
		t.Errorf("new sources %+v, want %q", s.Sources, want)
	}
	if s := read(t, login(today, "alice", "accept", "ok"), day()); s.Sources.Count != 0 || !s.Sources.Since.Equal(today) {
		t.Errorf("without earlier logins: %+v", s.Sources)
	}
}

// TestHostileText: no name, reason or address of a line that somebody has put into the audit drives a terminal.
func TestHostileText(t *testing.T) {
	bad := "\x1b[2J\u009b31m\u202e\x00\n" + strings.Repeat("x", 10000)
	s := read(t, login(noon.Add(-time.Hour), "alice", "accept", verify.Reason(bad), func(r *verify.Record) {
		r.Account, r.Source, r.Door, r.Factors, r.Sent, r.SendFailed = bad, bad, bad, []string{bad}, bad, []string{bad}
	})+login(noon.Add(-time.Hour), bad, "reject", verify.ReasonThrottled, func(r *verify.Record) { r.Detail = bad }), day())
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexAny(string(text), "\x00\x1b\u009b\u202e\n"); i >= 0 {
		t.Errorf("%q is shown", text[i:min(i+20, len(text))])
	}
	if len(text) > 10000 {
		t.Errorf("%d octets of JSON", len(text))
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	put := func(name, user string, age time.Duration) {
		t.Helper()
		content := []byte(login(noon.Add(-age), user, "accept", "ok"))
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			w.Write(content)
			w.Close()
			content = packed.Bytes()
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, noon.Add(-age), noon.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	put("audit.jsonl", "a", time.Hour)
	put("audit.jsonl.1", "b", 2*time.Hour)
	put("audit.jsonl.1.gz", "b", 2*time.Hour) // half compressed: the file itself is still there
	put("audit.jsonl.2.gz", "c", 3*time.Hour)
	put("audit.jsonl-20261120.gz", "d", 20*time.Hour)
	put("audit.jsonl.9.gz", "e", 50*24*time.Hour) // too old to be opened
	put("audit.jsonl.3.xz", "f", 4*time.Hour)
	put("audit.jsonl.bak", "g", time.Hour)
	put("audit.jsonl.new", "g", time.Hour)
	s, err := Read(path, nil, day())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Files {
		names = append(names, strings.TrimPrefix(f, path))
	}
	if want := []string{"-20261120.gz", ".2.gz", ".1", ""}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if s.Logins.Accepted != 4 || len(s.Skipped) != 1 || len(s.Broken) > 0 {
		t.Errorf("%d logins, skipped %q, broken %q", s.Logins.Accepted, s.Skipped, s.Broken)
	}

	packed, err := os.ReadFile(path + ".2.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".2.gz", packed[:len(packed)-12], 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Read(path, nil, day()); err != nil || len(s.Broken) != 1 || !strings.Contains(s.Broken[0], ".2.gz") || s.Logins.Accepted < 3 {
		t.Errorf("a gzip file that is cut off: %+v, %v", s, err)
	}
	if _, err := Read(filepath.Join(dir, "none.jsonl"), nil, day()); err == nil || !strings.Contains(err.Error(), "none.jsonl") {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read("/nowhere/audit.jsonl", nil, day()); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("no folder: %v", err)
	}
}

// TestReadWhileRotating: whatever is renamed meanwhile, each line counts once.
func TestReadWhileRotating(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(path, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const all = 50
	for range all {
		if err := log.Append(json.RawMessage(strings.TrimSpace(login(noon.Add(-time.Hour), "alice", "accept", "ok")))); err != nil {
			t.Fatal(err)
		}
	}
	const rotations = 80
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := range rotations {
			for i := n; i > 0; i-- {
				_ = os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1))
			}
			_ = os.Rename(path, path+".1")
			_ = os.WriteFile(path, nil, 0o600)
			runtime.Gosched()
		}
	}()
	for done := false; !done; {
		select {
		case <-stopped:
			done = true
		default:
		}
		s, err := Read(path, nil, Options{Since: noon.Add(-24 * time.Hour), Until: noon, Top: 1})
		if err == nil && s.Logins.Accepted != all || done && err != nil {
			t.Fatalf("%d lines in %q, want %d; %v", s.Logins.Accepted, s.Files, all, err)
		}
	}
}

// TestTop compares with counting everything.
func TestTop(t *testing.T) {
	const places = 64
	limited := newTop(places)
	exact := map[string]int{}
	total := 0
	for i := range 20000 {
		key := fmt.Sprintf("stranger-%d", i) // each once
		if i%4 == 0 {
			key = fmt.Sprintf("user-%d", i/4%7) // a quarter of all, of seven
		}
		limited.add(key, key, noon, "")
		exact[key]++
		total++
	}
	if len(limited.byKey) != places || len(limited.least) != places {
		t.Fatalf("%d keys, %d places", len(limited.byKey), len(limited.least))
	}
	most := limited.most(7)
	for _, c := range most {
		if !strings.HasPrefix(c.key, "user-") {
			t.Errorf("%s is among the most frequent", c.key)
		}
		if real := exact[c.key]; c.count < real || c.count-c.over > real {
			t.Errorf("%s: counted %d, at most %d too high, in truth %d", c.key, c.count, c.over, real)
		}
	}
	if len(most) != 7 {
		t.Errorf("%d keys", len(most))
	}
}

func TestPercentiles(t *testing.T) {
	var d durations
	for i := range 1000 {
		d.add(float64(i + 1))
	}
	for p, want := range map[int]float64{50: 500, 95: 950, 100: 1000} {
		if got := d.percentile(p); got < want || got > want*1.045 {
			t.Errorf("percentile %d: %v, want %v to %v", p, got, want, want*1.045)
		}
	}
	var odd durations
	for _, ms := range []float64{-1, 0, 1e300} {
		odd.add(ms)
	}
	if got := odd.percentile(50); got > shortest || odd.max != longest {
		t.Errorf("percentile 50: %v", got)
	}
}

// TestBounded: as many names, reasons, doors and sources as anybody likes.
func TestBounded(t *testing.T) {
	c := newCounting(day())
	for i := range 3 * maxUsers {
		name := fmt.Sprint("name-", i)
		for _, outcome := range []string{"accept", "reject"} {
			c.line([]byte(login(noon.Add(-time.Hour), name, outcome, verify.Reason(name), func(r *verify.Record) {
				r.Door, r.Factors, r.Sent, r.Source = name, []string{name}, name, name
			})))
		}
		c.line(fmt.Appendf(nil, `{"time":"2026-11-21T11:00:00Z","action":%q,"by":"root"}`, name))
	}
	for name, n := range map[string]int{
		"accepted": len(c.accepted), "rejected": len(c.rejected), "doors": len(c.doors), "sent": len(c.sent), "actions": len(c.actions),
		"by door": len(c.byDoor), "by factor": len(c.byFactor), "by reason": len(c.byReason),
	} {
		if n != maxGroups+1 {
			t.Errorf("%s: %d groups", name, n)
		}
	}
	if n := len(c.users.byKey); n != maxUsers {
		t.Errorf("%d users", n)
	}
	s := c.summary()
	if len(s.Actions) != 10 || len(s.Slowest) != 10 || s.Logins.Rejected != 3*maxUsers || s.Actions[9].Action != fmt.Sprint("name-", 3*maxUsers-1) {
		t.Errorf("%+v", s)
	}
	for i := range maxSources + 10 {
		c.isNew(&line{AccountID: "id", Source: fmt.Sprint(i)})
	}
	if len(c.sources) != maxSources || !c.summary().Sources.Incomplete {
		t.Errorf("%d sources", len(c.sources))
	}
}

func FuzzRead(f *testing.F) {
	good := login(noon.Add(-time.Minute), "alice", "accept", "ok")
	f.Add([]byte(good), false)
	f.Add([]byte(good+good[:30]), false)
	f.Add([]byte(good[:30]+"\n"+good), false)
	f.Add([]byte(`{"time":"2026-11-21T11:00:00Z","action":"unlock","by":"root","pid":1}`+"\n"), false)
	f.Add([]byte(`{"time":"2026-11-21T11:00:00Z","step":"answer","outcome":"reject","reason":"throttled","account_id":"x","duration_ms":1e308}`+"\n"), false)
	f.Add([]byte("\x1f\x8b\x08\x00"), true)
	f.Fuzz(func(t *testing.T, text []byte, packed bool) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		name := path + ".1"
		if packed {
			name += ".gz"
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Read(path, nil, Options{Since: noon.Add(-24 * time.Hour), Until: noon, Top: 3})
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); !packed && s.Lines+s.Unreadable > n {
			t.Errorf("%d and %d lines of %d", s.Lines, s.Unreadable, n)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
	})
}

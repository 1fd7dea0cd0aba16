package external_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/factortest"
	"tandem/verify/provider"
)

func TestKinds(t *testing.T) {
	run, code := words(t, "/bin/true $uid"), codes(t, `\d{6}`)
	for name, c := range map[string]external.Config{
		"nothing":                    {Name: "x"},
		"code alone":                 {Name: "x", Code: code},
		"send alone":                 {Name: "x", Send: run},
		"code, with somebody to ask": {Name: "x", Code: code, Send: run, Validate: run},
	} {
		if f, err := external.New(c, nil); err == nil || err.Error() != `factor "x": needs code and send, or validate, or send and validate` {
			t.Errorf("%s: %T, %v", name, f, err)
		}
	}
}

func TestVariables(t *testing.T) {
	u := &directory.User{ID: "id", Name: "Alice", Mail: "a@example.org", Phone: "+49 1", Attributes: map[string][]string{
		"uid": {"never"}, "mobile": {"+49 2", "+49 3"}, "cn": {"Alice Liddell"}, "empty": {}, "blank": {""},
	}}
	for name, want := range map[string]string{
		"uid": "Alice", "user": "Alice", "mail": "a@example.org", "phone": "+49 1", "mobile": "+49 2; +49 3", "cn": "Alice Liddell",
		"empty": "", "blank": "", "missing": "", "CN": "",
	} {
		f, _ := newSender(t, external.Config{Send: words(t, "/bin/true -x=$"+name), Validate: words(t, "/bin/true"), CodeOnStdin: true})
		_, reached := f.Target(u)
		err := f.Send(t.Context(), u, secret.String{})
		if reached && err != nil || want != "" && err != nil || want == "" && err == nil {
			t.Errorf("$%s: %v", name, err)
		}
	}
}

func TestTargets(t *testing.T) {
	for address, want := range map[string]string{
		"+49 170 1234512": "…12", "123456": "…56", "12345": "…", "alice@example.org": "a…@e…", "é@ü.example": "é…@ü…", "@": "…@…",
	} {
		f, _ := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, "/bin/true"), CodeOnStdin: true, Target: "mobile"})
		if got, ok := f.Target(&directory.User{Name: "x", Phone: address}); !ok || got != want {
			t.Errorf("%q is shown as %q, %v", address, got, ok)
		}
	}
	f, _ := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, "/bin/true $uid"), CodeOnStdin: true})
	if got, ok := f.Target(alice()); !ok || got != "" {
		t.Errorf("without a target: %q, %v", got, ok)
	}
}

func TestExitStatusDecides(t *testing.T) {
	for exit, want := range map[string]verify.Result{"0": verify.Match, "1": verify.NoMatch, "2": verify.NoMatch, "127": verify.NoMatch} {
		f, _ := newChecker(t, external.Config{Validate: words(t, script(t, "echo yes; exit "+exit))})
		if finding, err := f.Check(t.Context(), alice(), "123456", &factortest.Kept{}); err != nil || finding.Result != want {
			t.Errorf("exit %s: %+v, %v", exit, finding, err)
		}
	}
	f, _ := newChecker(t, external.Config{Validate: words(t, script(t, "kill -KILL $$"))})
	if finding, err := f.Check(t.Context(), alice(), "123456", &factortest.Kept{}); err == nil || finding.Result != verify.NoMatch {
		t.Errorf("killed: %+v, %v", finding, err)
	}
	s, _ := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, script(t, "exit 3"))})
	if err := s.Send(t.Context(), alice(), secret.New("123456")); err == nil || !strings.HasSuffix(err.Error(), "/script ended with exit status 3") {
		t.Errorf("send: %v", err)
	}
}

// TestUsedCodesAreNotAskedAbout: a service that would say yes again is not asked.
func TestUsedCodesAreNotAskedAbout(t *testing.T) {
	ran := t.TempDir() + "/ran"
	f, _ := newChecker(t, external.Config{Validate: words(t, script(t, "echo ran >>"+ran))})
	kept := &factortest.Kept{}
	finding, err := f.Check(t.Context(), alice(), "123456", kept)
	if err != nil || finding.Result != verify.Match || !kept.Take(finding) || strings.Contains(finding.Claim.Key, "123456") {
		t.Fatalf("%+v, %v", finding, err)
	}
	again, err := f.Check(t.Context(), alice(), "123456", kept)
	if err != nil || again.Result != verify.Used || len(lines(t, ran)) != 1 {
		t.Errorf("%+v, %v after %q", again, err, lines(t, ran))
	}
	if other, err := f.Check(t.Context(), alice(), "123457", kept); err != nil || other.Result != verify.Match {
		t.Errorf("another code: %+v, %v", other, err)
	}
}

// TestServiceThatFailsIsNotANo, and is left alone after some failures; a no is no failure.
func TestServiceThatFailsIsNotANo(t *testing.T) {
	f, _ := newChecker(t, external.Config{Validate: words(t, script(t, `[ "$1" != 666666 ] || kill -KILL $$; exit 1`)+" $code")})
	check := func(code string) error {
		finding, err := f.Check(t.Context(), alice(), code, &factortest.Kept{})
		if finding.Result != verify.NoMatch {
			t.Errorf("%+v", finding)
		}
		return err
	}
	for range 2 * provider.DefaultMaxFailures {
		if err := check("111111"); err != nil {
			t.Fatal(err)
		}
	}
	for range provider.DefaultMaxFailures {
		if err := check("666666"); err == nil || errors.Is(err, provider.ErrResting) {
			t.Fatal(err)
		}
	}
	if err := check("111111"); !errors.Is(err, provider.ErrResting) {
		t.Error(err)
	}
}

func TestRow37_CodesAreInNoLogAndNoError(t *testing.T) {
	const code = "735190"
	talk := script(t, `read -r code; echo "code $code, arguments $*" >&2; [ "$1" = fine ] || kill -KILL $$`)
	for _, c := range []struct {
		line  string
		stdin bool
		fine  bool
	}{
		{talk + " fine", true, true},
		{talk + " dies", true, false},
		{talk + " fine $code", false, true},
		{talk + " dies $code", false, false},
		{"/no/such/program $code", false, false},
		{talk + " $missing $code", false, false},
	} {
		f, log := newChecker(t, external.Config{Validate: words(t, c.line), CodeOnStdin: c.stdin})
		s, sendLog := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, c.line), CodeOnStdin: c.stdin})
		finding, err := f.Check(t.Context(), alice(), code, &factortest.Kept{})
		sendErr := s.Send(t.Context(), alice(), secret.New(code))
		if (err == nil) != c.fine || (sendErr == nil) != c.fine {
			t.Errorf("%s: %v, %v", c.line, err, sendErr)
		}
		all := fmt.Sprintf("%+v %v %v %s %s", finding, err, sendErr, log, sendLog)
		if strings.Contains(all, code) {
			t.Errorf("%s: %s", c.line, all)
		}
		if strings.HasPrefix(c.line, talk) && !strings.Contains(c.line, "missing") && (!strings.Contains(log.String(), "[code]") || !strings.Contains(sendLog.String(), "[code]")) {
			t.Errorf("%s: the program's words are not in the log: %s", c.line, all)
		}
	}
}

// TestRow37_WithCodeOnStdinNoArgumentHasIt runs both programs, and compares what /proc shows of them.
func TestRow37_WithCodeOnStdinNoArgumentHasIt(t *testing.T) {
	const code = "735190"
	out := t.TempDir() + "/seen"
	path := script(t, `tr '\0' ' ' </proc/$$/cmdline >`+out+`; tr '\0' ' ' </proc/$$/environ >>`+out+`; read -r code; [ "$code" = $((735180 + 10)) ]`)
	c := external.Config{Send: words(t, path+" $uid"), Validate: words(t, path+" $uid"), CodeOnStdin: true}
	f, _ := newChecker(t, c)
	if finding, err := f.Check(t.Context(), alice(), code, &factortest.Kept{}); err != nil || finding.Result != verify.Match {
		t.Fatalf("%+v, %v", finding, err)
	}
	if seen := strings.Join(lines(t, out), ""); strings.Contains(seen, code) || !strings.Contains(seen, path+" alice ") {
		t.Errorf("while it ran, everybody saw %q", seen)
	}
	// A service that makes its own codes is told none, not even an empty one.
	empty := t.TempDir() + "/read"
	c.Send = words(t, script(t, `cat >`+empty))
	s, _ := newSender(t, c)
	if err := s.Send(t.Context(), alice(), secret.String{}); err != nil || !slices.Equal(lines(t, empty), []string{""}) {
		t.Errorf("%q, %v", lines(t, empty), err)
	}
}

func TestRow38_AsManyAtOnceAsAllowed(t *testing.T) {
	dir := t.TempDir()
	path := script(t, `mkdir `+dir+`/$$; ls `+dir+` | grep -c '^[0-9]' >>`+dir+`/counts; while [ ! -e `+dir+`/go ]; do sleep 0.02; done; rmdir `+dir+`/$$`)
	f, _ := newChecker(t, external.Config{Validate: words(t, path), MaxConcurrent: 4})
	const calls = 200
	results := make(chan error, calls)
	for i := range calls {
		go func() {
			_, err := f.Check(t.Context(), alice(), fmt.Sprint(100000+i), &factortest.Kept{})
			results <- err
		}()
	}
	busy := 0
	for range calls - 4 { // those that were turned away, at once
		if err := <-results; errors.Is(err, provider.ErrBusy) {
			busy++
		} else {
			t.Error(err)
		}
	}
	release := script(t, "touch "+dir+"/go")
	opener, _ := newChecker(t, external.Config{Validate: words(t, release)})
	if _, err := opener.Check(t.Context(), alice(), "1", &factortest.Kept{}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	counts := lines(t, dir+"/counts")
	if busy != calls-4 || len(counts) != 4 || slices.Max(counts) > "4" {
		t.Errorf("%d turned away; at once: %q", busy, counts)
	}
}

func TestRow38_HangingProgramCostsNoMoreThanItsTime(t *testing.T) {
	f, _ := newChecker(t, external.Config{Validate: words(t, script(t, "trap '' TERM; for n in 1 2 3 4 5 6 7 8 9; do sleep 1; done")), Timeout: 300 * time.Millisecond})
	finding, err := f.Check(t.Context(), alice(), "123456", &factortest.Kept{})
	if !errors.Is(err, context.DeadlineExceeded) || finding.Result != verify.NoMatch {
		t.Errorf("%+v, %v", finding, err)
	}
}

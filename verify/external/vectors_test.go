package external_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/factortest"
)

// vector is a run of LemonLDAP::NG's own code: the arguments that a command line became.
type vector struct {
	Cmd     string            `json:"cmd"`
	Session map[string]string `json:"session"`
	Code    string            `json:"code"`
	Argv    []string          `json:"argv"`
	Note    string            `json:"note"`
}

func (v vector) user() *directory.User {
	u := &directory.User{ID: "id", Name: v.Session["uid"], Mail: v.Session["mail"], Attributes: map[string][]string{}}
	for name, value := range v.Session {
		if name != "uid" && name != "mail" {
			u.Attributes[name] = strings.Split(value, "; ") // as the directory has it
		}
	}
	return u
}

// received has a factor run the vector's command line, and returns the arguments that arrived.
func (v vector) received(t *testing.T, cmd string) ([]string, error) {
	t.Helper()
	out := t.TempDir() + "/argv"
	path := script(t, `printf '%s\n' "$@" >`+out)
	_, args, _ := strings.Cut(cmd, " ")
	f, _ := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, path+" "+args)})
	if err := f.Send(t.Context(), v.user(), secret.New(v.Code)); err != nil {
		return nil, err
	}
	return lines(t, out), nil
}

// TestLemonLDAPVectors: the same arguments as from LemonLDAP::NG, but for what we refuse on purpose.
func TestLemonLDAPVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/lemonldap-ext2f.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"ext2f"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 4 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}

	// Where LemonLDAP::NG hands over an empty argument for an attribute that the user has not got, or for a code
	// that is not there, the program is not run.
	refused := []struct {
		vector int
		words  string // that are taken out, so that the rest can be compared
		empty  int    // arguments at the end, or part of the first, that LemonLDAP::NG has for them
		why    string
	}{
		{0, " $nope $codex $code2", 3, "$nope: there is none"},
		{1, " $ENV{PATH}", 0, "$ENV: there is none"},
		{2, " $code", 1, "$code: there is none"},
	}
	for _, r := range refused {
		v := file.Vectors[r.vector]
		if args, err := v.received(t, v.Cmd); err == nil || !strings.Contains(err.Error(), r.why) {
			t.Errorf("%s: %q, %v", v.Cmd, args, err)
		}
		want := v.Argv[:len(v.Argv)-r.empty]
		if r.vector == 1 {
			want = want[1:] // {PATH}, of an empty $ENV
		}
		args, err := v.received(t, strings.Replace(v.Cmd, r.words, "", 1))
		if err != nil || !slices.Equal(args, want) {
			t.Errorf("%s: %q, %v", v.Cmd, args, err)
		}
	}

	v := file.Vectors[3]
	if !strings.Contains(v.Note, "DO NOT copy") {
		t.Fatalf("%+v", v)
	}
	args, err := v.received(t, v.Cmd)
	if want := []string{"dwho", "$_password"}; err != nil || !slices.Equal(args, want) {
		t.Errorf("a code that looks like a variable became %q, %v", args, err)
	}
}

// TestRow36_WhatUsersTypeIsNotExpanded: LemonLDAP::NG 2.16.1 hands the user's password to the command here.
func TestRow36_WhatUsersTypeIsNotExpanded(t *testing.T) {
	out := t.TempDir() + "/argv"
	f, _ := newChecker(t, external.Config{Validate: words(t, script(t, `printf '%s\n' "$@" >`+out)+" $uid $code $cn")})
	u := alice()
	u.Attributes["cn"] = []string{"$code $mail $(id)"}
	u.Attributes["_password"] = []string{"sesame"}
	for _, code := range []string{"$_password", "$cn", "$code", "$(id)", "`id`", "a;b|c&d>e", `"'\`, "*"} {
		finding, err := f.Check(t.Context(), u, code, &factortest.Kept{})
		if err != nil || finding.Result != verify.Match {
			t.Errorf("%q: %+v, %v", code, finding, err)
		}
		if got, want := lines(t, out), []string{"alice", code, "$code $mail $(id)"}; !slices.Equal(got, want) {
			t.Errorf("%q became %q", code, got)
		}
	}
}

// TestRow36_WhatIsNoCodeNeverReachesTheProgram: options, further lines, and what is not to be seen.
func TestRow36_WhatIsNoCodeNeverReachesTheProgram(t *testing.T) {
	for _, digits := range []int{0, 6} {
		ran := t.TempDir() + "/ran"
		f, _ := newChecker(t, external.Config{Validate: words(t, script(t, "echo ran >>"+ran)+" $uid"), CodeOnStdin: true, Digits: digits})
		for _, code := range []string{
			"", "-1", "--help", "123 456", "123456 ", "123456\n", "123456\n1", "123456\x00", "\t123456", "123456\x7f", "１２３４５６", "é", "\xff", strings.Repeat("1", 129),
		} {
			finding, err := f.Check(t.Context(), alice(), code, &factortest.Kept{})
			if err != nil || finding.Result != verify.NoMatch {
				t.Errorf("%d digits: %q: %+v, %v", digits, code, finding, err)
			}
		}
		if got := lines(t, ran); got != nil {
			t.Errorf("%d digits: the program ran %d times", digits, len(got))
		}
		if finding, err := f.Check(t.Context(), alice(), "123456", &factortest.Kept{}); err != nil || finding.Result != verify.Match || len(lines(t, ran)) != 1 {
			t.Errorf("%d digits: a code: %+v, %v", digits, finding, err)
		}
	}
}

// TestRow36_HostileAttributes: who can write to an entry makes no option, no line and no argument of it. Such a user is
// not served, and the program does not run.
func TestRow36_HostileAttributes(t *testing.T) {
	for value, served := range map[string]bool{
		"+49 170 1234512":      true,
		"a b; c | d $(id) `x`": true,
		"$code":                true,
		"-oProxyCommand=id":    false,
		"--help":               false,
		"+49\n--to=+1":         false,
		"+49\x00":              false,
		"+49\r":                false,
		"+49\u2028":            false,
		"":                     false,
	} {
		out := t.TempDir() + "/argv"
		f, _ := newSender(t, external.Config{Code: codes(t, `\d{6}`), Send: words(t, script(t, `printf '<%s>' "$#" "$@" >`+out)+" $mobile"), CodeOnStdin: true, Target: "mobile"})
		u := alice()
		u.Phone = value
		_, reached := f.Target(u)
		err := f.Send(t.Context(), u, secret.New("123456"))
		got := strings.Join(lines(t, out), "\n")
		if served && (!reached || err != nil || len(f.Shapes(u)) == 0 || got != "<1><"+value+">") {
			t.Errorf("%q became %q, %v", value, got, err)
		}
		if !served && (reached || err == nil || len(f.Shapes(u)) > 0 || got != "") {
			t.Errorf("%q became %q, %v", value, got, err)
		}
	}
}

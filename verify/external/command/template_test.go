package command_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/verify/external/command"
)

func parse(t testing.TB, words ...string) *command.Template {
	t.Helper()
	tmpl, err := command.Parse(words)
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return tmpl
}

var variables = regexp.MustCompile(`\$[0-9A-Za-z_]+`)

// from looks values up in a map.
func from(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestArgs(t *testing.T) {
	values := from(map[string]string{"uid": "dwho", "mail": "d@x.org", "uid2": "two", "_x": "under", "money": "$uid", "é": "never"})
	for _, c := range []struct{ word, want string }{
		{"plain", "plain"},
		{"", ""},
		{"$uid", "dwho"},
		{"$uid2", "two"},
		{"$_x", "under"},
		{"--user=$uid", "--user=dwho"},
		{"$uid@$mail", "dwho@d@x.org"},
		{"$uid$uid", "dwhodwho"},
		{"$uid-$mail.$uid", "dwho-d@x.org.dwho"},
		{"${uid}", "${uid}"},
		{"$", "$"},
		{"$$", "$$"},
		{"$$uid", "$dwho"},
		{"a$-b$", "a$-b$"},
		{"$é", "$é"},
		{"$(id)", "$(id)"},
		{"`id`;|&><*?~!#", "`id`;|&><*?~!#"},
		{`"$uid`, `"dwho`},
		{"$money", "$uid"},
		{"$money$uid", "$uiddwho"},
	} {
		args, err := parse(t, "/bin/x", c.word).Args(values)
		if err != nil || !slices.Equal(args, []string{c.want}) {
			t.Errorf("%q: %q, %v", c.word, args, err)
		}
	}
}

func TestVariables(t *testing.T) {
	tmpl := parse(t, "/bin/x", "-u", "$uid", "$mail,$code", "$$_x", "${none}")
	if got, want := tmpl.Variables(), []string{"uid", "mail", "code", "_x"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if tmpl.Program() != "/bin/x" {
		t.Error(tmpl.Program())
	}
}

func TestRow36_MissingValuesAreErrors(t *testing.T) {
	for _, words := range [][]string{{"/bin/x", "$nobody"}, {"/bin/x", "--to=$nobody"}, {"/bin/x", "--", "$nobody"}} {
		if args, err := parse(t, words...).Args(from(nil)); err == nil || err.Error() != "$nobody: there is none" {
			t.Errorf("%q, %v", args, err)
		}
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, "is empty: name a program by its absolute path"},
		{[]string{"send"}, `the program "send" has no absolute path: write it, such as /usr/local/libexec/send-sms`},
		{[]string{"./send", "x"}, `the program "./send" has no absolute path: write it, such as /usr/local/libexec/send-sms`},
		{[]string{""}, `the program "" has no absolute path: write it, such as /usr/local/libexec/send-sms`},
		{[]string{"/bin/$uid"}, "the program has a $ in its path: which program runs cannot depend on who logs in"},
		{append([]string{"/bin/x"}, make([]string, 64)...), "has 65 words: use at most 64"},
		{[]string{"/bin/x", strings.Repeat("x", 4097)}, "a word is longer than 4096 octets, or holds a NUL"},
		{[]string{"/bin/x", "a\x00b"}, "a word is longer than 4096 octets, or holds a NUL"},
	} {
		if _, err := command.Parse(c.words); err == nil || err.Error() != c.want {
			t.Errorf("%.80q: %v", c.words, err)
		}
	}
}

func TestRow36_ValuesAreValuesAndNothingElse(t *testing.T) {
	const hostile = "-rf / --exec=$(id) `id` ; $mail \"' \\ *"
	args, err := parse(t, "/bin/x", "--to=$v", "a", "--", "$v", "$v$v").Args(from(map[string]string{"v": hostile, "mail": "expanded"}))
	if want := []string{"--to=" + hostile, "a", "--", hostile, hostile + hostile}; err != nil || !slices.Equal(args, want) {
		t.Errorf("%q, %v", args, err)
	}

	for value, what := range map[string]string{
		"-rf":                     "dash",
		"--":                      "dash",
		"-":                       "dash",
		"line\nline":              "control",
		"line\rline":              "control",
		"nul\x00nul":              "control",
		"tab\t":                   "control",
		"escape\x1b[2J":           "control",
		"del\x7f":                 "control",
		"c1\u0085":                "control",
		"line\u2028line":          "control",
		"turned\u202egnp.exe":     "control",
		"no utf-8 \xff":           "control",
		strings.Repeat("x", 4097): "longer",
	} {
		for _, words := range [][]string{{"/bin/x", "$v"}, {"/bin/x", "$v,$v"}, {"/bin/x", "-t", "$v", "--"}} {
			args, err := parse(t, words...).Args(from(map[string]string{"v": value}))
			if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), value) && len(value) > 2 {
				t.Errorf("%q with %.40q: %q, %v", words, value, args, err)
			}
		}
		args, err := parse(t, "/bin/x", "--to=$v").Args(from(map[string]string{"v": value}))
		if what == "dash" && (err != nil || args[0] != "--to="+value) || what != "dash" && err == nil {
			t.Errorf("behind an option's name, %.40q: %q, %v", value, args, err)
		}
	}
}

// FuzzArgs: there are as many arguments as words, each is the word with its variables replaced once, and what is
// put in is not looked at again.
func FuzzArgs(f *testing.F) {
	for _, seed := range [][2]string{
		{"--to=$v $w", "x"}, {"$v", "$w"}, {"$v$w$$v ${v}", "$v"}, {"-- $v", "-x"}, {"$", "$"}, {"$v\t$v", "a b"}, {"$é $v\x00", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, line, value string) {
		words := append([]string{"/bin/x"}, strings.Fields(line)...)
		tmpl, err := command.Parse(words)
		if err != nil {
			return
		}
		asked := 0
		args, err := tmpl.Args(func(name string) string {
			asked++
			if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r > 'z' }) {
				t.Errorf("a variable is called %q", name)
			}
			return value
		})
		if asked > len(tmpl.Variables()) {
			t.Errorf("%d values were put in for %d variables", asked, len(tmpl.Variables()))
		}
		if err != nil {
			return
		}
		if len(args) != len(words)-1 {
			t.Fatalf("%d words became %q", len(words)-1, args)
		}
		const mark = "\x01"
		marked := 0
		for i, arg := range args {
			word := words[i+1]
			marked += strings.Count(expand(word, mark), mark) - strings.Count(word, mark)
			if want := expand(word, value); arg != want {
				t.Errorf("%q with %q became %q, not %q", word, value, arg, want)
			}
		}
		if marked != len(tmpl.Variables()) {
			t.Errorf("%d variables, and %d places", len(tmpl.Variables()), marked)
		}
	})
}

// expand is the rule once more, in the simplest words: LemonLDAP::NG's s/\$(\w+)/value/g.
func expand(word, value string) string {
	return variables.ReplaceAllLiteralString(word, value)
}

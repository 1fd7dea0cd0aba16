package tokens_test

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tandem/directory"
	"tandem/directory/tokens"
	"tandem/internal/secret"
)

// The key of RFC 4226, Appendix D, and of RFC 6238, Appendix B, in the ways in which files write it.
const (
	raw     = "12345678901234567890"
	base32  = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	hex     = "3132333435363738393031323334353637383930"
	rawLong = "12345678901234567890123456789012"
	hexLong = "3132333435363738393031323334353637383930313233343536373839303132"
)

// read reads a file in which there must be no problems.
func read(t *testing.T, format, text string, o tokens.Options) []tokens.Token {
	t.Helper()
	o.File = "file"
	found, problems := tokens.Read(format, strings.NewReader(text), o)
	for _, p := range problems {
		t.Errorf("%s: %v", format, p)
	}
	return found
}

// brief is a token in one line.
func brief(token tokens.Token) string {
	d := token.Device
	var b strings.Builder
	p := func(parts ...string) { b.WriteString(strings.Join(parts, "")) }
	p(d.Type, " ", d.Secret.Reveal(), " ", d.Algorithm, " ")
	p(strings.Join([]string{itoa(d.Digits), itoa(d.Period), itoa(int(d.Counter))}, "/"))
	if d.PublicID != "" {
		p(" ", d.PublicID, "/", d.PrivateID.Reveal())
	}
	p(" user=", token.User, " serial=", token.Serial, " issuer=", token.Issuer, " line=", itoa(token.Line))
	return b.String()
}

func itoa(n int) string { return string(appendInt(nil, n)) }

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func compare(t *testing.T, what string, found []tokens.Token, want ...string) {
	t.Helper()
	var got []string
	for _, token := range found {
		got = append(got, brief(token))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// run starts a program of Debian's and returns what it prints.
func run(t *testing.T, debianPackage, program string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("this test needs %s: apt-get install %s", program, debianPackage)
	}
	var out bytes.Buffer
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

func mustRun(t *testing.T, debianPackage, program string, args ...string) string {
	t.Helper()
	out, err := run(t, debianPackage, program, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return out
}

func TestFormats(t *testing.T) {
	want := []string{"pskc", "oath-csv", "yubico-csv", "google-authenticator", "users.oath", "otpauth"}
	if got := tokens.Formats(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestFilesThatAreNone: what holds for every format.
func TestFilesThatAreNone(t *testing.T) {
	for want, text := range map[string]string{
		"file: there is no token in it":                     "\n# nothing\n",
		"file: it is not UTF-8: save it as UTF-8 text":      "\xff\xfe",
		"file: there are NULs in it: save it as UTF-8 text": "a\x00",
	} {
		for _, format := range tokens.Formats() {
			if format == "pskc" && strings.Contains(want, "no token") {
				continue // this is no XML
			}
			found, problems := tokens.Read(format, strings.NewReader(text), tokens.Options{File: "file"})
			if len(found) > 0 || len(problems) != 1 || problems[0].Error() != want {
				t.Errorf("%s: %v, %v, want %s", format, found, problems, want)
			}
		}
	}
	broken := errors.New("disk on fire")
	if _, problems := tokens.Read("otpauth", iotest.ErrReader(broken), tokens.Options{File: "file"}); len(problems) != 1 || !strings.Contains(problems[0].Why, "disk on fire") {
		t.Errorf("%v", problems)
	}
	if _, problems := tokens.Read("xls", strings.NewReader("a"), tokens.Options{File: "file"}); len(problems) != 1 || !strings.Contains(problems[0].Why, "oath-csv") {
		t.Errorf("%v", problems)
	}
}

func TestFilesAreBounded(t *testing.T) {
	if _, problems := tokens.Read("otpauth", strings.NewReader(strings.Repeat(" ", tokens.MaxFile+1)), tokens.Options{File: "file"}); len(problems) != 1 || problems[0].Error() != "file: it is larger than 8388608 octets" {
		t.Errorf("%v", problems)
	}
	many := strings.Repeat("otpauth://totp/a?secret="+base32+"\n", tokens.MaxTokens+2)
	found, problems := tokens.Read("otpauth", strings.NewReader(many), tokens.Options{File: "file"})
	if len(found) != tokens.MaxTokens || len(problems) == 0 {
		t.Errorf("%d tokens, %v", len(found), problems)
	}
	found, problems = tokens.Read("otpauth", strings.NewReader(strings.Repeat("x\n", 5000)), tokens.Options{File: "file"})
	if len(found) != 0 || len(problems) != 1000 {
		t.Errorf("%d tokens, %d problems", len(found), len(problems))
	}
}

// problem is what a file that holds one mistake is told: its line, field and a piece of the reason.
type problem struct {
	text  string
	line  int
	field string
	why   string
}

// refused gives each file to a parser. Nothing of a problem may hold the key.
func refused(t *testing.T, format string, o tokens.Options, cases map[string]problem) {
	t.Helper()
	o.File = "file"
	for name, c := range cases {
		_, problems := tokens.Read(format, strings.NewReader(c.text), o)
		if len(problems) != 1 {
			t.Errorf("%s: %d problems: %v", name, len(problems), problems)
			continue
		}
		p := problems[0]
		if p.File != "file" || p.Line != c.line || p.Field != c.field || !strings.Contains(p.Why, c.why) {
			t.Errorf("%s: line %d, field %q: %q; want line %d, field %q: %q", name, p.Line, p.Field, p.Why, c.line, c.field, c.why)
		}
		for _, key := range []string{base32[:8], hex[:8], raw[:8]} {
			if strings.Contains(strings.ToUpper(p.Error()), key) {
				t.Errorf("%s: the key is in %q", name, p.Error())
			}
		}
	}
}

// everything reads any text in a format: fuzz targets do.
func everything(t *testing.T, format, text string) []tokens.Token {
	t.Helper()
	found, problems := tokens.Read(format, strings.NewReader(text), tokens.Options{
		File: "file", User: "someone", Type: directory.TypeTOTP, Key: secret.New(raw[:16]), Password: secret.New("qwerty"),
	})
	if len(found)+len(problems) == 0 || len(found) > tokens.MaxTokens {
		t.Fatalf("%d tokens, %d problems", len(found), len(problems))
	}
	for _, token := range found {
		if d := token.Device; d.Type != directory.TypeYubikey && (d.Secret.Empty() || d.Digits < 6 || d.Digits > 8 || d.Algorithm == "" || (d.Type == directory.TypeTOTP) != (d.Period > 0)) {
			t.Fatalf("%+v", token)
		}
	}
	return found
}

package rest_test

import (
	"io"
	"log"
	"maps"
	"net/http"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/rest"
)

// quiet keeps the failed handshakes of servers off the screen.
var quiet = log.New(io.Discard, "", 0)

func TestNewRefuses(t *testing.T) {
	const https = "https://otp.example.org/"
	for why, c := range map[string]rest.Config{
		"there is no URL that":     {},
		"none are made here":       {InitURL: https},
		"need a URL that sends":    {OwnDigits: 6},
		"and none that checks":     {OwnDigits: 6, InitURL: https, VerifyURL: https},
		"is not a URL":             {VerifyURL: "otp.example.org"},
		"verify URL: is not":       {VerifyURL: "https:///verify"},
		"init URL: is not":         {VerifyURL: https, InitURL: "https:otp.example.org"},
		"unknown scheme":           {VerifyURL: "ftp://otp.example.org/"},
		"a user or password":       {VerifyURL: "https://u:hunter2@otp.example.org/"},
		"names nothing":            {VerifyURL: https, VerifyArguments: map[string]string{"x": "a $ b"}},
		`argument "y": "$-"`:       {VerifyURL: https, VerifyArguments: map[string]string{"y": "$-"}},
		"no $code before":          {VerifyURL: https, InitURL: https, InitArguments: map[string]string{"x": "$code"}},
		"target":                   {VerifyURL: https, InitURL: https, Target: "$"},
		"authorities":              {VerifyURL: https, CAFile: "none.pem"},
		"holds no certificate":     {VerifyURL: https, CAFile: "rest_test.go"},
		"our own certificate":      {VerifyURL: https, CertFile: "none.pem", KeyFile: "none.pem"},
		"not the name of a header": {VerifyURL: https, Token: secret.New("hunter2"), TokenHeader: "X Key"},
		"the token has a control":  {VerifyURL: https, Token: secret.New("hunter2\n"), TokenHeader: "X-Key"},
		"beside a user":            {VerifyURL: https, Token: secret.New("hunter2"), TokenHeader: "authorization", Username: "u"},
		"Content-Type is for some": {VerifyURL: https, Token: secret.New("hunter2"), TokenHeader: "Content-Type"},
	} {
		c.Name = "sms"
		_, err := rest.New(c)
		if err == nil || !strings.Contains(err.Error(), why) || !strings.HasPrefix(err.Error(), `REST factor "sms": `) {
			t.Errorf("%s: %v", why, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

func TestArguments(t *testing.T) {
	s := serve(t, nil)
	c := s.config()
	c.VerifyArguments = map[string]string{
		"mail": "$mail", "fixed": "text", "both": "to $mail ($phone)", "cn": "${cn}", "braces": "${user}name",
		"option": "${user-class;lang-en}", "dollar": "$$user costs 5 $$", "user": "", "code": "", "otp": "<$code>",
		"uid": "$uid", "mobile": "$mobile", "several": "$several", "other": "$user/$phone",
	}
	if _, err := check(t, open(t, c), "$mail${cn}"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"mail": "dwho@badwolf.org", "fixed": "text", "both": "to dwho@badwolf.org (+44 20 7946 0042)", "cn": "Doctor Who",
		"braces": "dwhoname", "option": "time lord", "dollar": "$user costs 5 $", "otp": "<$mail${cn}>",
		"uid": "dwho", "mobile": "+44 20 7946 0042", "several": "one; two", "other": "dwho/+44 20 7946 0042",
	}
	if got := s.requests()[0].body; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMissingAttribute: an empty argument would be somebody else's question.
func TestMissingAttribute(t *testing.T) {
	for _, name := range []string{"$none", "$empty", "${binary}", "to $none"} {
		s := serve(t, nil)
		c := s.config()
		c.VerifyArguments = map[string]string{"x": name}
		f := open(t, c)
		if shapes := f.Shapes(dwho()); len(shapes) > 0 {
			t.Errorf("%s: shapes %v", name, shapes)
		}
		if finding, err := check(t, f, "654321"); err == nil {
			t.Errorf("%s: %+v", name, finding)
		}
		c = s.config()
		c.InitArguments = map[string]string{"x": name}
		f = open(t, c)
		if _, ok := f.(verify.Sender).Target(dwho()); ok {
			t.Errorf("%s: can be reached", name)
		}
		if err := f.(verify.Sender).Send(t.Context(), dwho(), secret.String{}); err == nil {
			t.Errorf("%s: sent", name)
		}
		if n := len(s.requests()); n > 0 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestTarget(t *testing.T) {
	s := serve(t, nil)
	for target, want := range map[string]string{"$mail": "d…@b…", "$phone": "…42", "": "", "$cn": "…"} {
		c := s.config()
		c.Target = target
		if got, ok := open(t, c).(verify.Sender).Target(dwho()); got != want || !ok {
			t.Errorf("target %q is %q, %t", target, got, ok)
		}
	}
	c := s.config()
	c.Target = "$phone"
	if _, ok := open(t, c).(verify.Sender).Target(&directory.User{Name: "dwho", Mail: "dwho@badwolf.org"}); ok {
		t.Error("a user without a phone can be reached")
	}
}

func TestCredentials(t *testing.T) {
	for what, c := range map[string]struct {
		change       func(*rest.Config)
		header, want string
	}{
		"none":     {func(*rest.Config) {}, "Authorization", ""},
		"a token":  {func(c *rest.Config) { c.Token, c.TokenHeader = secret.New("hunter2"), "authorization" }, "Authorization", "Bearer hunter2"},
		"a key":    {func(c *rest.Config) { c.Token, c.TokenHeader = secret.New("hunter2"), "X-API-Key" }, "X-Api-Key", "hunter2"},
		"a user":   {func(c *rest.Config) { c.Username, c.Password = "u", secret.New("hunter2") }, "Authorization", "Basic dTpodW50ZXIy"},
		"no cache": {func(*rest.Config) {}, "Cookie", ""},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
			return false
		})
		conf := s.config()
		c.change(&conf)
		f := open(t, conf)
		for range 2 {
			if _, err := check(t, f, "000000"); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range s.requests() {
			if got := r.header.Get(c.header); got != c.want {
				t.Errorf("%s: %s is %q, want %q", what, c.header, got, c.want)
			}
		}
	}
}

func TestSendWantsItsOwnKindOfCode(t *testing.T) {
	s := serve(t, nil)
	c := s.config()
	if err := open(t, c).(verify.Sender).Send(t.Context(), dwho(), secret.New("654321")); err == nil {
		t.Error("a service that makes codes was sent one")
	}
	c.VerifyURL, c.OwnDigits = "", 6
	if err := open(t, c).(verify.Sender).Send(t.Context(), dwho(), secret.String{}); err == nil {
		t.Error("an empty code was sent")
	}
	if len(s.requests()) > 0 {
		t.Error("the service was asked")
	}
}

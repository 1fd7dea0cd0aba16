package compose_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tandem/directory"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
)

// find makes the factors of c and returns the one of that name.
func find(t *testing.T, c *config.Config, name string) verify.Factor {
	t.Helper()
	setup, err := compose.Setup(c, nil, func() time.Time { return time.Unix(1_700_000_000, 0) }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(setup.Factors, func(f verify.Factor) bool { return f.Name() == name })
	if i < 0 || setup.Levels[name] != 7 {
		t.Fatalf("factor %s: place %d, level %d", name, i, setup.Levels[name])
	}
	if when := setup.When[name]; when == nil || when.String() != `inGroup("staff")` {
		t.Errorf("factor %s: the rule is %v", name, when)
	}
	return setup.Factors[i]
}

var bob = &directory.User{Name: "bob", Mail: "bob@example.org", Phone: "+49 170 1234512"}

// TestRESTFactorOfTheConfiguration: what is written arrives at the web service.
func TestRESTFactorOfTheConfiguration(t *testing.T) {
	var told []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told = append(told, r.URL.Path+" "+r.Header.Get("X-Key")+" "+string(body))
		var asked map[string]string
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/sms" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"result": true}`)
	}))
	defer service.Close()
	c := config.Default()
	c.Factor.REST = make([]config.REST, 2)
	own, checks := &c.Factor.REST[0], &c.Factor.REST[1]
	own.SetDefaults()
	own.Name, own.Code, own.InitURL, own.InitAnswer, own.Target = "sms", 8, service.URL+"/sms", "status", "$phone"
	own.InitArguments = map[string]string{"user": "", "code": "", "to": "$phone", "text": "Code: $code"}
	own.Lifetime, own.ResendInterval, own.Level, own.When = time.Minute, 10*time.Second, 7, `inGroup("staff")`
	checks.SetDefaults()
	checks.Name, checks.Label, checks.InitURL, checks.VerifyURL, checks.Digits = "token", "Token", service.URL+"/init", service.URL+"/verify", 6
	checks.VerifyArguments, checks.Token, checks.TokenHeader = map[string]string{"realm": "vpn"}, secret.New("hunter2"), "X-Key"
	checks.Level, checks.When = 7, `inGroup("staff")`

	sms := find(t, c, "sms").(verify.Maker)
	if masked, ok := sms.Target(bob); !ok || masked != "…12" || sms.Label() != "sms" || sms.Lifetime() != time.Minute || sms.ResendAfter() != 10*time.Second {
		t.Errorf("%q, %q, %s, %s", masked, sms.Label(), sms.Lifetime(), sms.ResendAfter())
	}
	if code, err := sms.NewCode(); err != nil || len(code.Reveal()) != 8 {
		t.Errorf("%d digits, %v", len(code.Reveal()), err)
	}
	if err := sms.Send(t.Context(), bob, secret.New("12345678")); err != nil {
		t.Error(err)
	}
	token := find(t, c, "token").(verify.Checker)
	if err := token.(verify.Sender).Send(t.Context(), bob, secret.String{}); err != nil {
		t.Error(err)
	}
	if f, err := token.Check(t.Context(), bob, "123456", &factortest.Kept{}); err != nil || f.Result != verify.Match || token.Label() != "Token" {
		t.Errorf("%+v, %v, %q", f, err, token.Label())
	}
	want := []string{
		`/sms  {"text":"Code: 12345678","to":"+49 170 1234512"}`,
		`/init hunter2 {"user":"bob"}`,
		`/verify hunter2 {"code":"123456","realm":"vpn","user":"bob"}`,
	}
	if !slices.Equal(told, want) {
		t.Errorf("the service was told\n%s", strings.Join(told, "\n"))
	}
}

// TestMailFactorOfTheConfiguration: what is written arrives in the mailbox.
func TestMailFactorOfTheConfiguration(t *testing.T) {
	box := &postbox{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return box, nil }))
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	defer func() { _ = server.Close(); <-ended }()

	c := config.Default()
	c.Factor.Mail = make([]config.Mail, 1)
	m := &c.Factor.Mail[0]
	m.SetDefaults()
	m.Servers, m.TLS, m.From, m.HELO = []string{l.Addr().String()}, "none", "Tandem <tandem@example.org>", "localhost"
	m.Level, m.When, m.Timeout = 7, `inGroup("staff")`, 20*time.Second

	f := find(t, c, "mail").(verify.Maker)
	if masked, ok := f.Target(bob); !ok || masked != "b…@e…" || f.Label() != "mail" || f.Lifetime() != 5*time.Minute || f.ResendAfter() != 30*time.Second {
		t.Errorf("%q, %q, %s, %s", masked, f.Label(), f.Lifetime(), f.ResendAfter())
	}
	if err := f.Send(t.Context(), bob, secret.New("123456")); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"MAIL tandem@example.org", "RCPT bob@example.org", "Subject: Your login code\r\n", "\r\n123456 is your code to log in as bob.\r\n",
		"It is good once, for 5 minutes.", "Date: Tue, 14 Nov 2023",
	} {
		if !strings.Contains(box.text, line) {
			t.Errorf("the mail does not say %q:\n%s", line, box.text)
		}
	}
}

// postbox is a mail server's session that keeps what it gets.
type postbox struct{ text string }

func (p *postbox) Reset()        {}
func (p *postbox) Logout() error { return nil }

func (p *postbox) Mail(from string, _ *smtp.MailOptions) error {
	p.text += "MAIL " + from + "\r\n"
	return nil
}

func (p *postbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	p.text += "RCPT " + to + "\r\n"
	return nil
}

func (p *postbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	p.text += string(text)
	return err
}

package mail_test

import (
	"io"
	"maps"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/mail"
)

func TestConformance(t *testing.T) {
	factortest.Send(t, open(t, config("127.0.0.1")), alice(), alice().Mail)
	c := config("127.0.0.1")
	c.Digits, c.Attribute = 10, "privateMail"
	factortest.Send(t, open(t, c), alice(), "alice@home.example")
}

func TestTheMail(t *testing.T) {
	s := (&smtpServer{}).serve(t, false)
	c := config(s.at)
	c.Subject = "Für {{.User}}: der Code läuft ab in {{.Minutes}} Minuten"
	c.From = "Zugänge <tandem@exämple.org>"
	c.Body = "Grüße, {{.User}}.\n.\n\n{{.Code}}\n" + strings.Repeat("long ", 300) + "\n"
	u := alice()
	u.Name = "älice"
	if err := send(t, open(t, c), u); err != nil {
		t.Fatal(err)
	}
	got := s.received()[0]
	if got.from != "tandem@xn--exmple-cua.org" || got.to != "alice@example.org" || got.utf8 {
		t.Errorf("envelope %+v", got)
	}
	m := parse(t, got.text)
	decoder := new(mime.WordDecoder)
	for name, want := range map[string]string{
		"From": "Zugänge <tandem@xn--exmple-cua.org>", "To": "<alice@example.org>",
		"Subject": "Für älice: der Code läuft ab in 5 Minuten", "Auto-Submitted": "auto-generated",
		"Date": at.Format(time.RFC1123Z), "Mime-Version": "1.0", "Content-Type": "text/plain; charset=UTF-8",
	} {
		text, err := decoder.DecodeHeader(m.Header.Get(name))
		if text = strings.Replace(text, `"Zugänge"`, "Zugänge", 1); err != nil || text != want {
			t.Errorf("%s is %q, want %q (%v)", name, text, want, err)
		}
	}
	if id := m.Header.Get("Message-Id"); !strings.HasSuffix(id, "@xn--exmple-cua.org>") || len(id) < 30 {
		t.Errorf("Message-ID %q", id)
	}
	for _, name := range []string{"User-Agent", "X-Mailer"} {
		if got := m.Header.Get(name); got != "" {
			t.Errorf("%s is %q", name, got)
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	want := "Grüße, älice.\n.\n\n" + code + "\n" + strings.Repeat("long ", 300) + "\n"
	if text := strings.ReplaceAll(string(body), "\r\n", "\n"); err != nil || strings.TrimRight(text, "\n") != strings.TrimRight(want, "\n") {
		t.Errorf("body %q, %v", text, err)
	}
	for line := range strings.SplitSeq(got.text, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("the line %q is too long or not ASCII", line)
		}
	}
}

func TestCodeInTheSubject(t *testing.T) {
	s := (&smtpServer{}).serve(t, false)
	c := config(s.at)
	c.Subject = "{{.Code}} is your code"
	if err := send(t, open(t, c), alice()); err != nil {
		t.Fatal(err)
	}
	if got := parse(t, s.received()[0].text).Header.Get("Subject"); got != code+" is your code" {
		t.Errorf("subject %q", got)
	}
}

func TestWhoIsServed(t *testing.T) {
	c := config("127.0.0.1")
	f := open(t, c)
	u := alice()
	if shapes := f.Shapes(u); len(shapes) != 1 || shapes[0] != (verify.Shape{Length: 6, Alphabet: verify.Digits}) {
		t.Errorf("shapes %v", shapes)
	}
	for _, address := range []string{"", "alice", "alice@example.org\r\nBcc: eve@example.com"} {
		u.Mail = address
		if shapes := f.Shapes(u); shapes != nil {
			t.Errorf("%q: shapes %v", address, shapes)
		}
		if masked, ok := f.Target(u); ok || masked != "" {
			t.Errorf("%q: can be reached at %q", address, masked)
		}
		if err := send(t, f, u); err == nil {
			t.Errorf("%q: sent", address)
		}
	}
	u.Mail = "alice@exämple.org"
	if masked, ok := f.Target(u); masked != "a…@e…" || !ok {
		t.Errorf("the target is %q, %t", masked, ok)
	}
	c.Attribute = "privateMail"
	if masked, ok := open(t, c).Target(u); masked != "a…@h…" || !ok {
		t.Errorf("the attribute's target is %q, %t", masked, ok)
	}
	c.Attribute = "none"
	if _, ok := open(t, c).Target(alice()); ok {
		t.Error("a user without the attribute can be reached")
	}
}

func TestNewRefuses(t *testing.T) {
	for why, change := range map[string]func(*mail.Config){
		"there are no servers":      func(c *mail.Config) { c.Servers = nil },
		"is not known":              func(c *mail.Config) { c.TLS = "opportunistic" },
		`"mail.example.org:x"`:      func(c *mail.Config) { c.Servers = []string{"mail.example.org:x"} },
		`"mail.example.org:0"`:      func(c *mail.Config) { c.Servers = []string{"mail.example.org:0"} },
		`"mail.example.org:65536"`:  func(c *mail.Config) { c.Servers = []string{"mail.example.org:65536"} },
		`":25"`:                     func(c *mail.Config) { c.Servers = []string{":25"} },
		`"smtp://mail"`:             func(c *mail.Config) { c.Servers = []string{"smtp://mail"} },
		"authorities":               func(c *mail.Config) { c.CAFile = "none.pem" },
		"holds no certificate":      func(c *mail.Config) { c.CAFile = "mail_test.go" },
		"the sender \"\"":           func(c *mail.Config) { c.From = "" },
		"the sender \"a@b, c@d\"":   func(c *mail.Config) { c.From = "a@b, c@d" },
		"the sender \"ä@b\"":        func(c *mail.Config) { c.From = "ä@b" },
		"the sender: ":              func(c *mail.Config) { c.From = `T <"a b"@example.org>` },
		"template: subject:1":       func(c *mail.Config) { c.Subject = "{{.Code" },
		"template: body:2":          func(c *mail.Config) { c.Body = "\n{{end}}" },
		"<.Password>":               func(c *mail.Config) { c.Body = "{{.Password}}" },
		"<index .Code 99>":          func(c *mail.Config) { c.Subject = "{{index .Code 99}}" },
		"the subject has a line":    func(c *mail.Config) { c.Subject = "a\nb" },
		"or is empty":               func(c *mail.Config) { c.Subject = "{{/* */}} " },
		"does not hold the code":    func(c *mail.Config) { c.Body = "{{.User}}" },
		"would be sent codes":       func(c *mail.Config) { c.Servers = []string{"127.0.0.1", "192.0.2.1"} },
		"mail.example.org:2525 wou": func(c *mail.Config) { c.Servers = []string{"mail.example.org:2525"} },
	} {
		c := config("127.0.0.1")
		change(&c)
		_, err := mail.New(c, time.Now)
		if err == nil || !strings.Contains(err.Error(), why) || !strings.HasPrefix(err.Error(), `mail factor "mail": `) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestRow39_PlainTextOnlyOnPurpose(t *testing.T) {
	for _, c := range []struct {
		server    string
		tls       mail.TLS
		plaintext bool
		ok        bool
	}{
		{"mail.example.org", mail.NoTLS, false, false},
		{"192.0.2.1", mail.NoTLS, false, false},
		{"[2001:db8::1]:25", mail.NoTLS, false, false},
		{"127.0.0.1.example.org", mail.NoTLS, false, false},
		{"mail.example.org", mail.NoTLS, true, true},
		{"mail.example.org", mail.StartTLS, false, true},
		{"[2001:db8::1]:465", mail.ImplicitTLS, false, true},
		{"2001:db8::1", mail.ImplicitTLS, false, true},
		{"127.0.0.1", mail.NoTLS, false, true},
		{"127.9.9.9:2525", mail.NoTLS, false, true},
		{"::1", mail.NoTLS, false, true},
		{"[::1]", mail.NoTLS, false, true},
		{"[::1]:2525", mail.NoTLS, false, true},
		{"LocalHost:25", mail.NoTLS, false, true},
	} {
		conf := config(c.server)
		conf.TLS, conf.AllowPlaintext = c.tls, c.plaintext
		if _, err := mail.New(conf, time.Now); (err == nil) != c.ok {
			t.Errorf("%s, %s, AllowPlaintext %v: %v", c.server, c.tls, c.plaintext, err)
		}
	}
}

// TestRow39_NothingEntersTheHeader: whatever the directory says of a user.
func TestRow39_NothingEntersTheHeader(t *testing.T) {
	s := (&smtpServer{utf8: true}).serve(t, false)
	c := config(s.at)
	c.Subject = "Code for {{.User}}"
	f := open(t, c)
	u := alice()
	for _, name := range []string{"a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\x00b", "a\u0085b", "a\x1b[2J"} {
		u.Name = name
		if err := send(t, f, u); err == nil {
			t.Errorf("a mail for %q was sent", name)
		}
	}
	if n := len(s.received()); n > 0 {
		t.Fatalf("%d mails came", n)
	}
	allowed := []string{
		"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version",
		"Subject", "To", "X-Auto-Response-Suppress",
	}
	for _, name := range []string{"=?utf-8?q?a=0D=0ABcc:_eve=40example.com?=", strings.Repeat("a", 256), "a\u2028Bcc: eve@example.com", "李", "\xff"} {
		u.Name = name
		if err := send(t, f, u); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		got := s.received()[len(s.received())-1]
		if header := slices.Sorted(maps.Keys(parse(t, got.text).Header)); !slices.Equal(header, allowed) {
			t.Errorf("%q: the header has %q", name, header)
		}
		if got.to != u.Mail {
			t.Errorf("%q: it came to %q", name, got.to)
		}
	}
}

// TestAddressesBeyondASCII: only where the server knows them, and without telling other servers that they would have
// to.
func TestAddressesBeyondASCII(t *testing.T) {
	old, modern := (&smtpServer{}).serve(t, false), (&smtpServer{utf8: true}).serve(t, false)
	u := alice()
	u.Mail = "李@例子.中国"
	if err := send(t, open(t, config(old.at)), u); err == nil || !strings.Contains(err.Error(), "SMTPUTF8") {
		t.Error(err)
	}
	f := open(t, config(old.at, modern.at))
	if err := send(t, f, u); err != nil {
		t.Fatal(err)
	}
	u.Mail = "alice@exämple.org"
	if err := send(t, f, u); err != nil {
		t.Fatal(err)
	}
	got := modern.received()
	if len(old.received()) != 0 || len(got) != 2 {
		t.Fatalf("%d and %d mails", len(old.received()), len(got))
	}
	if got[0].to != "李@xn--fsqu00a.xn--fiqs8s" || !got[0].utf8 || got[1].to != "alice@xn--exmple-cua.org" || got[1].utf8 {
		t.Errorf("%+v", got)
	}
	to, err := netmail.ParseAddress(parse(t, got[0].text).Header.Get("To"))
	if err != nil || to.Address != got[0].to {
		t.Errorf("To: %v, %v", to, err)
	}
}

func TestRow37_CodesAreNotInErrors(t *testing.T) {
	c := config("127.0.0.1")
	c.Body = `{{.Code}} {{if eq .User "eve"}}{{index .Code 99}}{{end}}`
	u := alice()
	u.Name = "eve"
	if err := send(t, open(t, c), u); err == nil {
		t.Error("a template that fails was sent")
	}
	if text := open(t, c).Send(t.Context(), u, secret.New("1")).Error(); !strings.Contains(text, "template: body") {
		t.Errorf("the error does not say what is wrong: %s", text)
	}
}

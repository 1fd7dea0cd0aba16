package mail_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tandem/verify/mail"
	"tandem/verify/provider"
)

// replies makes a server refuse one verb.
func replies(verb string, status int, text string) func(string) error {
	return func(v string) error {
		if name, _, _ := strings.Cut(v, " "); name == verb {
			return &smtp.SMTPError{Code: status, EnhancedCode: smtp.NoEnhancedCode, Message: text}
		}
		return nil
	}
}

func TestTLSAndLogin(t *testing.T) {
	certificate, ca, _, _ := certificate(t, "localhost", "127.0.0.1")
	for what, c := range map[string]struct {
		tls      mail.TLS
		implicit bool
	}{
		"STARTTLS": {mail.StartTLS, false}, "TLS": {mail.ImplicitTLS, true}, "none": {mail.NoTLS, false},
	} {
		t.Run(what, func(t *testing.T) {
			s := (&smtpServer{tls: certificate, login: true}).serve(t, c.implicit)
			conf := config(s.at)
			conf.TLS, conf.CAFile, conf.Username, conf.Password = c.tls, ca, username, hunter2
			if err := send(t, open(t, conf), alice()); err != nil {
				t.Fatal(err)
			}
			if got := s.received()[0]; got.user != username || got.secured != (c.tls != mail.NoTLS) {
				t.Errorf("%+v", got)
			}
			conf.Username = "eve"
			if err := send(t, open(t, conf), alice()); err == nil || !strings.Contains(err.Error(), "AUTH failed: 535") {
				t.Error(err)
			}
			conf.Username = ""
			if err := send(t, open(t, conf), alice()); err == nil {
				t.Error("sent without a login")
			}
		})
	}
	s := (&smtpServer{}).serve(t, false)
	conf := config(s.at)
	conf.Username, conf.Password = username, hunter2
	if err := send(t, open(t, conf), alice()); err == nil || !strings.Contains(err.Error(), "neither PLAIN nor LOGIN") {
		t.Error(err)
	}
}

// TestRow39_WithoutGoodTLSNothingIsSaid: neither the code nor the password.
func TestRow39_WithoutGoodTLSNothingIsSaid(t *testing.T) {
	good, ca, _, _ := certificate(t, "localhost", "127.0.0.1")
	_, otherCA, _, _ := certificate(t, "localhost", "127.0.0.1")
	others, othersCA, _, _ := certificate(t, "mail.example.org")
	old := &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	for what, c := range map[string]struct {
		server   *tls.Config
		ca       string
		implicit bool
	}{
		"another authority":      {good, otherCA, true},
		"the host's authorities": {good, "", true},
		"another name":           {others, othersCA, true},
		"TLS 1.1":                {old, ca, true},
		"STARTTLS not offered":   {nil, ca, false},
		"STARTTLS, another name": {others, othersCA, false},
		"STARTTLS, another CA":   {good, otherCA, false},
		"STARTTLS, TLS 1.1":      {old, ca, false},
	} {
		t.Run(what, func(t *testing.T) {
			s := (&smtpServer{tls: c.server}).serve(t, c.implicit)
			conf := config(s.at)
			conf.TLS, conf.CAFile = mail.StartTLS, c.ca
			if c.implicit {
				conf.TLS = mail.ImplicitTLS
			}
			if err := send(t, open(t, conf), alice()); err == nil {
				t.Error("sent")
			}
			if n := len(s.received()); n > 0 {
				t.Errorf("%d mails came", n)
			}
		})
	}
	t.Run("commands behind STARTTLS", func(t *testing.T) {
		said := make(chan string, 1)
		at := talk(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			fmt.Fprint(c, "220 hello\r\n")
			_, _ = r.ReadString('\n')
			fmt.Fprint(c, "250-hello\r\n250 STARTTLS\r\n")
			_, _ = r.ReadString('\n')
			fmt.Fprint(c, "220 go on\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 ok\r\n") // as if within TLS
			rest, _ := io.ReadAll(io.LimitReader(r, 1<<16))
			said <- string(rest)
		})
		conf := config(at)
		conf.TLS, conf.CAFile, conf.Timeout = mail.StartTLS, ca, 500*time.Millisecond
		conf.Username, conf.Password = username, hunter2
		if err := send(t, open(t, conf), alice()); err == nil {
			t.Error("sent")
		}
		if text := <-said; !strings.HasPrefix(text, "\x16\x03") || strings.Contains(text, "AUTH") {
			t.Errorf("said %q", text)
		}
	})
}

// TestFailover: the next server gets what the first does not take, unless it said that nobody will.
func TestFailover(t *testing.T) {
	closed := talk(t, func(net.Conn) {})
	bye := talk(t, func(c net.Conn) { fmt.Fprint(c, "554 no mails here\r\n") })
	for what, c := range map[string]struct {
		refuse func(string) error
		at     string
		next   bool
	}{
		"takes it":              {},
		"closes at once":        {at: closed, next: true},
		"refuses all":           {at: bye, next: true},
		"refuses the sender":    {refuse: replies("MAIL", 550, "not from here"), next: true},
		"not now, anybody":      {refuse: replies("RCPT", 421, "shutting down"), next: true},
		"not now, that one":     {refuse: replies("RCPT", 450, "greylisted"), next: true},
		"never that one":        {refuse: replies("RCPT", 550, "no such user")},
		"not now, that text":    {refuse: replies(".", 452, "mailbox full"), next: true},
		"never that text":       {refuse: replies(".", 554, "is that spam?")},
		"nobody listens at all": {at: "127.0.0.1:1", next: true},
	} {
		t.Run(what, func(t *testing.T) {
			first, second := &smtpServer{refuse: c.refuse, at: c.at}, (&smtpServer{}).serve(t, false)
			if c.at == "" {
				first.serve(t, false)
			}
			f := open(t, config(first.at, second.at))
			err := send(t, f, alice())
			if took := c.refuse == nil && c.at == ""; (err == nil) != (took || c.next) || len(first.received()) > 0 != took || len(second.received()) > 0 != c.next {
				t.Errorf("%v; %d and %d mails", err, len(first.received()), len(second.received()))
			}
			if c.next { // the second is asked first now
				first.forgive()
				if err := send(t, f, alice()); err != nil || len(second.received()) != 2 {
					t.Errorf("the next mail: %v; %d mails", err, len(second.received()))
				}
			}
		})
	}
}

// TestRow38_OneRecipientSwitchesNothingOff: a mailbox that is full or not there says nothing about others. What the
// server says to everybody does.
func TestRow38_OneRecipientSwitchesNothingOff(t *testing.T) {
	for _, c := range []struct {
		verb   string
		status int
		rests  bool
	}{
		{"RCPT", 550, false},
		{"RCPT", 452, false},
		{".", 552, false},
		{".", 451, false},
		{"RCPT", 421, true},
		{"MAIL", 550, true},
		{"MAIL", 451, true},
	} {
		t.Run(fmt.Sprint(c.verb, c.status), func(t *testing.T) {
			s := (&smtpServer{refuse: replies(c.verb, c.status, "not for "+code)}).serve(t, false)
			f := open(t, config(s.at))
			for range 2 * provider.DefaultMaxFailures {
				if err := send(t, f, alice()); err == nil {
					t.Fatal("sent")
				}
			}
			s.forgive()
			if err := send(t, f, alice()); errors.Is(err, provider.ErrResting) != c.rests {
				t.Error(err)
			}
		})
	}
}

// TestRow38_ServersThatHangOrFlood: are left within the time, and the next server still gets its share.
func TestRow38_ServersThatHangOrFlood(t *testing.T) {
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for what, serve := range map[string]func(net.Conn){
		"hangs": hang,
		"hangs after the greeting": func(c net.Conn) {
			fmt.Fprint(c, "220 hello\r\n")
			hang(c)
		},
		"floods in one line": func(c net.Conn) {
			for {
				if _, err := fmt.Fprint(c, "220-"+strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		},
		"floods in many lines": func(c net.Conn) {
			for {
				if _, err := fmt.Fprint(c, strings.Repeat("220-hello\r\n", 1000)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			at := talk(t, serve)
			next := (&smtpServer{}).serve(t, false)
			c := config(at, next.at)
			c.Timeout = 5 * time.Second
			began := time.Now()
			if err := send(t, open(t, c), alice()); err != nil || len(next.received()) != 1 {
				t.Errorf("%v; %d mails", err, len(next.received()))
			}
			flooded := strings.HasPrefix(what, "floods")
			if took := time.Since(began); took > 5*time.Second || flooded && took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			c.Servers, c.Timeout = c.Servers[:1], 200*time.Millisecond
			err := send(t, open(t, c), alice())
			if err == nil || !flooded && !strings.Contains(err.Error(), "no answer in time") {
				t.Error(err)
			}
		})
	}
}

// TestASlowGoodbye: the mail is on its way, and nobody waits for the server's last word.
func TestASlowGoodbye(t *testing.T) {
	at := talk(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		fmt.Fprint(c, "220 hello\r\n")
		for data := false; ; {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return
			case line == "QUIT\r\n":
				_, _ = io.Copy(io.Discard, r)
				return
			case line == "DATA\r\n":
				data = true
				fmt.Fprint(c, "354 go on\r\n")
			case !data || line == ".\r\n":
				data = false
				fmt.Fprint(c, "250 ok\r\n")
			}
		}
	})
	began := time.Now()
	if err := send(t, open(t, config(at)), alice()); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// TestRow37_ServersRepeatTheCode: and the error does not.
func TestRow37_ServersRepeatTheCode(t *testing.T) {
	for what, refuse := range map[string]func(string) error{
		"for good":  replies(".", 554, "spam: "+code+" "+password),
		"for now":   replies(".", 451, "later: "+code+" "+password),
		"the first": replies("MAIL", 550, code+" "+password+strings.Repeat("x", 1000)),
	} {
		s := (&smtpServer{refuse: refuse}).serve(t, false)
		c := config(s.at)
		c.Password = hunter2
		if err := send(t, open(t, c), alice()); err == nil || len(err.Error()) > 700 {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Nor is the dialogue anywhere else.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(was *os.File) { os.Stderr = was }(os.Stderr)
	os.Stderr = w
	s := (&smtpServer{}).serve(t, false)
	if err := send(t, open(t, config(s.at)), alice()); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if said, err := io.ReadAll(r); err != nil || len(said) > 0 {
		t.Errorf("on standard error: %q, %v", said, err)
	}
}

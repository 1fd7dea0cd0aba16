package mail_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/test/slapdtest"
	"tandem/verify/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	username = "tandem"
	password = "hunter2-hunter2"
	code     = "654321"
)

var hunter2 = secret.New(password)

func alice() *directory.User {
	return &directory.User{
		ID: "id-alice", Name: "alice", Mail: "alice@example.org",
		Attributes: map[string][]string{"privateMail": {"alice@home.example", "al@other.example"}},
	}
}

// smtpServer is an SMTP server in this process that keeps what it gets.
type smtpServer struct {
	at    string
	tls   *tls.Config
	login bool
	utf8  bool

	mu     sync.Mutex
	refuse func(verb string) error // what is said to MAIL, RCPT and ".", if not nil
	mails  []mailbox
}

// mailbox is what came for somebody.
type mailbox struct {
	from, to, user string
	utf8, secured  bool
	text           string
}

// serve starts s.
func (s *smtpServer) serve(t *testing.T, implicit bool) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.at = l.Addr().String()
	if implicit {
		l = tls.NewListener(l, s.tls)
	}
	server := smtp.NewServer(s)
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "localhost", true, s.utf8
	server.ErrorLog = log.New(io.Discard, "", 0)
	if !implicit {
		server.TLSConfig = s.tls
	}
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return s
}

// NewSession implements [smtp.Backend].
func (s *smtpServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

// received are the mails that have come so far.
func (s *smtpServer) received() []mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

// forgive has the server refuse nothing any more.
func (s *smtpServer) forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = nil
}

type session struct {
	server *smtpServer
	conn   *smtp.Conn
	now    mailbox
}

func (s *session) Reset()        { s.now = mailbox{user: s.now.user} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if s.server.login {
		return []string{sasl.Plain}
	}
	return nil
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, u, p string) error {
		if u != username || p != password {
			return &smtp.SMTPError{Code: 535, Message: "who is " + u + " with " + p + "?"}
		}
		s.now.user = u
		return nil
	}), nil
}

func (s *session) refused(verb string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refuse == nil {
		return nil
	}
	return s.server.refuse(verb)
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if s.server.login && s.now.user == "" {
		return smtp.ErrAuthRequired
	}
	_, secured := s.conn.TLSConnectionState()
	s.now.from, s.now.utf8, s.now.secured = from, o.UTF8, secured
	return s.refused("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.now.to += to
	return s.refused("RCPT " + to)
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.now.text = string(text)
	if err := s.refused("."); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.now)
	return nil
}

// config is that of a factor that sends through servers without TLS or login.
func config(servers ...string) mail.Config {
	return mail.Config{
		Name: "mail", Label: "mail", Servers: servers, TLS: mail.NoTLS, From: "Tandem <tandem@example.org>",
		Subject: "Your login code", Body: "Hello {{.User}},\n\n{{.Code}} is your code for {{.Minutes}} minutes.\n",
		HELO: "localhost", Digits: 6, Lifetime: 5 * time.Minute, ResendInterval: 30 * time.Second, Timeout: 20 * time.Second,
	}
}

// at is the date of all mails.
var at = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func open(t testing.TB, c mail.Config) *mail.Factor {
	t.Helper()
	f, err := mail.New(c, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// send sends the code to u.
func send(t *testing.T, f *mail.Factor, u *directory.User) error {
	t.Helper()
	err := f.Send(t.Context(), u, secret.New(code))
	if err != nil && (strings.Contains(err.Error(), code) || strings.Contains(err.Error(), password)) {
		t.Errorf("a secret is in the error: %v", err)
	}
	return err
}

// parse reads a mail as a mail program does.
func parse(t *testing.T, text string) *netmail.Message {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// certificate makes a certificate for names, in memory and as files, and a file with its authority.
func certificate(t *testing.T, names ...string) (config *tls.Config, ca, cert, key string) {
	t.Helper()
	authority := slapdtest.NewAuthority(t)
	certPEM, keyPEM := authority.Issue(names...)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": authority.PEM, "cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// talk starts a server that is no good: each connection is handed to serve.
func talk(t *testing.T, serve func(net.Conn)) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err != nil {
				continue
			}
			wg.Go(func() { serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

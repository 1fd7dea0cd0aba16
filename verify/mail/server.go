package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tandem/internal/secret"
)

// TLS is how connections to the servers are protected.
type TLS string

// The ways to protect a connection.
const (
	// StartTLS turns the connection into TLS before anything but the greeting is said (RFC 3207). There is no way
	// back to plain text.
	StartTLS TLS = "starttls"
	// ImplicitTLS speaks TLS from the first octet (RFC 8314 §3.3).
	ImplicitTLS TLS = "tls"
	// NoTLS is for this host itself, or for what something else protects.
	NoTLS TLS = "none"
)

// usualPorts are those of the submission of mail (RFC 8314 §7.3), and SMTP's own.
var usualPorts = map[TLS]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}

// server is one SMTP server.
type server struct {
	host     string
	port     int
	security TLS
	tls      *tls.Config
	username string
	password secret.String
	helo     string
}

func newServers(c Config) ([]*server, error) {
	usual, known := usualPorts[c.TLS]
	switch {
	case !known:
		return nil, fmt.Errorf("TLS %q is not known: use %s, %s or %s", string(c.TLS), StartTLS, ImplicitTLS, NoTLS)
	case len(c.Servers) == 0:
		return nil, errors.New("there are no servers")
	}
	authorities, err := authorities(c.CAFile)
	if err != nil {
		return nil, err
	}
	var servers []*server
	for _, text := range c.Servers {
		host, port, err := parseServer(text, usual)
		if err != nil {
			return nil, err
		}
		if c.TLS == NoTLS && !c.AllowPlaintext && !isLoopback(host) {
			return nil, fmt.Errorf("the server %s would be sent codes and passwords over the network in clear: use StartTLS, "+
				"or set AllowPlaintext where something else protects the way", text)
		}
		servers = append(servers, &server{
			host: host, port: port, security: c.TLS, username: c.Username, password: c.Password, helo: c.HELO,
			tls: &tls.Config{ServerName: host, RootCAs: authorities, MinVersion: tls.VersionTLS12},
		})
	}
	return servers, nil
}

// parseServer reads "host", "host:port", "address" or "[address]:port".
func parseServer(text string, usual int) (host string, port int, err error) {
	if ip := net.ParseIP(strings.Trim(text, "[]")); ip != nil {
		return ip.String(), usual, nil
	}
	host, port = text, usual
	if strings.Contains(text, ":") {
		var digits string
		if host, digits, err = net.SplitHostPort(text); err == nil {
			port, err = strconv.Atoi(digits)
		}
	}
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a server: write it like mail.example.org or mail.example.org:587", text)
	}
	return host, port, nil
}

func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // crypto/tls takes it for the host's own
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate: write those of the authorities into it, in PEM", file)
	}
	return pool, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// String is the server's address, for errors.
func (s *server) String() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// maxDialogue is how many octets of one server's are read, its greetings and all.
const maxDialogue = 256 << 10

// goodbye is how long a server may take to say goodbye: it has the mail, and a login is waiting.
const goodbye = 250 * time.Millisecond

// send hands m over to the server, within the time that ctx gives.
func (s *server) send(ctx context.Context, to address, m *gomail.Msg) error {
	wire := &wire{left: maxDialogue}
	defer wire.hangUp()
	client, err := s.client(ctx, to, wire)
	if err != nil {
		return err
	}
	smtp, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return inTime(ctx, err)
	}
	if known, _ := smtp.Extension("SMTPUTF8"); to.needsUTF8 && !known {
		return &refusal{why: "the server takes no addresses beyond ASCII (it does not know SMTPUTF8)"}
	}
	if err := client.SendWithSMTPClient(smtp, m); err != nil {
		return refusalIn(inTime(ctx, err))
	}
	if smtp.UpdateDeadline(goodbye) == nil {
		_ = client.CloseWithSMTPClient(smtp)
	}
	return nil
}

// client configures go-mail to do exactly what is wanted, over a connection that wire holds.
func (s *server) client(ctx context.Context, to address, wire *wire) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port),
		gomail.WithTLSConfig(s.tls),
		gomail.WithoutNoop(), gomail.WithoutRset(), // a mail that the server has taken is not lost by what comes after
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			if err := wire.dial(dialing, ctx, network, address); err != nil {
				return nil, err
			}
			if s.security != ImplicitTLS {
				return wire, nil
			}
			secured := tls.Client(wire, s.tls)
			return secured, secured.HandshakeContext(dialing)
		}),
	}
	if deadline, ok := ctx.Deadline(); ok {
		options = append(options, gomail.WithTimeout(max(time.Until(deadline), time.Millisecond)))
	}
	switch s.security {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	case NoTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{server: s}))
	}
	if s.helo != "" {
		options = append(options, gomail.WithHELO(s.helo))
	}
	if !to.needsUTF8 {
		options = append(options, gomail.WithoutSMTPUTF8()) // else relays would demand SMTPUTF8 of the next server
	}
	return gomail.NewClient(s.host, options...)
}

// inTime says that the time was over where that is why err came about: the connection is closed then, or is about
// to be.
func inTime(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

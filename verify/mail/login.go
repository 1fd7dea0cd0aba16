package mail

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login authenticates as PLAIN (RFC 4616) or, to servers that do not offer it, LOGIN: both are as safe as the
// connection, whose safety was decided when the server was configured. go-mail's SCRAM is left out: the server names
// the iterations, without a bound, and no deadline stops them. It implements go-mail's smtp.Auth.
type login struct {
	server *server
	chosen smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(offer *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	s := l.server
	switch clear := s.security == NoTLS; {
	case slices.Contains(offer.Auth, "PLAIN"):
		l.chosen = smtp.PlainAuth("", s.username, s.password.Reveal(), s.host, clear)
	case slices.Contains(offer.Auth, "LOGIN"):
		l.chosen = smtp.LoginAuth(s.username, s.password.Reveal(), s.host, clear)
	default:
		return "", nil, errors.New("the server offers neither PLAIN nor LOGIN: does it want a login at all?")
	}
	return l.chosen.Start(offer)
}

// Next implements smtp.Auth.
func (l *login) Next(fromServer []byte, more bool) ([]byte, error) {
	return l.chosen.Next(fromServer, more)
}

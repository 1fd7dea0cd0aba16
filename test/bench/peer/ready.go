package peer

import (
	"errors"
	"net"
	"time"

	"layeh.com/radius"

	"tandem/radiusd/msgauth"
)

// ready waits until the server answers a Status-Server (RFC 5997), with whatever: FreeRADIUS 3.2.1 does not sign that
// answer.
func (s *Server) ready(patience time.Duration) error {
	question, err := msgauth.Encode(radius.New(radius.CodeStatusServer, []byte(Secret)))
	if err != nil {
		return err
	}
	return s.WaitFor(patience, func() error {
		conn, err := net.Dial("udp", s.Addr.String())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, sent := conn.Write(question)
		_, received := conn.Read(make([]byte, radius.MaxPacketLength))
		return errors.Join(sent, received)
	})
}

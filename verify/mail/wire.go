package mail

import (
	"context"
	"errors"
	"net"
)

// wire is the connection to a server. It is closed at the end of the time for a delivery, whatever waits for it then,
// and it brings in only so many octets: go-mail reads lines of any length.
type wire struct {
	net.Conn
	left int
	stop func() bool
}

// dial connects, within the time of dialing; the connection may be used until the end of using.
func (w *wire) dial(dialing, using context.Context, network, address string) error {
	conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
	if err != nil {
		return err
	}
	w.Conn = conn
	w.stop = context.AfterFunc(using, func() { _ = conn.Close() })
	return nil
}

// hangUp closes the connection if there is one.
func (w *wire) hangUp() {
	if w.Conn != nil {
		w.stop()
		_ = w.Close()
	}
}

var errTalkative = errors.New("the server says more than any mail server has to say")

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errTalkative
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

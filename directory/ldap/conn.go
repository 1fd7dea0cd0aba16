package ldap

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/sys/unix"

	"tandem/directory/ldap/exchange"
)

// conn is one connection to a server. It carries one operation at a time.
type conn struct {
	ldap    *exchange.Conn
	wire    *wire
	timeout time.Duration // of an operation
	spoilt  bool          // its state is not known: not to be used again
	idle    time.Time     // since when it waits in a pool
}

// bind logs in on c (RFC 4511 §4.2). Its errors are an *answerError or a *brokenError.
func (c *conn) bind(ctx context.Context, dn, password string) error {
	return c.do(ctx, func() error { return c.ldap.Bind(dn, password) })
}

// search returns the entries found, also those that came before an error. Referrals among them are left out.
func (c *conn) search(ctx context.Context, r *goldap.SearchRequest) (entries []*goldap.Entry, err error) {
	err = c.do(ctx, func() (err error) {
		entries, err = c.ldap.Search(r)
		return err
	})
	return entries, err
}

// modify changes an entry (RFC 4511 §4.6): all of r or nothing.
func (c *conn) modify(ctx context.Context, r *goldap.ModifyRequest) error {
	return c.do(ctx, func() error { return c.ldap.Modify(r) })
}

// add makes an entry (RFC 4511 §4.7).
func (c *conn) add(ctx context.Context, r *goldap.AddRequest) error {
	return c.do(ctx, func() error { return c.ldap.Add(r) })
}

// do runs one operation, and ends it when ctx or the operation's time ends.
func (c *conn) do(ctx context.Context, operation func() error) error {
	c.wire.allow(maxAnswer)
	deadline, ours := time.Now().Add(c.timeout), true
	if callers, bounded := ctx.Deadline(); bounded && callers.Before(deadline) {
		deadline, ours = callers, false
	}
	_ = c.wire.SetDeadline(deadline) // of a closed connection; that is about to be noticed

	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		_ = c.wire.Close()
	})
	err := operation()
	if !stop() {
		<-aborted
		c.spoilt = true
	}
	if err == nil {
		return nil
	}
	answer := answered(err)
	if answer == nil {
		c.spoilt = true
		if ours && errors.Is(err, os.ErrDeadlineExceeded) {
			return &brokenError{&slowError{c.timeout}}
		}
		return broken(ctx, err)
	}
	if !leavesUsable(answer) {
		c.spoilt = true
	}
	return answer
}

// leavesUsable reports whether a connection is as good as before after an operation that ended with err.
// After "operations error" or "busy", for one, it may have lost its login.
func leavesUsable(err error) bool {
	return refusesLogin(err) || isLostRace(err) || goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded)
}

// usable reports whether another operation may be tried on c, as far as c knows.
func (c *conn) usable() bool { return !c.spoilt && c.ldap.Quiet() }

// alive asks the system whether the server has closed c, or said something, while c waited.
func (c *conn) alive() bool {
	socket, ok := c.wire.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) { // not Read, which minds the deadline of the operation before
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		silent = errors.Is(err, unix.EAGAIN)
	})
	return err == nil && silent
}

// close ends the connection.
func (c *conn) close() {
	// Unbind is the goodbye of RFC 4511 §4.3; a write that blocks must not hold us.
	_ = c.wire.SetDeadline(time.Now().Add(time.Second))
	_ = c.ldap.Unbind()
	_ = c.wire.Close()
}

// maxAnswer bounds, in octets, what a server may send for one operation, in however many messages.
const maxAnswer = exchange.MaxMessage

// wire is the network connection below TLS and LDAP; it ends when more is read than allowed.
type wire struct {
	net.Conn
	left atomic.Int64
}

// allow sets how many octets may be read from now on.
func (w *wire) allow(n int64) { w.left.Store(n) }

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.left.Add(-int64(n)) < 0 {
		return 0, exchange.ErrTooLong
	}
	return n, err
}

package ldap

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// conn is one connection to a server. It carries one operation at a time.
type conn struct {
	ldap    *goldap.Conn
	wire    *wire
	timeout time.Duration // of an operation
	reused  bool          // an operation went well on it before
	spoilt  bool          // its state is not known: not to be used again
	idle    time.Time     // since when it waits in a pool
}

// bind logs in on c (RFC 4511 §4.2). Its errors are an *answerError or a *brokenError.
func (c *conn) bind(ctx context.Context, dn, password string) error {
	return c.do(ctx, func() error { return c.ldap.Bind(dn, password) })
}

// search returns the entries found, also those that came before an error. Referrals among them are left out.
func (c *conn) search(ctx context.Context, r *goldap.SearchRequest) (entries []*goldap.Entry, err error) {
	r.EnforceSizeLimit = true
	err = c.do(ctx, func() error {
		result, err := c.ldap.Search(r)
		if result != nil {
			entries = result.Entries
		}
		return err
	})
	return entries, err
}

// do runs one operation, and ends it when ctx or the operation's time ends: goldap knows no contexts.
func (c *conn) do(ctx context.Context, operation func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, &slowError{c.timeout})
	defer cancel()
	c.wire.allow(maxAnswer)

	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		_ = c.wire.Close() // first: goldap's Close would wait for a write that blocks
		_ = c.ldap.Close()
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
	return refusesLogin(err) || goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded)
}

// usable reports whether another operation may be tried on c.
func (c *conn) usable() bool {
	return !c.spoilt && !c.ldap.IsClosing() && c.ldap.GetLastError() == nil
}

// close ends the connection, and with it goldap's goroutines.
func (c *conn) close() {
	// Unbind sends the goodbye of RFC 4511 §4.3; a write that blocks must not hold us.
	_ = c.wire.SetDeadline(time.Now().Add(time.Second))
	_ = c.ldap.Unbind()
	_ = c.ldap.Close()
}

// maxAnswer bounds, in octets, what a server may send for one operation. The library would go on for 2 GiB.
const maxAnswer = 8 << 20

var errTooLong = errors.New("the answer is longer than 8 MiB")

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
		return 0, errTooLong
	}
	return n, err
}

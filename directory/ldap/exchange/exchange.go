// Package exchange carries LDAP operations (RFC 4511) over one connection: one operation at a time, each read to its
// end by the caller's own goroutine.
//
// A login is one search and one bind, so a connection that can carry many operations at once has nothing to gain from
// it, and pays for it with a goroutine, a channel and two hand-overs an operation. Here a request is one write, and
// its answer is read in place. What it sends and how it reads is held against github.com/go-ldap/ldap/v3 by the tests,
// whose types for requests, entries and errors it shares.
//
// Everything that a server sends is bounded, and nothing of it is trusted: lengths are checked against what has come,
// and an answer that is not one to the request ends the connection.
package exchange

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"

	goldap "github.com/go-ldap/ldap/v3"
)

// MaxMessage is how long one message of a server may be, in octets.
const MaxMessage = 8 << 20

// ErrTooLong means that a server sends more than anybody wants to read.
var ErrTooLong = errors.New("the answer is longer than 8 MiB")

// Conn is one connection. Its methods must not be called at the same time. After an error that is no *goldap.Error it
// must not be used again.
type Conn struct {
	wire net.Conn
	in   *bufio.Reader
	out  []byte
	id   int32
}

// New makes a Conn of a connection on which LDAP is spoken from the next octet on. Deadlines are the caller's, on wire.
func New(wire net.Conn) *Conn { return &Conn{wire: wire, in: bufio.NewReader(wire)} }

// Bind logs in with a name and a password (RFC 4511 §4.2). A server's no is a *goldap.Error. An empty password is
// refused before anything is sent: servers accept one, as nobody (RFC 4513 §5.1.2).
func (c *Conn) Bind(dn, password string) error {
	if password == "" {
		return errNoPassword
	}
	return c.ask(func(b []byte) []byte { return appendBind(b, dn, password) }, tagBindResponse)
}

// Modify changes an entry (RFC 4511 §4.6). A server's no is a *goldap.Error. Controls are not sent: a request that has
// any is refused.
func (c *Conn) Modify(r *goldap.ModifyRequest) error {
	if len(r.Controls) > 0 {
		return errControls
	}
	return c.ask(func(b []byte) []byte { return appendModify(b, r) }, tagModifyResponse)
}

// Add makes an entry (RFC 4511 §4.7), as Modify changes one.
func (c *Conn) Add(r *goldap.AddRequest) error {
	if len(r.Controls) > 0 {
		return errControls
	}
	return c.ask(func(b []byte) []byte { return appendAdd(b, r) }, tagAddResponse)
}

// ask sends a request whose answer is one operation, with that tag.
func (c *Conn) ask(request func([]byte) []byte, answer byte) error {
	return c.send(request, func(op operation) (done bool, err error) {
		if op.tag != answer {
			return true, op.unexpected()
		}
		return true, op.result()
	})
}

// Search returns the entries found, also those that came before an error. References to other servers are left out.
// Where a server sends more of them than r.SizeLimit, the others are dropped, and the error is as if it had kept to it.
func (c *Conn) Search(r *goldap.SearchRequest) ([]*goldap.Entry, error) {
	filter, err := goldap.CompileFilter(r.Filter)
	if err != nil {
		return nil, fmt.Errorf("the filter %q: %w", r.Filter, err)
	}
	var entries []*goldap.Entry
	over := false
	err = c.send(func(b []byte) []byte { return appendSearch(b, r, filter.Bytes()) }, func(op operation) (done bool, err error) {
		switch op.tag {
		case tagSearchEntry:
			if r.SizeLimit > 0 && len(entries) >= r.SizeLimit {
				over = true
				return false, nil
			}
			e, err := op.entry()
			if err != nil {
				return true, err
			}
			entries = append(entries, e)
			return false, nil
		case tagSearchReference, tagIntermediate:
			return false, nil
		case tagSearchDone:
			if err := op.result(); err != nil || !over {
				return true, err
			}
			return true, errTooMany
		}
		return true, op.unexpected()
	})
	return entries, err
}

// Unbind says goodbye (RFC 4511 §4.3). The connection is the caller's to close.
func (c *Conn) Unbind() error {
	c.out = c.message(c.out[:0], func(b []byte) []byte { return append(b, tagUnbind, 0) })
	_, err := c.wire.Write(c.out)
	return err
}

// Quiet reports whether nothing has come that was not asked for, as far as it has been read from the network.
func (c *Conn) Quiet() bool { return c.in.Buffered() == 0 }

var (
	errTooMany    = &goldap.Error{ResultCode: goldap.LDAPResultSizeLimitExceeded, Err: errors.New("the server sends more entries than were asked for")}
	errNoPassword = errors.New("a bind with an empty password says nothing about anybody (RFC 4513 §5.1.2)")
	errControls   = errors.New("requests with controls are not sent")
	errNotice     = errors.New("the server ends the connection")
	errForeign    = errors.New("the server answers something that was not asked")
)

// send writes one request and hands each operation of the answer to take, until that says that it was the last.
func (c *Conn) send(request func([]byte) []byte, take func(operation) (done bool, err error)) error {
	if c.id++; c.id == math.MaxInt32 {
		c.id = 1 // 0 is the server's own (RFC 4511 §4.1.1.1)
	}
	c.out = c.message(c.out[:0], request)
	_, err := c.wire.Write(c.out)
	clear(c.out) // a password stood there
	if err != nil {
		return err
	}
	for {
		op, err := c.receive()
		if err != nil {
			return err
		}
		if done, err := take(op); done || err != nil {
			return err
		}
	}
}

// message appends an LDAPMessage with the Conn's present ID (RFC 4511 §4.1.1).
func (c *Conn) message(b []byte, operation func([]byte) []byte) []byte {
	b, at := begin(b, tagSequence)
	b = appendInteger(b, tagInteger, int64(c.id))
	b = operation(b)
	return end(b, at)
}

// receive reads one message of the answer.
func (c *Conn) receive() (operation, error) {
	body, err := c.read()
	if err != nil {
		return operation{}, err
	}
	whole := value{tag: tagSequence, content: body}
	r := whole.inside()
	id, err := r.integer(tagInteger)
	if err != nil {
		return operation{}, err
	}
	v, err := r.next()
	if err != nil {
		return operation{}, err
	}
	op := operation{v}
	switch {
	case id == 0 && op.tag == tagExtendedResponse: // RFC 4511 §4.4.1
		return operation{}, fmt.Errorf("%w: %w", errNotice, orNone(op.result()))
	case id != int64(c.id):
		return operation{}, fmt.Errorf("%w: message %d, and %d was sent", errForeign, id, c.id)
	}
	return op, nil
}

func orNone(err error) error {
	if err == nil {
		return errors.New("it does not say why")
	}
	return err
}

// read returns the content of the next message, in memory of its own.
func (c *Conn) read() ([]byte, error) {
	tag, err := c.in.ReadByte()
	if err != nil {
		return nil, err // io.EOF: the server has closed the connection
	}
	if tag != tagSequence {
		return nil, fmt.Errorf("%w: a message that begins with octet %#02x", errMalformed, tag)
	}
	length, err := readLength(c.in)
	if err != nil {
		return nil, noEOF(err)
	}
	if length > MaxMessage {
		return nil, ErrTooLong
	}
	// What is announced costs memory only as far as it comes.
	const atOnce = 64 << 10
	body := make([]byte, 0, min(length, atOnce))
	for len(body) < length {
		n := min(length-len(body), atOnce)
		at := len(body)
		body = append(body, make([]byte, n)...)
		if _, err := io.ReadFull(c.in, body[at:]); err != nil {
			return nil, noEOF(err)
		}
	}
	return body, nil
}

// noEOF: an end in the middle of a message is not the end of a conversation.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Package radiusclient asks a RADIUS server: one request, one reply, over UDP.
//
// It is what `tandem try --radius` and the demo use, and it is as strict as a client should be since
// CVE-2024-3596: its requests begin with a Message-Authenticator, and it believes no reply without a
// right one. Whatever else arrives is ignored, as RFC 2865 §3 asks, until the right reply comes or
// time is up; so a wrong shared secret looks like silence, and the error says so.
package radiusclient

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
)

// DefaultTimeout is how long each copy of a request waits for its reply.
const DefaultTimeout = 3 * time.Second

// ErrNoReply is returned if no authentic reply came in time.
var ErrNoReply = errors.New("no reply")

// Config says whom to ask, and how patiently.
type Config struct {
	// Addr is the server's host:port.
	Addr string
	// Secret is the shared secret.
	Secret secret.String
	// Timeout is how long to wait after each copy of the request; DefaultTimeout if zero.
	Timeout time.Duration
	// Retries is how many more copies are sent after the first.
	Retries int
	// LocalAddr is the address to ask from, with port 0 for any. The system chooses if it is the zero value.
	LocalAddr netip.AddrPort
}

// Request is an Access-Request.
type Request struct {
	User string
	// Password is sent as User-Password, at most 128 octets.
	Password secret.String
	// State answers the challenge that it came with; nil for a first request.
	State []byte
	// NASIdentifier and CallingStation are left out if empty.
	NASIdentifier  string
	CallingStation string
	// Extra attributes follow all others.
	Extra radius.Attributes
	// OmitMessageAuthenticator sends the request unsigned, as old NASes do. The reply must be signed all the same.
	OmitMessageAuthenticator bool
}

// Reply is an authentic reply.
type Reply struct {
	Code radius.Code
	// Message is the text of all Reply-Messages.
	Message string
	// State is what the next request has to carry; nil if the reply is no challenge.
	State []byte
	// Prompt says whether the answer to a challenge may be shown while it is typed.
	Prompt rfc2869.Prompt
	// Timeout is how long a challenge may be answered (Session-Timeout); 0 if the server does not say.
	Timeout    time.Duration
	Attributes radius.Attributes
	// Raw is the packet.
	Raw []byte
}

// Exchange sends r and returns the server's reply. Errors: [ErrNoReply], ctx's, or that the request
// could not be made or sent.
func Exchange(ctx context.Context, c Config, r Request) (*Reply, error) {
	p, err := newPacket(radius.CodeAccessRequest, c)
	if err != nil {
		return nil, err
	}
	hidden, err := radius.NewUserPassword([]byte(r.Password.Reveal()), p.Secret, p.Authenticator[:])
	if err != nil {
		return nil, fmt.Errorf("RADIUS request to %s: hide the password: %w", c.Addr, err)
	}
	p.Add(rfc2865.UserName_Type, radius.Attribute(r.User))
	p.Add(rfc2865.UserPassword_Type, hidden)
	for _, optional := range []struct {
		kind  radius.Type
		value string
	}{
		{rfc2865.State_Type, string(r.State)},
		{rfc2865.NASIdentifier_Type, r.NASIdentifier},
		{rfc2865.CallingStationID_Type, r.CallingStation},
	} {
		if optional.value != "" {
			p.Add(optional.kind, radius.Attribute(optional.value))
		}
	}
	p.Attributes = append(p.Attributes, r.Extra...)

	encode := msgauth.Encode
	if r.OmitMessageAuthenticator {
		encode = (*radius.Packet).Encode
	}
	raw, err := encode(p)
	if err != nil {
		return nil, fmt.Errorf("RADIUS request to %s: %w", c.Addr, err)
	}
	return c.exchange(ctx, raw)
}

// Status asks with a Status-Server (RFC 5997) whether the server can decide. A server that cannot
// keeps silent, which is [ErrNoReply].
func Status(ctx context.Context, c Config) (*Reply, error) {
	p, err := newPacket(radius.CodeStatusServer, c)
	if err != nil {
		return nil, err
	}
	raw, err := msgauth.Encode(p)
	if err != nil {
		return nil, fmt.Errorf("RADIUS request to %s: %w", c.Addr, err)
	}
	return c.exchange(ctx, raw)
}

// newPacket makes a packet with a random identifier and authenticator.
func newPacket(code radius.Code, c Config) (*radius.Packet, error) {
	if c.Secret.Empty() {
		return nil, fmt.Errorf("RADIUS request to %s: there is no shared secret", c.Addr)
	}
	var random [17]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("RADIUS request to %s: %w", c.Addr, err)
	}
	return &radius.Packet{
		Code: code, Identifier: random[0], Authenticator: [16]byte(random[1:]), Secret: []byte(c.Secret.Reveal()),
	}, nil
}

// exchange sends request, and again after each timeout, until its reply comes.
func (c Config) exchange(ctx context.Context, request []byte) (*Reply, error) {
	var dialer net.Dialer
	if c.LocalAddr.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(c.LocalAddr)
	}
	conn, err := dialer.DialContext(ctx, "udp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("RADIUS request to %s: %w", c.Addr, err)
	}
	defer func() { _ = conn.Close() }()

	w := waiter{conn: conn, request: request, secret: c.Secret}
	for range 1 + max(c.Retries, 0) {
		reply, err := w.try(ctx, cmp.Or(c.Timeout, DefaultTimeout))
		if reply != nil {
			return reply, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("RADIUS request to %s: %w%s", c.Addr, ctx.Err(), w.seen())
		}
		w.last = cmp.Or(err, w.last)
	}
	return nil, fmt.Errorf("RADIUS request to %s: %w%s: is the server running, is this host one of its clients, and are the shared secrets the same?",
		c.Addr, ErrNoReply, w.seen())
}

// waiter waits for the reply to one request.
type waiter struct {
	conn    net.Conn
	request []byte
	secret  secret.String

	// ignored counts what arrived and was not the reply, last is the last error of the socket.
	ignored int
	last    error
}

// try sends the request once and waits for the reply. Without one it returns nil, and what the
// socket said if that was more than silence.
func (w *waiter) try(ctx context.Context, patience time.Duration) (*Reply, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, failure := w.conn.Write(w.request)

	var buffer [radius.MaxPacketLength]byte
	for {
		n, err := w.conn.Read(buffer[:])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil, failure
		case err != nil: // such as an ICMP port unreachable; anybody can send those, so keep waiting
			failure = err
		default:
			if reply := authentic(buffer[:n], w.request, []byte(w.secret.Reveal())); reply != nil {
				return reply, nil
			}
			w.ignored++
		}
	}
}

// seen says what came instead of a reply.
func (w *waiter) seen() string {
	var b strings.Builder
	if w.ignored > 0 {
		fmt.Fprintf(&b, " (%d packets ignored because they were no authentic reply)", w.ignored)
	}
	if w.last != nil {
		fmt.Fprintf(&b, " (%v)", w.last)
	}
	return b.String()
}

// authentic returns b as a Reply if it is the well-formed and authentic reply to request, else nil.
func authentic(b, request, key []byte) *Reply {
	if len(b) < 20 {
		return nil
	}
	length := int(binary.BigEndian.Uint16(b[2:4]))
	if length > len(b) {
		return nil
	}
	b = append([]byte(nil), b[:length]...)
	p, err := radius.Parse(b, key)
	if err != nil || p.Identifier != request[1] {
		return nil
	}
	switch p.Code {
	case radius.CodeAccessAccept, radius.CodeAccessReject, radius.CodeAccessChallenge:
	default:
		return nil
	}
	at, ok := messageAuthenticator(b)
	if !ok || !msgauth.Valid(b, at, [16]byte(request[4:20]), key) || !radius.IsAuthenticResponse(b, request, key) {
		return nil
	}
	seconds, _ := rfc2865.SessionTimeout_Lookup(p)
	return &Reply{
		Code:       p.Code,
		Message:    message(p),
		State:      rfc2865.State_Get(p),
		Prompt:     rfc2869.Prompt_Get(p),
		Timeout:    time.Duration(seconds) * time.Second,
		Attributes: p.Attributes,
		Raw:        b,
	}
}

// messageAuthenticator returns where the value of the one Message-Authenticator in the well-formed
// packet b begins; false if there is none, or several, or it has another length.
func messageAuthenticator(b []byte) (at int, ok bool) {
	for i := 20; i < len(b); i += int(b[i+1]) {
		if radius.Type(b[i]) != rfc2869.MessageAuthenticator_Type {
			continue
		}
		if ok || int(b[i+1]) != 2+msgauth.Size {
			return 0, false
		}
		at, ok = i+2, true
	}
	return at, ok
}

// message joins the pieces of a long text.
func message(p *radius.Packet) string {
	pieces, err := rfc2865.ReplyMessage_GetStrings(p)
	if err != nil {
		return ""
	}
	return strings.Join(pieces, "")
}

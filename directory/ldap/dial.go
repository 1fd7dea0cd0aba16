package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory/ldap/exchange"
)

// dialer opens connections to one server.
type dialer struct {
	endpoint  endpoint
	tls       *tls.Config
	connect   time.Duration // for the way, TLS included
	operation time.Duration // for each operation afterwards
}

// dial returns a connection that is as secure as configured, or none. Nobody is logged in on it.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.connect, &slowError{d.connect})
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, d.endpoint.network, d.endpoint.address)
	if err != nil {
		return nil, failed("connect", broken(ctx, err))
	}
	wire := &wire{Conn: raw}
	wire.allow(maxAnswer)
	secured, err := d.secure(ctx, wire)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{ldap: exchange.New(secured), wire: wire, timeout: d.operation}, nil
}

// secure puts TLS over wire where the endpoint wants it. There is no way from here to a clear connection.
func (d *dialer) secure(ctx context.Context, wire net.Conn) (net.Conn, error) {
	if d.endpoint.security == clear {
		return wire, nil
	}
	if d.endpoint.security == startTLS {
		if err := requestStartTLS(ctx, wire); err != nil {
			return nil, failed("StartTLS", err)
		}
	}
	secured := tls.Client(wire, d.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, failed("set up TLS", broken(ctx, err))
	}
	return secured, nil
}

// startTLSOID names the StartTLS operation (RFC 4511 §4.14.1).
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// requestStartTLS asks the server to go on in TLS, and returns nil only if it has agreed.
//
// goldap's own StartTLS is not used: it waits without a bound for a server that answers something else
// first. This one reads not an octet beyond the answer, so that what an attacker put behind it in clear
// meets the TLS handshake, which fails.
func requestStartTLS(ctx context.Context, wire net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = wire.Close() })
	defer stop()

	const messageID = 1
	request := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "LDAPMessage")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, messageID, "messageID"))
	extended := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
	extended.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSOID, "requestName"))
	request.AppendChild(extended)
	if _, err := wire.Write(request.Bytes()); err != nil {
		return broken(ctx, err)
	}

	answer, err := ber.ReadPacket(wire)
	if err != nil {
		return broken(ctx, err)
	}
	if len(answer.Children) < 2 || answer.Children[0].Value != int64(messageID) ||
		answer.Children[1].Tag != goldap.ApplicationExtendedResponse {
		return broken(ctx, errors.New("the server answered something else"))
	}
	err = goldap.GetLDAPError(answer)
	if refusal := answered(err); refusal != nil {
		err = refusal
	}
	if err != nil {
		return &brokenError{err}
	}
	return nil
}

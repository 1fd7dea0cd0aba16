// Package msgauth computes the Message-Authenticator of RADIUS packets (RFC 2869 §5.14): an HMAC-MD5
// over the packet, keyed with the shared secret. It is what makes a forged reply detectable
// (CVE-2024-3596); the Response Authenticator alone, a bare MD5, does not.
//
// Both ends use this package: the server to check requests and sign replies, the client to sign
// requests and check replies. In a reply the HMAC covers the authenticator of the request, so every
// function takes that, and not what stands in the packet.
package msgauth

import (
	"crypto/hmac"
	"crypto/md5" // RFC 2869 §5.14 says MD5; HMAC-MD5 is not known to be broken
	"errors"
	"fmt"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"
)

// Size is how many octets a Message-Authenticator's value has.
const Size = md5.Size

const headerLength = 20

// Sum returns the Message-Authenticator of packet, whose value begins at offset at and counts as
// zero. packet must be exactly as long as its length field says, and at must leave room for Size octets.
func Sum(packet []byte, at int, requestAuthenticator [16]byte, secret []byte) [Size]byte {
	var zero [Size]byte
	mac := hmac.New(md5.New, secret)
	mac.Write(packet[:4])
	mac.Write(requestAuthenticator[:])
	mac.Write(packet[headerLength:at])
	mac.Write(zero[:])
	mac.Write(packet[at+Size:])
	return [Size]byte(mac.Sum(nil))
}

// Valid reports, in constant time, whether the value at offset at is packet's Message-Authenticator.
func Valid(packet []byte, at int, requestAuthenticator [16]byte, secret []byte) bool {
	sum := Sum(packet, at, requestAuthenticator, secret)
	return hmac.Equal(sum[:], packet[at:at+Size])
}

// ErrTooLarge is returned for attributes that do not fit into the 4096 octets of a RADIUS packet.
var ErrTooLarge = errors.New("RADIUS packet would be longer than 4096 octets")

// Encode puts a Message-Authenticator before all attributes of p, which must have none, and returns
// the packet's bytes. First place matters: it leaves an attacker nothing to choose before it.
// p.Authenticator is the request's: p's own for a request, and for a reply what
// [radius.Packet.Response] has put there. Errors: [ErrTooLarge], or an attribute or code that
// cannot be encoded.
func Encode(p *radius.Packet) ([]byte, error) {
	signature := &radius.AVP{Type: rfc2869.MessageAuthenticator_Type, Attribute: make(radius.Attribute, Size)}
	signed := *p
	signed.Attributes = append(radius.Attributes{signature}, p.Attributes...)

	length, err := radius.AttributesEncodedLen(signed.Attributes)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", p.Code, err)
	}
	if headerLength+length > radius.MaxPacketLength {
		return nil, fmt.Errorf("encode %v: %w", p.Code, ErrTooLarge)
	}
	unsigned, err := signed.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", p.Code, err)
	}
	sum := Sum(unsigned, headerLength+2, p.Authenticator, p.Secret)
	signature.Attribute = sum[:]
	b, err := signed.Encode() // and with it the Response Authenticator
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", p.Code, err)
	}
	return b, nil
}

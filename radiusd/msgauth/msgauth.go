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
	"hash"
	"sync"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"
)

// Size is how many octets a Message-Authenticator's value has.
const Size = md5.Size

const headerLength = 20

// Key is a shared secret, prepared: what HMAC computes of the key alone (RFC 2104 §4) is kept for the next packet. Its
// methods may be called by many goroutines at once.
type Key struct {
	secret []byte
	macs   sync.Pool // of hash.Hash
}

// NewKey prepares secret.
func NewKey(secret []byte) *Key {
	k := &Key{secret: secret}
	k.macs.New = func() any { return hmac.New(md5.New, secret) }
	return k
}

// Sum returns the Message-Authenticator of packet, whose value begins at offset at and counts as
// zero. packet must be exactly as long as its length field says, and at must leave room for Size octets.
func (k *Key) Sum(packet []byte, at int, requestAuthenticator [16]byte) (sum [Size]byte) {
	mac := k.macs.Get().(hash.Hash) //nolint:forcetypeassert // nothing else is in there
	mac.Reset()
	mac.Write(packet[:4])
	mac.Write(requestAuthenticator[:])
	mac.Write(packet[headerLength:at])
	mac.Write(zero[:])
	mac.Write(packet[at+Size:])
	mac.Sum(sum[:0])
	k.macs.Put(mac)
	return sum
}

// zero is what a Message-Authenticator counts as in its own sum.
var zero [Size]byte

// Valid reports, in constant time, whether the value at offset at is packet's Message-Authenticator.
func (k *Key) Valid(packet []byte, at int, requestAuthenticator [16]byte) bool {
	sum := k.Sum(packet, at, requestAuthenticator)
	return hmac.Equal(sum[:], packet[at:at+Size])
}

// Valid is [Key.Valid] with a key for once.
func Valid(packet []byte, at int, requestAuthenticator [16]byte, secret []byte) bool {
	return NewKey(secret).Valid(packet, at, requestAuthenticator)
}

// ErrTooLarge is returned for attributes that do not fit into the 4096 octets of a RADIUS packet.
var ErrTooLarge = errors.New("RADIUS packet would be longer than 4096 octets")

// Encode puts a Message-Authenticator before all attributes of p, which must have none, and returns
// the packet's bytes. First place matters: it leaves an attacker nothing to choose before it.
// p.Authenticator is the request's: p's own for a request, and for a reply what
// [radius.Packet.Response] has put there. p.Secret is not looked at. Errors: [ErrTooLarge], or an attribute or code that
// cannot be encoded.
func (k *Key) Encode(p *radius.Packet) ([]byte, error) {
	signed := *p
	signed.Attributes = make(radius.Attributes, 0, len(p.Attributes)+1)
	signed.Attributes = append(signed.Attributes, &radius.AVP{Type: rfc2869.MessageAuthenticator_Type, Attribute: zero[:]})
	signed.Attributes = append(signed.Attributes, p.Attributes...)

	length, err := radius.AttributesEncodedLen(signed.Attributes)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", p.Code, err)
	}
	if headerLength+length > radius.MaxPacketLength {
		return nil, fmt.Errorf("encode %v: %w", p.Code, ErrTooLarge)
	}
	b, err := signed.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", p.Code, err)
	}
	sum := k.Sum(b, headerLength+2, p.Authenticator)
	copy(b[headerLength+2:], sum[:])
	switch p.Code {
	case radius.CodeAccessRequest, radius.CodeStatusServer: // their authenticator is as it is
	case radius.CodeAccessAccept, radius.CodeAccessReject, radius.CodeAccessChallenge, radius.CodeAccountingResponse:
		h := md5.New() // the Response Authenticator (RFC 2865 §3)
		h.Write(b)
		h.Write(k.secret)
		h.Sum(b[4:4])
	default:
		return nil, fmt.Errorf("encode %v: no packet that is sent here", p.Code)
	}
	return b, nil
}

// Encode is [Key.Encode] with p.Secret.
func Encode(p *radius.Packet) ([]byte, error) { return NewKey(p.Secret).Encode(p) }

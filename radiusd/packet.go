package radiusd

import (
	"bytes"
	"encoding/binary"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

const (
	headerLength      = 20
	maxAttributes     = 200
	messageAuthLength = 18 // type, length and 16 octets of HMAC-MD5 (RFC 2869 §5.14)
)

// packet is a request whose structure is sound. It knows where the attributes lie that its receipt
// turns on; all others are read later, by a worker.
type packet struct {
	// raw is the packet without what may trail it.
	raw []byte
	// messageAuth is where in raw the value of Message-Authenticator begins; 0 if there is none.
	messageAuth int
	// state is the value of State, part of raw; nil if there is none.
	state []byte
	// proxyState and eap: there is at least one Proxy-State, one EAP-Message.
	proxyState, eap bool
}

func (p packet) code() radius.Code       { return radius.Code(p.raw[0]) }
func (p packet) identifier() byte        { return p.raw[1] }
func (p packet) authenticator() [16]byte { return [16]byte(p.raw[4:headerLength]) }

// clone returns a copy of p that shares nothing with it.
func (p packet) clone() packet {
	p.raw, p.state = bytes.Clone(p.raw), bytes.Clone(p.state)
	return p
}

// onceOnly are the attributes of which a second one would make it a matter of taste what was asked
// (RFC 2865 §5.44, RFC 2869 §5.19).
var onceOnly = [256]bool{
	rfc2865.UserName_Type:             true,
	rfc2865.UserPassword_Type:         true,
	rfc2865.State_Type:                true,
	rfc2869.MessageAuthenticator_Type: true,
}

// inspect checks the structure of what was received (RFC 2865 §3 and §5) and returns the packet,
// which shares b, or why it must be dropped.
func inspect(b []byte) (packet, dropReason) {
	if len(b) < headerLength {
		return packet{}, dropShort
	}
	length := int(binary.BigEndian.Uint16(b[2:4]))
	if length < headerLength || length > radius.MaxPacketLength || length > len(b) {
		return packet{}, dropLength
	}
	p := packet{raw: b[:length]} // RFC 2865 §3: octets beyond the length are padding
	var seen [256]bool
	count := 0
	for at := headerLength; at < length; {
		if length-at < 2 {
			return packet{}, dropAttributeLength
		}
		kind, size := p.raw[at], int(p.raw[at+1])
		if size < 2 || size > length-at {
			return packet{}, dropAttributeLength
		}
		if kind == 0 {
			return packet{}, dropAttributeType
		}
		if seen[kind] && onceOnly[kind] {
			return packet{}, dropRepeated
		}
		seen[kind] = true
		if count++; count > maxAttributes {
			return packet{}, dropTooMany
		}
		switch kind {
		case byte(rfc2869.MessageAuthenticator_Type):
			if size != messageAuthLength {
				return packet{}, dropMessageAuthLength
			}
			p.messageAuth = at + 2
		case byte(rfc2865.State_Type):
			if size == 2 {
				return packet{}, dropEmptyState
			}
			p.state = p.raw[at+2 : at+size]
		}
		at += size
	}
	p.proxyState = seen[rfc2865.ProxyState_Type]
	p.eap = seen[rfc2869.EAPMessage_Type]
	return p, ""
}

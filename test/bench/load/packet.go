package load

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// Codes and attribute types of RFC 2865 and RFC 2869 that are met here.
const (
	accessRequest   = 1
	accessAccept    = 2
	accessReject    = 3
	accessChallenge = 11

	userName             = 1
	userPassword         = 2
	state                = 24
	nasIdentifier        = 32
	messageAuthenticator = 80
)

const (
	headerLength = 20
	maxLength    = 4096
)

// codec encodes requests and proves answers. It is one goroutine's.
type codec struct {
	secret []byte
	mac    hash.Hash // HMAC-MD5 with the secret, to be reset
	sum    []byte
}

func newCodec(secret string) *codec {
	return &codec{secret: []byte(secret), mac: hmac.New(md5.New, []byte(secret)), sum: make([]byte, 0, md5.Size)}
}

// request encodes an Access-Request that begins with a Message-Authenticator.
func (c *codec) request(identifier byte, authenticator [16]byte, name, password string, challenge []byte) ([]byte, error) {
	if len(name) > 253 || len(password) > 128 || len(challenge) > 253 {
		return nil, fmt.Errorf("a request of %q: a value is too long for RADIUS", name)
	}
	b := make([]byte, headerLength, 160)
	b[0], b[1] = accessRequest, identifier
	copy(b[4:], authenticator[:])
	b = append(b, messageAuthenticator, 18)
	b = append(b, make([]byte, md5.Size)...)
	b = append(b, userName, byte(2+len(name)))
	b = append(b, name...)
	hidden := c.hide(password, authenticator)
	b = append(b, userPassword, byte(2+len(hidden)))
	b = append(b, hidden...)
	b = append(b, nasIdentifier, 2+5)
	b = append(b, "bench"...)
	if len(challenge) > 0 {
		b = append(b, state, byte(2+len(challenge)))
		b = append(b, challenge...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	c.mac.Reset()
	c.mac.Write(b)
	copy(b[headerLength+2:], c.mac.Sum(c.sum))
	return b, nil
}

// hide is RFC 2865 §5.2.
func (c *codec) hide(password string, authenticator [16]byte) []byte {
	hidden := make([]byte, max(1, (len(password)+15)/16)*16)
	copy(hidden, password)
	previous := authenticator[:]
	block := make([]byte, 0, 64)
	for at := 0; at < len(hidden); at += 16 {
		block = append(append(block[:0], c.secret...), previous...)
		key := md5.Sum(block)
		subtle.XORBytes(hidden[at:at+16], hidden[at:at+16], key[:])
		previous = hidden[at : at+16]
	}
	return hidden
}

// Why an answer is not believed.
var (
	errMalformed = errors.New("it is no well-formed answer")
	errForged    = errors.New("an authenticator is wrong")
)

// answer is what an authentic answer says.
type answer struct {
	code byte
	// signed: it carries a Message-Authenticator.
	signed bool
	// state is the challenge's, part of the answer's bytes.
	state []byte
}

// prove checks b, an answer to request, and reads it.
func (c *codec) prove(b, request []byte) (answer, error) {
	if len(b) < headerLength || int(binary.BigEndian.Uint16(b[2:])) != len(b) || b[1] != request[1] {
		return answer{}, errMalformed
	}
	a := answer{code: b[0]}
	if a.code != accessAccept && a.code != accessReject && a.code != accessChallenge {
		return answer{}, errMalformed
	}
	signature := 0
	for at := headerLength; at < len(b); at += int(b[at+1]) {
		if len(b)-at < 2 || b[at+1] < 2 || int(b[at+1]) > len(b)-at {
			return answer{}, errMalformed
		}
		switch {
		case b[at] == messageAuthenticator && (b[at+1] != 2+md5.Size || signature > 0):
			return answer{}, errMalformed
		case b[at] == messageAuthenticator:
			signature = at + 2
		case b[at] == state:
			a.state = b[at+2 : at+int(b[at+1])]
		}
	}
	digest := md5.New()
	digest.Write(b[:4])
	digest.Write(request[4:headerLength])
	digest.Write(b[headerLength:])
	digest.Write(c.secret)
	if subtle.ConstantTimeCompare(digest.Sum(c.sum), b[4:headerLength]) != 1 {
		return answer{}, errForged
	}
	if signature > 0 {
		var zero [md5.Size]byte
		c.mac.Reset()
		c.mac.Write(b[:4])
		c.mac.Write(request[4:headerLength])
		c.mac.Write(b[headerLength:signature])
		c.mac.Write(zero[:])
		c.mac.Write(b[signature+md5.Size:])
		if subtle.ConstantTimeCompare(c.mac.Sum(c.sum), b[signature:signature+md5.Size]) != 1 {
			return answer{}, errForged
		}
		a.signed = true
	}
	return a, nil
}

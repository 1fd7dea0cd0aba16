package radiusd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"testing/synctest"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// frame puts a header with the right length before attributes.
func frame(code byte, attributes ...[]byte) []byte {
	b := append([]byte{code, 1, 0, 0}, make([]byte, 16)...)
	b = append(b, bytes.Join(attributes, nil)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// attr encodes one attribute.
func attr(kind radius.Type, value string) []byte {
	return append([]byte{byte(kind), byte(len(value) + 2)}, value...)
}

// withLength overwrites the length field.
func withLength(b []byte, length uint16) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint16(b[2:], length)
	return b
}

// malformed are packets that no code may accept, each with the counter that it must raise.
func malformed() map[string]struct {
	raw  []byte
	want dropReason
} {
	user := attr(rfc2865.UserName_Type, "alice")
	mac := attr(rfc2869.MessageAuthenticator_Type, "0123456789abcdef")
	state := attr(rfc2865.State_Type, "state")
	big := frame(1, bytes.Repeat(attr(rfc2865.ProxyState_Type, string(make([]byte, 253))), 15), make([]byte, 300))
	return map[string]struct {
		raw  []byte
		want dropReason
	}{
		"empty datagram":                    {nil, dropShort},
		"19 octets":                         {frame(1)[:19], dropShort},
		"length field below the header":     {withLength(frame(1, user), 19), dropLength},
		"length field beyond the datagram":  {withLength(frame(1, user), 28), dropLength},
		"length field beyond 4096":          {withLength(append(big, make([]byte, 100)...), 4097), dropLength},
		"attribute of type 0":               {frame(1, user, attr(0, "x")), dropAttributeType},
		"attribute of length 0":             {frame(1, []byte{1, 0}), dropAttributeLength},
		"attribute of length 1":             {frame(1, []byte{1, 1, 'a'}), dropAttributeLength},
		"attribute beyond the packet":       {frame(1, []byte{1, 10, 'a'}), dropAttributeLength},
		"attribute cut off after its type":  {frame(1, user, []byte{4}), dropAttributeLength},
		"attribute beyond the length field": {withLength(frame(1, user), 26), dropAttributeLength},
		"201 attributes":                    {frame(1, bytes.Repeat(attr(rfc2865.ProxyState_Type, "p"), 201)), dropTooMany},
		"Message-Authenticator of 15":       {frame(1, user, attr(rfc2869.MessageAuthenticator_Type, "0123456789abcde")), dropMessageAuthLength},
		"Message-Authenticator of 17":       {frame(1, user, attr(rfc2869.MessageAuthenticator_Type, "0123456789abcdef0")), dropMessageAuthLength},
		"Message-Authenticator of 0":        {frame(1, user, attr(rfc2869.MessageAuthenticator_Type, "")), dropMessageAuthLength},
		"two Message-Authenticators":        {frame(1, mac, user, mac), dropRepeated},
		"two States":                        {frame(1, user, state, state), dropRepeated},
		"two User-Names":                    {frame(1, user, user), dropRepeated},
		"two User-Passwords":                {frame(1, attr(2, "0123456789abcdef"), attr(2, "0123456789abcdef")), dropRepeated},
		"empty State":                       {frame(1, user, attr(rfc2865.State_Type, "")), dropEmptyState},
		"Accounting-Request":                {frame(4, user), dropCode},
		"Access-Accept":                     {frame(2, mac), dropCode},
		"code 0":                            {frame(0, user), dropCode},
	}
}

func TestRow02_MalformedPacketsAreDroppedAndCounted(t *testing.T) {
	for name, test := range malformed() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, nil)
				b.put(test.raw, fromLenient)
				b.noReply()
				b.wantDropped(test.want, 1)
				b.wantCalls(0)
				if b.logs.Len() > 0 {
					t.Errorf("the log has %s", b.logs)
				}
			})
		})
	}
}

func TestInspectAcceptsTheLimits(t *testing.T) {
	user := attr(rfc2865.UserName_Type, "alice")
	full := frame(1, bytes.Repeat(attr(rfc2865.ProxyState_Type, string(make([]byte, 253))), 15), attr(33, string(make([]byte, 249))))
	for name, raw := range map[string][]byte{
		"header alone":            frame(1),
		"4096 octets":             full,
		"200 attributes":          frame(1, bytes.Repeat(attr(rfc2865.ProxyState_Type, "p"), 200)),
		"octets after the packet": append(frame(1, user), "padding"...),
		"attribute without value": frame(1, attr(rfc2865.UserPassword_Type, "")),
	} {
		p, reason := inspect(raw)
		if reason != "" {
			t.Errorf("%s: dropped for %q", name, reason)
			continue
		}
		if length := int(binary.BigEndian.Uint16(raw[2:4])); len(p.raw) != length {
			t.Errorf("%s: %d octets were kept of a packet of %d", name, len(p.raw), length)
		}
	}
	if len(full) != radius.MaxPacketLength {
		t.Errorf("the full packet has %d octets", len(full))
	}
}

// FuzzDecode sends bytes along the whole way of a packet, from receipt to reply. layeh's parser is
// the oracle: what it refuses must not be served.
func FuzzDecode(f *testing.F) {
	for _, test := range malformed() {
		f.Add(test.raw)
	}
	f.Add(ask{password: "secret123456"}.bytes(f))
	f.Add(ask{unsigned: true, state: "state"}.bytes(f))
	f.Add(ask{noPassword: true, extra: radius.Attributes{{Type: 26, Attribute: []byte("\x00\x00\x01\x37\x0b\x03x")}}}.bytes(f))
	f.Add(ask{code: radius.CodeStatusServer}.bytes(f))
	for _, recorded := range lemonldapPackets(f) {
		f.Add(recorded.bytes(f))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := newIdleRig(t, &fakeCore{}, func(c *Config) { c.RejectDelay = 1 })
		b.put(raw, fromLenient)
		select {
		case r := <-b.queue.others:
			b.process(r)
		case r := <-b.status.waiting:
			b.answerStatus(r)
		default:
		}
		if reply := b.delays.takeAll(); len(reply) > 0 {
			b.answer(reply[0])
		}
		if panics := b.logs.String(); bytes.Contains([]byte(panics), []byte("panic")) {
			t.Fatalf("panic: %s", panics)
		}
		_, err := radius.Parse(raw, []byte(testSecret))
		if err != nil && (len(b.sent) > 0 || len(b.core.calls()) > 0) {
			t.Fatalf("served though layeh says %v: %s", err, hex.Dump(raw))
		}
		for _, reply := range b.sent {
			parseReply(t, reply.raw, raw, testSecret)
		}
	})
}

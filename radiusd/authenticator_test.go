package radiusd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tandem/verify"
)

func TestRow01_UnsignedAndForgedRequestsAreDropped(t *testing.T) {
	proxied := radius.Attributes{{Type: rfc2865.ProxyState_Type, Attribute: []byte("p")}}
	eap := radius.Attributes{{Type: rfc2869.EAPMessage_Type, Attribute: []byte("e")}}
	limited := lenient()
	limited.LimitProxyState = true

	for _, test := range []struct {
		name   string
		client Client
		ask    ask
		want   dropReason // "": served
	}{
		{"signed, strict", strict(), ask{}, ""},
		{"signed, lenient", lenient(), ask{}, ""},
		{"signed with Proxy-State", strict(), ask{extra: proxied}, ""},
		{"unsigned, lenient", lenient(), ask{unsigned: true}, ""},
		{"unsigned, strict", strict(), ask{unsigned: true}, dropUnauthenticated},
		{"unsigned Status-Server, lenient", lenient(), ask{code: radius.CodeStatusServer, unsigned: true}, dropUnauthenticated},
		{"unsigned EAP, lenient", lenient(), ask{extra: eap, unsigned: true}, dropUnauthenticated},
		{"wrong secret, strict", strict(), ask{secret: "other"}, dropForged},
		{"wrong secret, lenient", lenient(), ask{secret: "other"}, dropForged},
		{"unsigned Proxy-State, lenient", lenient(), ask{extra: proxied, unsigned: true}, ""},
		{"unsigned Proxy-State, limited", limited, ask{extra: proxied, unsigned: true}, dropProxyState},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, func(c *Config) { c.Clients = []Client{test.client} })
				from := fromStrict
				if test.client.Name == "lenient" {
					from = fromLenient
				}
				raw := test.ask.bytes(t)
				b.put(raw, from)
				if test.want == "" {
					wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
					return
				}
				b.noReply()
				b.wantDropped(test.want, 1)
				b.wantCalls(0)
				if b.cache.size() != 0 {
					t.Error("the reply cache remembers a packet that was not authenticated")
				}
			})
		})
	}
}

// A Message-Authenticator that follows what an attacker may choose is worth less (CVE-2024-3596), so
// it comes first whatever the outcome, and whether or not the request had one.
func TestRow01_RepliesBeginWithMessageAuthenticator(t *testing.T) {
	for _, outcome := range []verify.Outcome{verify.Accept, verify.Reject, verify.Challenge} {
		for _, unsigned := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, always(verify.Verdict{Outcome: outcome, Message: "text", State: []byte("state")}), nil)
				raw := ask{unsigned: unsigned, extra: radius.Attributes{{Type: rfc2865.ProxyState_Type, Attribute: []byte("p")}}}.bytes(t)
				b.put(raw, fromLenient)
				time.Sleep(DefaultRejectDelay)
				wantCode(t, b.oneReply(), raw, replyCode(outcome)) // checks place and value
			})
		}
	}
}

func TestUnsignedRequestsAreExplainedOncePerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		lines := func() int { return strings.Count(b.logs.String(), "\n") }
		for range 5 {
			b.put(ask{unsigned: true}.bytes(t), fromStrict)
		}
		log := b.logs.String()
		for _, want := range []string{
			"level=WARN", "client=strict", "address=192.0.2.7:50000", "enable Message-Authenticator",
			"require_message_authenticator = false", "CVE-2024-3596",
		} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if lines() != 1 {
			t.Errorf("%d lines for 5 packets, want 1:\n%s", lines(), log)
		}
		time.Sleep(sampleInterval)
		b.put(ask{unsigned: true}.bytes(t), fromStrict)
		if lines() != 2 || !strings.Contains(b.logs.String(), "more_since_last=4") {
			t.Errorf("a minute later the log should say what it left out:\n%s", b.logs)
		}
	})
}

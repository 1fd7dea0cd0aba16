package radiusd

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"

	"tandem/verify"
)

// attributes makes a list from pairs of type and value.
func attributes(pairs ...any) radius.Attributes {
	var list radius.Attributes
	for i := 0; i < len(pairs); i += 2 {
		list.Add(pairs[i].(radius.Type), radius.Attribute(pairs[i+1].(string)))
	}
	return list
}

func TestAttempt(t *testing.T) {
	latin := lenient()
	latin.Charset = Latin1
	four, six := "\x0a\x01\x02\x03", string(netip.MustParseAddr("2001:db8::1").AsSlice())

	for _, test := range []struct {
		name     string
		client   Client
		ask      ask
		want     verify.Attempt
		password string
	}{
		{
			"plain", strict(),
			ask{password: "pw123456"},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "alice"},
			"pw123456",
		},
		{
			"NAS-Identifier before addresses", strict(),
			ask{extra: attributes(rfc2865.NASIPAddress_Type, four, rfc2865.NASIdentifier_Type, "vpn")},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "vpn", User: "alice"},
			"",
		},
		{
			"empty NAS-Identifier", strict(),
			ask{extra: attributes(rfc2865.NASIdentifier_Type, "", rfc2865.NASIPAddress_Type, four)},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "10.1.2.3", User: "alice"},
			"",
		},
		{
			"NAS-IPv6-Address", strict(),
			ask{extra: attributes(rfc3162.NASIPv6Address_Type, six)},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "2001:db8::1", User: "alice"},
			"",
		},
		{
			"NAS-IP-Address of 3 octets", strict(),
			ask{extra: attributes(rfc2865.NASIPAddress_Type, "abc")},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "alice"},
			"",
		},
		{
			"Calling-Station-Id", strict(),
			ask{extra: attributes(rfc2865.CallingStationID_Type, "02-00-00-00-00-01")},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", Source: "02-00-00-00-00-01", User: "alice"},
			"",
		},
		{
			"Calling-Station-Id too long", strict(),
			ask{extra: attributes(rfc2865.CallingStationID_Type, strings.Repeat("a", 65))},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "alice"},
			"",
		},
		{
			"Calling-Station-Id with a port", strict(),
			ask{extra: attributes(rfc2865.CallingStationID_Type, "203.0.113.2[4500]")},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", Source: "203.0.113.2", User: "alice"},
			"",
		},
		{
			"Calling-Station-Id not printable", strict(),
			ask{extra: attributes(rfc2865.CallingStationID_Type, "a\nb")},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "alice"},
			"",
		},
		{
			"UTF-8", strict(),
			ask{user: "zoë", password: "pässword"},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "zoë"},
			"pässword",
		},
		{
			"not UTF-8: the core's to reject", strict(),
			ask{user: "zo\xeb", password: "p\xe4ss"},
			verify.Attempt{Client: "strict", Policy: "default", NAS: "192.0.2.7", User: "zo\xeb"},
			"p\xe4ss",
		},
		{
			"latin-1", latin,
			ask{user: "zo\xeb", password: "p\xe4ss"},
			verify.Attempt{Client: "lenient", Policy: "old", NAS: "198.51.100.7", User: "zoë"},
			"päss",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, func(c *Config) { c.Clients = []Client{test.client} })
				from := fromStrict
				if test.client.Name == "lenient" {
					from = fromLenient
				}
				b.put(test.ask.bytes(t), from)
				b.wantCalls(1)
				got := b.core.calls()[0].attempt
				if password := got.Secret.Reveal(); password != test.password {
					t.Errorf("the password is %q, want %q", password, test.password)
				}
				want := test.want
				want.Door = "radius"
				for _, field := range [][3]string{
					{"Door", got.Door, want.Door},
					{"Client", got.Client, want.Client},
					{"NAS", got.NAS, want.NAS},
					{"Source", got.Source, want.Source},
					{"User", got.User, want.User},
					{"Policy", got.Policy, want.Policy},
					{"Service", got.Service, ""},
				} {
					if field[1] != field[2] {
						t.Errorf("%s is %q, want %q", field[0], field[1], field[2])
					}
				}
			})
		})
	}
}

func TestStateResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		b.put(ask{state: "an open challenge"}.bytes(t), fromStrict)
		b.wantCalls(1)
		if got := b.core.calls()[0].state; got != "an open challenge" {
			t.Errorf("the core was given the state %q", got)
		}
	})
}

func TestRequestWithoutCleartextPasswordIsRejected(t *testing.T) {
	for kind, extra := range map[string]radius.Attributes{
		"CHAP":        attributes(rfc2865.CHAPPassword_Type, "\x01abcdefghijklmnop"),
		"MS-CHAP":     attributes(rfc2865.VendorSpecific_Type, "\x00\x00\x01\x37\x0b\x0aabcdefgh"),
		"EAP":         attributes(rfc2869.EAPMessage_Type, "\x02\x00\x00\x05\x01"),
		"no password": nil,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, &fakeCore{}, nil)
				for id := range byte(3) {
					raw := ask{id: id, noPassword: true, state: "kept", extra: extra}.bytes(t)
					b.put(raw, fromStrict)
					b.noReply()
					time.Sleep(DefaultRejectDelay)
					p := wantCode(t, b.oneReply(), raw, radius.CodeAccessReject)
					if got := rfc2865.ReplyMessage_GetString(p); got != "No." {
						t.Errorf("Reply-Message is %q", got)
					}
				}
				b.wantCalls(0)
				if got := b.core.refused.Load(); got != 3 {
					t.Errorf("%d refusals are in the core's records, want 3", got)
				}
				if got := count(t, b.metrics.unchecked.WithLabelValues(kind)); got != 3 {
					t.Errorf("%d requests were counted, want 3", got)
				}
				log := b.logs.String()
				if strings.Count(log, "\n") != 1 || !strings.Contains(log, "client strict sends "+kind+"; Tandem needs PAP") {
					t.Errorf("want one line that says what is wrong:\n%s", log)
				}
			})
		})
	}
}

func TestLogHoldsNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := &fakeCore{}
		b := newRig(t, core, nil)
		b.put(ask{password: "s3cr3t-password"}.bytes(t), fromStrict)
		b.put(ask{id: 1, password: "s3cr3t-password", unsigned: true}.bytes(t), fromStrict)
		b.put(ask{id: 2, password: "s3cr3t-password", secret: "other"}.bytes(t), fromStrict)
		b.oneReply()
		for _, secret := range []string{"s3cr3t", testSecret} {
			if strings.Contains(b.logs.String(), secret) {
				t.Errorf("the log holds %q:\n%s", secret, b.logs)
			}
		}
	})
}

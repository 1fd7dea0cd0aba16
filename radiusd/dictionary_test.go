package radiusd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/verify"
)

func acceptWith(given ...verify.Attribute) *fakeCore {
	return always(verify.Verdict{Outcome: verify.Accept, Attributes: given})
}

func TestAcceptCarriesThePolicysAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, acceptWith(
			verify.Attribute{Name: "Class", Value: "staff"}, verify.Attribute{Name: "class", Value: "admins"},
			verify.Attribute{Name: "Framed-IP-Address", Value: "192.0.2.7"}, verify.Attribute{Name: "0:25:octets", Value: "0x00ff"},
		), nil)
		request := ask{password: "secret"}.bytes(t)
		b.put(request, fromStrict)
		p := wantCode(t, b.oneReply(), request, radius.CodeAccessAccept)
		classes, err := rfc2865.Class_GetStrings(p)
		if err != nil || strings.Join(classes, " ") != "staff admins \x00\xff" {
			t.Errorf("classes %q, %v", classes, err)
		}
		if ip := rfc2865.FramedIPAddress_Get(p); ip.String() != "192.0.2.7" {
			t.Errorf("address %v", ip)
		}
	})
}

// TestRow11_ReplyThatCannotBeMadeIsAReject: an attribute may be what keeps the user in their network.
func TestRow11_ReplyThatCannotBeMadeIsAReject(t *testing.T) {
	many := make([]verify.Attribute, 20)
	for i := range many {
		many[i] = verify.Attribute{Name: "Class", Value: strings.Repeat("x", 250)}
	}
	for name, given := range map[string][]verify.Attribute{
		"unknown attribute":     {{Name: "Never-Heard-Of", Value: "x"}},
		"value of a wrong type": {{Name: "Framed-IP-Address", Value: "somewhere"}},
		"more than fits":        many,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, acceptWith(given...), nil)
				request := ask{password: "secret"}.bytes(t)
				b.put(request, fromStrict)
				b.noReply() // it is held like every reject
				time.Sleep(DefaultRejectDelay)
				wantCode(t, b.oneReply(), request, radius.CodeAccessReject)

				// The core, which decides and records, could have asked.
				canTell := b.core.calls()[0].attempt.CanTell
				if canTell(given) == nil {
					t.Error("the core is told that the reply can be made")
				}
				if err := canTell([]verify.Attribute{{Name: "Class", Value: "staff"}}); err != nil {
					t.Errorf("the core is told that a good reply cannot be made: %v", err)
				}
			})
		})
	}
}

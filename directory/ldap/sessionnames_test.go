package ldap

import (
	"errors"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/test/slapdtest"
)

// LemonLDAP::NG's macro _whatToTrace, of which it makes the session's name, is lc($_user) unless somebody changed it.
// Who is "Alice" in the directory has the session of "alice", and is not somebody without a device.
func TestRow17_TheSessionOfANameWithCapitals(t *testing.T) {
	const portal = `"[{\"name\":\"myTOTP\",\"_secret\":\"jj4yj5hxlyfjn7lgzzv2sg22w4dfq5an\",\"type\":\"TOTP\",\"epoch\":1795278523}]"`
	s := estate(t, sessionLDIF("alice", `{"_2fDevices":`+portal+`}`)+sessionLDIF("second", `{"_2fDevices":`+portal+`}`),
		slapdtest.User{Name: "Alice"}, slapdtest.User{Name: "first"}, slapdtest.User{Name: "Bob"})
	s.ModifyLDIF("dn: " + slapdtest.UserDN("first") + "\nchangetype: modify\nadd: uid\nuid: second\n")
	d := open(t, writing(s.URL, SourceSessions))
	for _, name := range []string{"Alice", "first"} {
		u := lookup(t, d, name)
		if !u.HasDevices() {
			t.Errorf("%s has a device at the portal, and is taken for somebody without one", name)
		}
		c := adds(newTOTP(1))
		c.OnlyFirst = true
		if err := d.ChangeDevices(t.Context(), u, c); !errors.Is(err, directory.ErrHasDevices) {
			t.Errorf("%s: a first device beside the one of the portal: %v", name, err)
		}
		if u = change(t, d, name, directory.Change{Remove: ids(u.Devices)}); u.HasDevices() {
			t.Errorf("%s: %+v is still there", name, u.Devices)
		}
	}
	// A session that is made is the one that the portal will look for.
	if u := change(t, d, "Bob", adds(newTOTP(2))); len(u.Devices) != 1 {
		t.Errorf("%+v", u)
	}
	if got := raw(t, s, "cn="+directory.SessionID("bob")+","+sessionsBase, "description"); len(got) != 1 || !strings.Contains(got[0], `"_session_uid":"bob"`) {
		t.Errorf("%q", got)
	}
}

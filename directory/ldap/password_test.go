package ldap

import (
	"errors"
	"fmt"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/test/slapdtest"
)

func TestCheckPassword(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice, {Name: "nopassword"}}})
	d := open(t, config(s.URL))
	u := lookup(t, d, "alice")
	if err := d.CheckPassword(t.Context(), u, "wonderland"); err != nil {
		t.Errorf("the right password: %v", err)
	}
	for _, password := range []string{"Wonderland", "wonderland ", "wonderlan", "é", " "} {
		if err := d.CheckPassword(t.Context(), u, password); !errors.Is(err, directory.ErrWrongPassword) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if err := d.CheckPassword(t.Context(), lookup(t, d, "nopassword"), "anything"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("an entry without a password: %v", err)
	}
	gone := &directory.User{DN: slapdtest.UserDN("gone")}
	if err := d.CheckPassword(t.Context(), gone, "anything"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("an entry that has gone: %v", err)
	}
}

// yes accepts everything.
func yes(request *ber.Packet) []*ber.Packet { return result(request, goldap.LDAPResultSuccess) }

func TestRow12_AnEmptyPasswordNeverReachesAServer(t *testing.T) {
	server := listen(t, serveLDAP(yes))
	d := open(t, config(server.url))
	u := &directory.User{ID: "1", Name: "alice", DN: slapdtest.UserDN("alice")}
	for _, password := range []string{"", "\x00", "\x00\x00", "wonder\x00land"} {
		nothingKnown(t, d.CheckPassword(t.Context(), u, password))
		if n := server.connections(); n != 0 {
			t.Fatalf("password %q: %d connections were opened to check it", password, n)
		}
	}
	if err := d.servers[0].whyDown(); err != nil {
		t.Errorf("the server is blamed for it: %v", err)
	}
	if err := d.CheckPassword(t.Context(), u, "x"); err != nil || server.connections() != 1 {
		t.Errorf("the test proves nothing: any other password: %v, %d connections", err, server.connections())
	}
}

func TestRow13_AnEmptyDNNeverReachesAServer(t *testing.T) {
	server := listen(t, serveLDAP(yes))
	d := open(t, config(server.url))
	for _, dn := range []string{"", " "} {
		nothingKnown(t, d.CheckPassword(t.Context(), &directory.User{ID: "1", Name: "alice", DN: dn}, "anything"))
		if n := server.connections(); n != 0 {
			t.Fatalf("DN %q: %d connections were opened to check it", dn, n)
		}
	}
}

func TestRow13_AnEntryWithoutADNIsNoUser(t *testing.T) {
	server := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
		if isSearch(request) {
			return append([]*ber.Packet{entry("", aliceAttributes())}, yes(request)...)
		}
		return yes(request)
	}))
	u, err := open(t, config(server.url)).Lookup(t.Context(), "alice")
	nothingKnown(t, err)
	if u != nil {
		t.Errorf("got the user %+v", u)
	}
}

func TestAnswersToABind(t *testing.T) {
	wrong := map[int]bool{
		goldap.LDAPResultInvalidCredentials: true, goldap.LDAPResultInappropriateAuthentication: true,
		goldap.LDAPResultUnwillingToPerform: true, goldap.LDAPResultConstraintViolation: true, goldap.LDAPResultNoSuchObject: true,
	}
	u := &directory.User{DN: slapdtest.UserDN("alice")}
	for code := 1; code <= 123; code++ {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			first := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet { return result(request, code) }))
			second := listen(t, serveLDAP(yes))
			err := open(t, config(first.url, second.url)).CheckPassword(t.Context(), u, "wonderland")
			if wrong[code] {
				if !errors.Is(err, directory.ErrWrongPassword) || second.connections() != 0 {
					t.Errorf("a final no: %v, and the second server had %d connections", err, second.connections())
				}
			} else if err != nil || second.connections() != 1 {
				t.Errorf("the second server has to be asked, which says yes: %v", err)
			}

			alone := open(t, config(first.url)).CheckPassword(t.Context(), u, "wonderland")
			if !wrong[code] {
				nothingKnown(t, alone)
			}
		})
	}
}

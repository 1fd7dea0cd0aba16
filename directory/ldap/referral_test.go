package ldap

import (
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/test/slapdtest"
)

func TestRow18_CredentialsNeverFollowAReferral(t *testing.T) {
	elsewhere := listen(t, serveLDAP(finds(aliceAttributes())))
	target := elsewhere.url + "/" + slapdtest.UserDN("alice")

	continuation := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
	continuation.AppendChild(octets(target))

	for _, c := range []struct {
		what   string
		answer answer
		user   bool // the look-up finds alice all the same
		bind   bool // and so does the bind
	}{
		{what: "all", answer: func(r *ber.Packet) []*ber.Packet { return result(r, goldap.LDAPResultReferral, target) }},
		{what: "search", bind: true, answer: func(r *ber.Packet) []*ber.Packet {
			if isSearch(r) {
				return result(r, goldap.LDAPResultReferral, target)
			}
			return yes(r)
		}},
		{what: "bind as the user", user: true, answer: func(r *ber.Packet) []*ber.Packet {
			if bindDN(r) == slapdtest.UserDN("alice") {
				return result(r, goldap.LDAPResultReferral, target)
			}
			return finds(aliceAttributes())(r)
		}},
		{what: "references beside the entry", user: true, bind: true, answer: func(r *ber.Packet) []*ber.Packet {
			if isSearch(r) {
				return append([]*ber.Packet{continuation}, finds(aliceAttributes())(r)...)
			}
			return yes(r)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := open(t, config(listen(t, serveLDAP(c.answer)).url))
			_, err := d.Lookup(t.Context(), "alice")
			if c.user && err != nil {
				t.Error(err)
			}
			if !c.user {
				nothingKnown(t, err)
				if err != nil && c.what == "search" && !strings.Contains(err.Error(), "never followed") {
					t.Errorf("the error does not say why: %v", err)
				}
			}
			err = d.CheckPassword(t.Context(), &directory.User{DN: slapdtest.UserDN("alice")}, "wonderland")
			if c.bind && err != nil {
				t.Error(err)
			}
			if !c.bind {
				nothingKnown(t, err)
				if err != nil && !strings.Contains(err.Error(), "never followed") {
					t.Errorf("the error does not say why: %v", err)
				}
			}
			if n := elsewhere.connections(); n != 0 {
				t.Errorf("%d connections to the server that was referred to; password sent: %v", n, elsewhere.wasSent("wonderland"))
			}
		})
	}
}

func TestRow18_OnlyReferencesIsNobody(t *testing.T) {
	// A reference is not a user, and that somebody may be elsewhere is not our user either.
	reference := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
	reference.AppendChild(octets("ldap://127.0.0.1:9/"))
	server := listen(t, serveLDAP(func(r *ber.Packet) []*ber.Packet {
		if isSearch(r) {
			return append([]*ber.Packet{reference}, yes(r)...)
		}
		return yes(r)
	}))
	if u, err := open(t, config(server.url)).Lookup(t.Context(), "alice"); err == nil || u != nil {
		t.Errorf("%v, %v", u, err)
	}
}

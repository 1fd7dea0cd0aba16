package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"

	"tandem/test/slapdtest"
)

func group(name string, members ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: cn=%s,%s\nobjectClass: groupOfNames\ncn: %s\n", name, slapdtest.GroupsBase, name)
	for _, m := range members {
		fmt.Fprintf(&b, "member: %s\n", m)
	}
	return b.String() + "\n"
}

func groupDN(name string) string { return "cn=" + name + "," + slapdtest.GroupsBase }

func groupsOf(t *testing.T, d *Directory, name string) []string {
	t.Helper()
	g := lookup(t, d, name).Groups
	slices.Sort(g)
	return g
}

func TestGroupSearch(t *testing.T) {
	odd := slapdtest.User{Name: `o*d, (d)\2a`}
	s := slapdtest.Start(t, slapdtest.Options{
		Users: []slapdtest.User{alice, odd, {Name: "bob"}},
		// staff ⊂ everybody ⊂ world ⊂ everybody: a cycle.
		LDIF: group("staff", slapdtest.UserDN("alice"), slapdtest.UserDN(odd.Name)) +
			group("admins", slapdtest.UserDN("alice"), groupDN("admins")) +
			group("everybody", groupDN("staff"), groupDN("world")) +
			group("world", groupDN("everybody")) +
			group("strangers", slapdtest.UserDN("carol")),
	})
	for _, c := range []struct {
		filter string
		nested bool
		name   string
		want   []string
	}{
		{"", false, "alice", []string{"admins", "staff"}},
		{"", true, "alice", []string{"admins", "everybody", "staff", "world"}},
		{"", true, odd.Name, []string{"everybody", "staff", "world"}},
		{"", true, "bob", nil},
		{"(|(member=%d)(cn=%u))", true, "alice", []string{"admins", "everybody", "staff", "world"}},
		{"(member=uid=%u," + slapdtest.PeopleBase + ")", false, "alice", []string{"admins", "staff"}},
	} {
		conf := config(s.URL)
		conf.Groups = GroupSearch{Base: slapdtest.GroupsBase, Filter: c.filter, Nested: c.nested}
		if got := groupsOf(t, open(t, conf), c.name); !slices.Equal(got, c.want) {
			t.Errorf("%s, filter %q, nested %v: %q, want %q", c.name, c.filter, c.nested, got, c.want)
		}
	}
	if got := groupsOf(t, open(t, config(s.URL)), "alice"); got != nil {
		t.Errorf("without a search: %q", got)
	}
}

func TestListedGroups(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{
		Users:  []slapdtest.User{alice},
		Global: "moduleload memberof", Database: "overlay memberof",
	})
	for _, ldif := range []string{
		group("staff", slapdtest.UserDN("alice")),
		group("everybody", groupDN("staff")),
		strings.Replace(group("vpn", slapdtest.UserDN("alice")), "dn: "+groupDN("vpn"), "dn: cn=vpn,ou=services,"+slapdtest.Base, 1),
	} {
		s.ModifyLDIF(strings.Replace(ldif, "\nobjectClass", "\nchangetype: add\nobjectClass", 1))
	}
	if got := groupsOf(t, open(t, config(s.URL)), "alice"); !slices.Equal(got, []string{"staff", "vpn"}) {
		t.Errorf("memberOf alone: %q", got)
	}
	c := config(s.URL)
	c.Groups = GroupSearch{Base: slapdtest.GroupsBase, Nested: true}
	if got := groupsOf(t, open(t, c), "alice"); !slices.Equal(got, []string{"everybody", "staff"}) {
		t.Errorf("a group elsewhere in the tree counts: %q", got)
	}
}

func TestListedGroupsThatAreNoDNs(t *testing.T) {
	attributes := aliceAttributes()
	attributes["MEMBEROF"] = []string{"staff", "CN=VPN Users+serialNumber=1,OU=Groups,DC=example,DC=org", "Staff", `cn=a\2cb,dc=example`}
	server := listen(t, serveLDAP(finds(attributes)))
	if got := groupsOf(t, open(t, config(server.url)), "alice"); !slices.Equal(got, []string{"VPN Users", "a,b", "staff"}) {
		t.Errorf("got %q", got)
	}
}

// TestTooManyGroups: a list that is cut off would decide about the wrong groups.
func TestTooManyGroups(t *testing.T) {
	chain := func(length int) string {
		ldif := group("g1", slapdtest.UserDN("alice"))
		for i := 2; i <= length; i++ {
			ldif += group(fmt.Sprintf("g%d", i), groupDN(fmt.Sprintf("g%d", i-1)))
		}
		return ldif
	}
	crowd := func(size int) string {
		var ldif strings.Builder
		for i := range size {
			ldif.WriteString(group(fmt.Sprintf("g%d", i), slapdtest.UserDN("alice")))
		}
		return ldif.String()
	}
	for what, c := range map[string]struct {
		ldif  string
		count int // 0: the look-up fails
	}{
		"as deep as allowed": {chain(MaxGroupDepth + 1), MaxGroupDepth + 1},
		"too deep":           {chain(MaxGroupDepth + 2), 0},
		"as many as allowed": {crowd(MaxGroups), MaxGroups},
		"too many":           {crowd(MaxGroups + 1), 0},
	} {
		t.Run(what, func(t *testing.T) {
			s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}, LDIF: c.ldif, Database: "sizelimit unlimited"})
			conf := config(s.URL)
			conf.Groups = GroupSearch{Base: slapdtest.GroupsBase, Nested: true}
			d := open(t, conf)
			if c.count > 0 {
				if got := groupsOf(t, d, "alice"); len(got) != c.count {
					t.Errorf("%d groups, want %d", len(got), c.count)
				}
				return
			}
			_, err := d.Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			if err := d.Ready(t.Context()); err != nil {
				t.Errorf("the server is blamed: %v", err)
			}
		})
	}
}

func TestTooManyListedGroups(t *testing.T) {
	attributes := aliceAttributes()
	for i := range MaxGroups + 1 {
		attributes["memberOf"] = append(attributes["memberOf"], groupDN(fmt.Sprintf("g%d", i)))
	}
	_, err := open(t, config(listen(t, serveLDAP(finds(attributes))).url)).Lookup(t.Context(), "alice")
	nothingKnown(t, err)
}

func TestGroupSearchFailures(t *testing.T) {
	user := finds(aliceAttributes())
	for what, answer := range map[string]answer{
		"refused":      func(r *ber.Packet) []*ber.Packet { return result(r, 50) },
		"missing base": func(r *ber.Packet) []*ber.Packet { return result(r, 32) },
		"no name": func(r *ber.Packet) []*ber.Packet {
			return append([]*ber.Packet{entry(groupDN("x"), nil)}, yes(r)...)
		},
	} {
		server := listen(t, serveLDAP(func(r *ber.Packet) []*ber.Packet {
			if isSearch(r) && r.Children[0].Value == slapdtest.GroupsBase {
				return answer(r)
			}
			return user(r)
		}))
		c := config(server.url)
		c.Groups.Base = slapdtest.GroupsBase
		u, err := open(t, c).Lookup(t.Context(), "alice")
		nothingKnown(t, err)
		if u != nil {
			t.Errorf("%s: a user without groups came of it", what)
		}
	}
}

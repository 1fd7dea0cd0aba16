package ldap

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/directory/ldap/exchange"
	"tandem/test/slapdtest"
)

func TestLookup(t *testing.T) {
	u := alice
	u.LDIF = "title: Queen\ntitle: Pawn"
	u.Devices = []string{totp, `[{"type":"UBK","name":"key","_yubikey":"ccccccelerpg"},{"type":"TOTP","name":"bad","_secret":"1"}]`}
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{u, {Name: "bare"}}})
	c := config(s.URL)
	// Names of attributes are written in any case.
	c.Attributes = Attributes{ID: "ENTRYuuid", Name: "UID", Devices: "TANDEMDEVICES", Extra: []string{"TITLE", "street"}}
	d := open(t, c)

	got := lookup(t, d, "alice")
	if len(got.ID) != 36 || strings.Count(got.ID, "-") != 4 {
		t.Errorf("ID %q is no UUID", got.ID)
	}
	if got.Name != "alice" || got.DN != slapdtest.UserDN("alice") || got.Mail != alice.Mail || got.Phone != alice.Phone {
		t.Errorf("got %+v", got)
	}
	if want := map[string][]string{"TITLE": {"Queen", "Pawn"}}; !reflect.DeepEqual(got.Attributes, want) {
		t.Errorf("attributes %v, want %v", got.Attributes, want)
	}
	if len(got.Devices) != 2 || len(got.Skipped) != 1 {
		t.Errorf("devices %+v, skipped %+v", got.Devices, got.Skipped)
	}
	if bare := lookup(t, d, "bare"); bare.HasDevices() || bare.Mail != "" || bare.ID == got.ID {
		t.Errorf("bare: %+v", bare)
	}
}

func TestScopeOneFindsOnlyChildren(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	c := config(s.URL)
	c.Scope = ScopeOne
	if _, err := open(t, c).Lookup(t.Context(), "alice"); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("alice is a grandchild of the base: %v", err)
	}
	c.Base = slapdtest.PeopleBase
	lookup(t, open(t, c), "alice")
}

var injections = []string{
	"*", "a*", "*)(uid=*", "*)(uid=*))(|(uid=*", "alice)(uid=*", "alice)(objectClass=*", ")(|(uid=*))", "alice)", "(", ")", "\\", "\\2a", `\00`,
	"\x00", "alice\x00", "\\61lice", "alice)(!(uid=bob)", "&", "|", "!", "=", "uid=alice", "alice,ou=people", "%u", "%d", "%s", "＊", "ali\u200bce\u0301",
	"\n", "\r\n", "alice\nbob", "\xff", "alice\xff", strings.Repeat("a", 257), "😀", "алиса", ":dn:=alice", "alice~",
}

func TestRow14_ANameIsNeverAFilter(t *testing.T) {
	odd := slapdtest.User{Name: `o*d(d)`, Password: "odd"}
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice, {Name: "bob", Password: "builder"}, odd}})
	for _, filter := range []string{"(uid=%u)", "(&(objectClass=inetOrgPerson)(|(uid=%u)(mail=%u)(mail=%u@example.org)))"} {
		c := config(s.URL)
		c.Filter = filter
		d := open(t, c)
		for _, name := range injections {
			if u, err := d.Lookup(t.Context(), name); !errors.Is(err, directory.ErrNoUser) {
				t.Errorf("%s, name %q: %+v, %v", filter, name, u, err)
			}
		}
		// What looks like a filter can also be somebody's name.
		u := lookup(t, d, odd.Name)
		if u.Name != odd.Name || d.CheckPassword(t.Context(), u, "odd") != nil {
			t.Errorf("got %+v", u)
		}
	}
}

func TestRow14_TheBoundDNIsTheEntrys(t *testing.T) {
	// What a DN made of the name would be is somebody else's entry.
	s := slapdtest.Start(t, slapdtest.Options{
		Users: []slapdtest.User{{Name: "alice", Password: "decoy"}},
		LDIF: "dn: cn=Alice Liddell,ou=services," + slapdtest.Base + `
objectClass: inetOrgPerson
cn: Alice Liddell
sn: Liddell
uid: alice
userPassword: wonderland
`,
	})
	c := config(s.URL)
	c.Base = "ou=services," + slapdtest.Base
	d := open(t, c)
	u := lookup(t, d, "alice")
	if err := d.CheckPassword(t.Context(), u, "wonderland"); err != nil {
		t.Error(err)
	}
	if err := d.CheckPassword(t.Context(), u, "decoy"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Error(err)
	}
}

func FuzzRow14_ANameStaysOneValue(f *testing.F) {
	for _, name := range injections {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		filter, err := goldap.CompileFilter(fill("(&(objectClass=person)(uid=%u))", "%u", name))
		if err != nil {
			t.Fatalf("%q breaks the filter: %v", name, err)
		}
		if len(filter.Children) != 2 {
			t.Fatalf("%q makes a filter of %d parts", name, len(filter.Children))
		}
		equality := filter.Children[1]
		if equality.Tag != goldap.FilterEqualityMatch || equality.Children[1].Value != name {
			t.Fatalf("%q asks for something else", name)
		}
	})
}

func TestRow15_NoneOrSeveralIsNobody(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{
		alice,
		{Name: "a1", Password: "x", Mail: "shared@example.org"},
		{Name: "a2", Password: "x", Mail: "shared@example.org"},
		{Name: "b1", Mail: "three@example.org"},
		{Name: "b2", Mail: "three@example.org"},
		{Name: "b3", Mail: "three@example.org"},
	}})
	c := config(s.URL)
	c.Filter = "(|(uid=%u)(mail=%u))"
	d := open(t, c)
	for name, want := range map[string]error{
		"nobody": directory.ErrNoUser, "": directory.ErrNoUser, "   ": directory.ErrNoUser,
		"shared@example.org": directory.ErrAmbiguous, // two: the server counts them as within the limit
		"three@example.org":  directory.ErrAmbiguous, // three: the server says that the limit is exceeded
	} {
		for range 2 { // the second time over a connection that has been used
			u, err := d.Lookup(t.Context(), name)
			if !errors.Is(err, want) || u != nil {
				t.Errorf("%q: %v, %v; want %v", name, u, err, want)
			}
		}
	}
	lookup(t, d, "alice@example.org")
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("the server is blamed: %v", err)
	}
}

func TestRow15_AServerThatIgnoresTheSizeLimit(t *testing.T) {
	server := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
		if !isSearch(request) {
			return yes(request)
		}
		var all []*ber.Packet
		for range 5 {
			all = append(all, entry(slapdtest.UserDN("alice"), aliceAttributes()))
		}
		return append(all, yes(request)...)
	}))
	if _, err := open(t, config(server.url)).Lookup(t.Context(), "alice"); !errors.Is(err, directory.ErrAmbiguous) {
		t.Error(err)
	}
}

func TestRow16_EverySpellingIsOneIdentity(t *testing.T) {
	u := alice
	u.LDIF = "uid: lissy"
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{u, {Name: "bob"}}})
	c := config(s.URL)
	c.Filter = "(|(uid=%u)(mail=%u))"
	d := open(t, c)
	id := lookup(t, d, "alice").ID
	for _, name := range []string{"Alice", "ALICE", "alice ", " alice", "ALICE  ", "ａｌｉｃｅ", "lissy", "Alice@Example.ORG"} {
		if got := lookup(t, d, name); got.ID != id || got.DN != slapdtest.UserDN("alice") {
			t.Errorf("%q is %s, %s; want the ID %s", name, got.ID, got.DN, id)
		}
	}
	if lookup(t, d, "bob").ID == id {
		t.Error("bob is alice")
	}

	// A new name does not make a new person.
	s.ModifyLDIF("dn: " + slapdtest.UserDN("alice") + "\nchangetype: modrdn\nnewrdn: uid=liddell\ndeleteoldrdn: 1\n")
	if got := lookup(t, d, "liddell"); got.ID != id {
		t.Errorf("after renaming: %s, want %s", got.ID, id)
	}
}

func TestRow16_WithoutAnIdentifierNobodyIsKnown(t *testing.T) {
	for what, change := range map[string]func(map[string][]string){
		"none":     func(a map[string][]string) { delete(a, "entryUUID") },
		"no value": func(a map[string][]string) { a["entryUUID"] = nil },
		"empty":    func(a map[string][]string) { a["entryUUID"] = []string{""} },
		"two":      func(a map[string][]string) { a["entryUUID"] = []string{"1", "2"} },
		"too long": func(a map[string][]string) { a["entryUUID"] = []string{strings.Repeat("1", maxID+1)} },
		"no name":  func(a map[string][]string) { delete(a, "uid") },
		"a part of the devices": func(a map[string][]string) {
			a["tandemDevices;range=0-1499"] = []string{totp}
		},
	} {
		t.Run(what, func(t *testing.T) {
			attributes := aliceAttributes()
			change(attributes)
			server := listen(t, serveLDAP(finds(attributes)))
			u, err := open(t, config(server.url)).Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			if u != nil || err != nil && !strings.Contains(err.Error(), slapdtest.UserDN("alice")) {
				t.Errorf("got %v, %v", u, err)
			}
		})
	}
}

// finds answers every search with one entry.
func finds(attributes map[string][]string) answer {
	return func(request *ber.Packet) []*ber.Packet {
		if isSearch(request) {
			return append([]*ber.Packet{entry(slapdtest.UserDN("alice"), attributes)}, yes(request)...)
		}
		return yes(request)
	}
}

func TestBinaryIdentifiersBecomeText(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"objectGUID", "\x01\x02\xff\x00 guid", "0102ff002067756964"},
		{"OBJECTGUID", "printable GUID..", "6e697270-6174-6c62-6520-475549442e2e"},
		{"nsUniqueId", "\xff\xfe", "fffe"},
		{"nsUniqueId", "line\nbreak", "6c696e650a627265616b"},
		{"nsUniqueId", "4e8a-11", "4e8a-11"},
	} {
		server := listen(t, serveLDAP(finds(map[string][]string{"uid": {"alice"}, c.name: {c.value}})))
		conf := config(server.url)
		conf.Attributes.ID = c.name
		if got := lookup(t, open(t, conf), "alice").ID; got != c.want {
			t.Errorf("%s %q: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestRow17_AFailedLookupIsNotAUserWithoutDevices(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: []slapdtest.User{alice}, Database: "sizelimit unlimited"})
	stopped := slapdtest.Start(t, slapdtest.Options{})
	stopped.Stop()
	blind := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}, Access: "access to attrs=userPassword by anonymous auth by * none\naccess to * by * none"})
	closes := listen(t, func(net.Conn) {})

	code := func(code int) string {
		return listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
			if isSearch(request) {
				return result(request, code)
			}
			return yes(request)
		})).url
	}
	// One entry and then an error: there may be a second one that was not sent.
	partial := func(code int) string {
		return listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
			if isSearch(request) {
				return append([]*ber.Packet{entry(slapdtest.UserDN("alice"), aliceAttributes())}, result(request, code)...)
			}
			return yes(request)
		})).url
	}
	with := func(change func(*Config)) Config {
		c := config(s.URL)
		change(&c)
		return c
	}
	for what, c := range map[string]Config{
		"server down":                 config(stopped.URL),
		"connection closed":           config(closes.url),
		"no access":                   config(blind.URL),
		"insufficient access":         config(code(goldap.LDAPResultInsufficientAccessRights)),
		"size limit":                  config(code(goldap.LDAPResultSizeLimitExceeded)),
		"size limit after an entry":   config(partial(goldap.LDAPResultSizeLimitExceeded)),
		"time limit":                  config(code(goldap.LDAPResultTimeLimitExceeded)),
		"time limit after an entry":   config(partial(goldap.LDAPResultTimeLimitExceeded)),
		"admin limit":                 config(code(goldap.LDAPResultAdminLimitExceeded)),
		"busy":                        config(code(goldap.LDAPResultBusy)),
		"base missing":                with(func(c *Config) { c.Base = "ou=nowhere," + slapdtest.Base }),
		"service password wrong":      with(func(c *Config) { c.BindDN = slapdtest.UserDN("alice") }),
		"service account missing":     with(func(c *Config) { c.BindDN = "cn=gone," + slapdtest.Base }),
		"broken TLS":                  with(func(c *Config) { c.URLs = []string{s.TLSURL} }),
		"plain port spoken to in TLS": with(func(c *Config) { c.URLs = []string{"ldaps" + strings.TrimPrefix(s.URL, "ldap")} }),
	} {
		t.Run(what, func(t *testing.T) {
			d := open(t, c)
			u, err := d.Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			if u != nil {
				t.Errorf("a user came of it: %+v", u)
			}
			if err != nil && !strings.Contains(err.Error(), c.URLs[0]) {
				t.Errorf("the error does not name the server: %v", err)
			}
			t.Log(err)
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	huge := aliceAttributes()
	huge["tandemDevices"] = []string{strings.Repeat("x", maxAnswer+1)}
	server := listen(t, serveLDAP(finds(huge)))
	c := config(server.url)
	c.OperationTimeout = time.Minute
	_, err := open(t, c).Lookup(t.Context(), "alice")
	nothingKnown(t, err)
	if !errors.Is(err, exchange.ErrTooLong) {
		t.Error(err)
	}
}

func TestRow17_AnAttributeWithOptionsIsNotNone(t *testing.T) {
	for name, words := range map[string]string{
		"tandemDevices;binary":       "tandemDevices;binary",
		"TANDEMDEVICES;lang-fr":      "TANDEMDEVICES;lang-fr",
		"TandemDevices;Range=0-1499": "too many values of tandemDevices",
	} {
		attributes := aliceAttributes()
		delete(attributes, "tandemDevices")
		attributes[name] = []string{totp}
		server := listen(t, serveLDAP(finds(attributes)))
		u, err := open(t, config(server.url)).Lookup(t.Context(), "alice")
		nothingKnown(t, err)
		if u != nil || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %+v, %v", name, u, err)
		}
	}
}

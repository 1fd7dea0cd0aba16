package ldap

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/test/slapdtest"
)

// controller is a domain controller with one user, alice, that remembers the filters it was asked with. What no real
// one does can be had from it; samba_test.go asks a real one.
type controller struct {
	user    map[string][]string
	primary []*ber.Packet // the answer to who asks for the primary group
	asked   []string
	mu      sync.Mutex
}

const aliceSID = "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x51\x04\x00\x00"

func newController() *controller {
	c := &controller{user: aliceAttributes()}
	maps.Copy(c.user, map[string][]string{
		"userAccountControl": {"512"}, "accountExpires": {"9223372036854775807"}, "primaryGroupID": {"513"}, "objectSid": {aliceSID},
	})
	c.primary = []*ber.Packet{entry("CN=Domain Users,CN=Users,DC=corp,DC=example,DC=com", map[string][]string{"cn": {"Domain Users"}})}
	return c
}

func (c *controller) answer(request *ber.Packet) []*ber.Packet {
	if !isSearch(request) {
		return yes(request)
	}
	filter, _ := goldap.DecompileFilter(request.Children[6])
	c.mu.Lock()
	c.asked = append(c.asked, filter)
	c.mu.Unlock()
	switch base := request.Children[0].Value.(string); {
	case base == "<SID=010500000000000515000000010000000200000003000000"+"01020000>":
		return append(slices.Clone(c.primary), yes(request)...)
	case strings.HasPrefix(base, "<SID="):
		return result(request, goldap.LDAPResultNoSuchObject)
	case strings.Contains(filter, "(member"):
		return yes(request)
	}
	return append([]*ber.Packet{entry(slapdtest.UserDN("alice"), c.user)}, yes(request)...)
}

// open gives the directory on c.
func (c *controller) open(t testing.TB, change ...func(*Config)) *Directory {
	t.Helper()
	conf := config(listen(t, serveLDAP(c.answer)).url)
	conf.ActiveDirectory = true
	conf.Groups = GroupSearch{Base: "DC=corp,DC=example,DC=com", Filter: "(member:1.2.840.113556.1.4.1941:=%d)"}
	for _, f := range change {
		f(&conf)
	}
	return open(t, conf)
}

func (c *controller) filters() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func withNames(c *Config) {
	c.Filter = "(|(sAMAccountName=%u)(userPrincipalName=%n))"
	c.Names = directory.Names{Domains: []string{"CORP"}, Realms: []string{"corp.example.com"}}
}

func TestRow13_ANameOfOnlyADomainNeverReachesAServer(t *testing.T) {
	c := newController()
	d := c.open(t, withNames)
	for _, name := range []string{`CORP\`, `corp\ `, "@corp.example.com", " @CORP.example.com"} {
		if u, err := d.Lookup(t.Context(), name); !errors.Is(err, directory.ErrNoUser) {
			t.Errorf("%q: %v, %v", name, u, err)
		}
	}
	if asked := c.filters(); len(asked) > 0 {
		t.Errorf("a server was asked for nobody: %q", asked)
	}
	lookup(t, d, `CORP\alice`)
}

func TestRow16_WhatIsAskedForEachSpelling(t *testing.T) {
	for typed, want := range map[string]string{
		"alice":                  "(|(sAMAccountName=alice)(userPrincipalName=alice))",
		`corp\alice`:             `(|(sAMAccountName=alice)(userPrincipalName=corp\5calice))`,
		"alice@CORP.example.com": "(|(sAMAccountName=alice)(userPrincipalName=alice@CORP.example.com))",
		`OTHER\alice`:            `(|(sAMAccountName=OTHER\5calice)(userPrincipalName=OTHER\5calice))`,
		"alice@example.com":      "(|(sAMAccountName=alice@example.com)(userPrincipalName=alice@example.com))",
		"%n%u":                   "(|(sAMAccountName=%n%u)(userPrincipalName=%n%u))",
	} {
		c := newController()
		lookup(t, c.open(t, withNames), typed)
		if asked := c.filters(); asked[0] != want {
			t.Errorf("%q asks for %s, want %s", typed, asked[0], want)
		}
	}
}

func TestRow14_APlaceholderInANameStaysOne(t *testing.T) {
	if got, want := fill("(|(a=%u)(b=%n))", "%u", "%n", "%n", "alice"), "(|(a=%n)(b=alice))"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestObjectGUIDIsWrittenAsEverywhere(t *testing.T) {
	// The example of RFC 4122's fields, as a domain controller sends it.
	const octets = "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	c := newController()
	c.user["objectguid"] = []string{octets}
	d := c.open(t, func(c *Config) { c.Attributes.ID = "objectGUID" })
	if got, want := lookup(t, d, "alice").ID, "00112233-4455-6677-8899-aabbccddeeff"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// fileTimeOf writes a time as accountExpires has it.
func fileTimeOf(t time.Time) string {
	return strconv.FormatInt((t.Unix()+11_644_473_600)*10_000_000, 10)
}

// TestAnAccountThatMayNotLogInIsNoUser: with a code alone or after an SSH key there is no bind to find out.
func TestAnAccountThatMayNotLogInIsNoUser(t *testing.T) {
	at := newClock()
	for _, c := range []struct {
		control, expires string
		want             directory.Condition
	}{
		{"512", "0", ""},
		{"66048", "9223372036854775807", ""},
		{"512", fileTimeOf(at.now.Add(time.Second)), ""},
		{"512", fileTimeOf(at.now), directory.AccountExpired},
		{"512", fileTimeOf(at.now.Add(-time.Second)), directory.AccountExpired},
		{"514", "0", directory.AccountDisabled},
		{"66050", fileTimeOf(at.now), directory.AccountDisabled},
		{"-2147483134", "0", directory.AccountDisabled}, // the highest bit is one too
	} {
		dc := newController()
		dc.user["userAccountControl"], dc.user["accountExpires"] = []string{c.control}, []string{c.expires}
		u, err := dc.open(t, func(c *Config) { c.Now = at.Now }).Lookup(t.Context(), "alice")
		var account *directory.AccountError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.want == "":
		case !errors.Is(err, directory.ErrNoUser) || !errors.As(err, &account) || account.Condition != c.want || account.PasswordRight || u != nil:
			t.Errorf("%+v: %v, %v", c, u, err)
		}
	}
}

func TestRow17_AnEntryThatHidesItsStateIsNotActive(t *testing.T) {
	for what, change := range map[string]func(*controller){
		"userAccountControl is not shown": func(c *controller) { delete(c.user, "userAccountControl") },
		"userAccountControl is no number": func(c *controller) { c.user["userAccountControl"] = []string{"normal"} },
		"accountExpires is not shown":     func(c *controller) { delete(c.user, "accountExpires") },
		"accountExpires is no number":     func(c *controller) { c.user["accountExpires"] = []string{"never"} },
	} {
		t.Run(what, func(t *testing.T) {
			c := newController()
			change(c)
			d := c.open(t)
			u, err := d.Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			if u != nil {
				t.Errorf("got %+v", u)
			}
			if results := d.Check(t.Context()); results[len(results)-1].Step != "users" || results[len(results)-1].Err == nil {
				t.Errorf("tandem check says nothing of it: %+v", results)
			}
		})
	}
}

func TestRow17_WithoutThePrimaryGroupTheGroupsAreNotKnown(t *testing.T) {
	for what, change := range map[string]func(*controller){
		"no primaryGroupID":   func(c *controller) { delete(c.user, "primaryGroupID") },
		"no SID":              func(c *controller) { delete(c.user, "objectSid") },
		"a SID cut short":     func(c *controller) { c.user["objectSid"] = []string{aliceSID[:24]} },
		"an empty SID":        func(c *controller) { c.user["objectSid"] = []string{""} },
		"a number out of sid": func(c *controller) { c.user["primaryGroupID"] = []string{"4294967296"} },
		"no such group":       func(c *controller) { c.user["primaryGroupID"] = []string{"514"} },
		"a hidden group":      func(c *controller) { c.primary = nil },
		"a group without a name": func(c *controller) {
			c.primary = []*ber.Packet{entry("CN=Domain Users,CN=Users,DC=corp,DC=example,DC=com", nil)}
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newController()
			change(c)
			u, err := c.open(t).Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			if u != nil {
				t.Errorf("a user with the groups %q came of it", u.Groups)
			}
		})
	}
}

func TestPrimaryGroup(t *testing.T) {
	c := newController()
	if got := lookup(t, c.open(t), "alice").Groups; !slices.Equal(got, []string{"Domain Users"}) {
		t.Errorf("groups %q", got)
	}
	asked := c.filters()
	want := "(|(member:1.2.840.113556.1.4.1941:=" + slapdtest.UserDN("alice") + ")(member:1.2.840.113556.1.4.1941:=CN=Domain Users,CN=Users,DC=corp,DC=example,DC=com))"
	if asked[len(asked)-1] != want {
		t.Errorf("groups of groups are searched with %s, want %s", asked[len(asked)-1], want)
	}
	elsewhere := func(c *Config) { c.Groups.Base = "OU=VPN,DC=corp,DC=example,DC=com" }
	if got := lookup(t, c.open(t, elsewhere), "alice").Groups; len(got) > 0 {
		t.Errorf("a primary group outside of the base counts: %q", got)
	}
	unasked := newController()
	lookup(t, unasked.open(t, func(c *Config) { c.Groups.Base = "" }), "alice")
	if n := len(unasked.filters()); n != 1 {
		t.Errorf("%d searches although no groups are searched for", n)
	}
}

func TestRow20_ASubCodeStaysADefiniteNo(t *testing.T) {
	const word = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data "
	for text, want := range map[string]directory.AccountError{
		word + "530, v3839\x00":     {Condition: directory.OutsideHours, PasswordRight: true},
		word + "531, v3839\x00":     {Condition: directory.OtherWorkstation, PasswordRight: true},
		word + "532, v3839\x00":     {Condition: directory.PasswordExpired, PasswordRight: true},
		word + "533, v3839\x00":     {Condition: directory.AccountDisabled, PasswordRight: true},
		word + "701, v1db1":         {Condition: directory.AccountExpired, PasswordRight: true},
		word + "773, v1db1":         {Condition: directory.PasswordMustChange, PasswordRight: true},
		word + "775, v1db1":         {Condition: directory.LockedOut},
		word + "52e, v3839\x00":     {},
		word + "525, v3839\x00":     {},
		word + "5320, v3839":        {},
		word:                        {},
		"":                          {},
		"data 532, of another kind": {},
	} {
		answer := &answerError{&goldap.Error{ResultCode: goldap.LDAPResultInvalidCredentials, Err: errors.New(text)}}
		err := refusal("CN=alice", answer)
		if !errors.Is(err, directory.ErrWrongPassword) || isServersFault(err) {
			t.Errorf("%q is no definite no: %v", text, err)
		}
		var got *directory.AccountError
		if errors.As(err, &got) {
			if got.Condition != want.Condition || got.PasswordRight != want.PasswordRight || !strings.Contains(got.Error(), "CN=alice") {
				t.Errorf("%q: %+v", text, got)
			}
		} else if want.Condition != "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Only "invalid credentials" carries one.
	answer := &answerError{&goldap.Error{ResultCode: goldap.LDAPResultUnwillingToPerform, Err: errors.New(word + "532, v3839")}}
	if err := refusal("CN=alice", answer); errors.As(err, new(*directory.AccountError)) {
		t.Errorf("%v", err)
	}
}

// FuzzSubCodes: whatever a server says, a refusal stays a definite no.
func FuzzSubCodes(f *testing.F) {
	for _, seed := range []string{"", "AcceptSecurityContext error, data 775, v1db1", "AcceptSecurityContext error, data ", "data \xff"} {
		f.Add(uint16(49), seed)
	}
	f.Fuzz(func(t *testing.T, code uint16, text string) {
		err := refusal("CN=alice", &answerError{&goldap.Error{ResultCode: code, Err: errors.New(text)}})
		if !errors.Is(err, directory.ErrWrongPassword) || errors.Is(err, directory.ErrNoUser) || isServersFault(err) {
			t.Errorf("%d %q: %v", code, text, err)
		}
	})
}

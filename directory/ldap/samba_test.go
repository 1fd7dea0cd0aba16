package ldap_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/directory/ldap"
	"tandem/internal/config"
	"tandem/internal/secret"
	"tandem/test/sambatest"
)

const password = "Wonder-land1"

// domain is a real one, with the directory that the recipe in docs/active-directory.md makes.
type domain struct {
	*sambatest.Server
	directory *ldap.Directory
}

// TestActiveDirectory asks Samba. Making its domain is slow, so all share one.
func TestActiveDirectory(t *testing.T) {
	d := domain{Server: sambatest.Start(t)}
	d.directory = d.configured(t, d.TLSURL, "")
	for _, test := range []struct {
		name string
		run  func(*testing.T, domain)
	}{
		{"Names", testNames},
		{"Renaming", testRenaming},
		{"Groups", testGroups},
		{"Inactive", testInactive},
		{"SubCodes", testSubCodes},
		{"Transport", testTransport},
		{"References", testReferences},
		{"Schema", testSchema},
		{"Writing", testWriting},
		{"UsualAttributes", testUsualAttributes},
		{"Check", testCheck},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, domain{d.For(t), d.directory}) })
	}
}

// configured loads the block that the recipe shows, with the test's own server in it, and further keys after it.
func (d domain) configured(t *testing.T, url, more string) *ldap.Directory {
	t.Helper()
	text := recipe(t)
	for find, replace := range map[string]string{
		`(?m)^urls = .*$`:    fmt.Sprintf("urls = [%q]", url),
		`(?m)^ca_file = .*$`: fmt.Sprintf("ca_file = %q", d.CAFile),
	} {
		changed := regexp.MustCompile(find).ReplaceAllLiteralString(text, replace)
		if changed == text {
			t.Fatalf("the recipe has no line %s", find)
		}
		text = changed
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"ldap.secret": sambatest.ServicePassword,
		"config.toml": text + more + "\n[[radius.clients]]\nname = \"vpn\"\nnetworks = [\"192.0.2.1\"]\nsecret = \"a shared secret of the tests\"\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := config.Load(filepath.Join(folder, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	l := conf.Directory.LDAP
	made, err := ldap.New(ldap.Config{
		URLs: l.URLs, StartTLS: l.StartTLS, CAFile: l.CAFile, BindDN: l.BindDN, BindPassword: l.BindPassword,
		Base: l.Base, Filter: l.Filter, Names: directory.Names{Domains: l.Domains, Realms: l.Realms}, ActiveDirectory: l.IsActiveDirectory(),
		Attributes: ldap.Attributes{ID: l.Attributes.ID, Name: l.Attributes.Name, Devices: l.Attributes.Devices},
		Groups:     ldap.GroupSearch{Base: l.Groups.Base, Filter: l.Groups.Filter},
		Write:      ldap.Account{DN: l.Write.BindDN, Password: l.Write.BindPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return made
}

// recipe is the block of configuration in docs/active-directory.md.
func recipe(t *testing.T) string {
	t.Helper()
	_, text, _ := strings.Cut(page(t), "```toml\n")
	text, _, ok := strings.Cut(text, "```\n")
	if !ok {
		t.Fatal("docs/active-directory.md shows no configuration")
	}
	return text
}

func (d domain) lookup(t *testing.T, name string) *directory.User {
	t.Helper()
	u, err := d.directory.Lookup(t.Context(), name)
	if err != nil {
		t.Fatalf("Lookup(%q): %v", name, err)
	}
	return u
}

func (d domain) set(dn, attribute, value string) {
	d.ModifyLDIF(fmt.Sprintf("dn:: %s\nchangetype: modify\nreplace: %s\n%s: %s\n", base64.StdEncoding.EncodeToString([]byte(dn)), attribute, attribute, value))
}

func testNames(t *testing.T, d domain) {
	alice := d.AddUser(sambatest.User{Name: "alice", CommonName: `Liddell, Alice (\*)`, Password: password, LDIF: "mail: alice@example.com\nmobile: +44 20 7946 0000"})
	d.AddUser(sambatest.User{Name: "rob", Password: password, LDIF: "userPrincipalName: robert@corp.example.com"})
	d.AddUser(sambatest.User{Name: "carol", Password: password, LDIF: "userPrincipalName: carol@example.com"})
	d.AddUser(sambatest.User{Name: "dave", Password: password, LDIF: "userPrincipalName: dora@example.com"})
	d.AddUser(sambatest.User{Name: "dora", Password: password})

	u := d.lookup(t, "alice")
	if u.Name != "alice" || !strings.EqualFold(u.DN, alice) || u.Mail != "alice@example.com" || u.Phone != "+44 20 7946 0000" {
		t.Errorf("%+v, want the DN %s", u, alice)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(u.ID) {
		t.Errorf("ID %q", u.ID)
	}
	for typed, name := range map[string]string{
		"alice": "alice", "ALICE": "alice", `CORP\alice`: "alice", `corp\Alice`: "alice",
		"alice@corp.example.com": "alice", "ALICE@corp.example.com": "alice", "Alice@CORP.EXAMPLE.COM": "alice",
		"rob": "rob", "robert@corp.example.com": "rob", "rob@corp.example.com": "rob", `CORP\rob`: "rob",
		"carol": "carol", "carol@example.com": "carol", "carol@corp.example.com": "carol",
		"dave": "dave", "dora@example.com": "dave", "dora": "dora", `CORP\dora`: "dora", "dora@corp.example.com": "dora",
	} {
		got := d.lookup(t, typed)
		if got.Name != name || got.ID != d.lookup(t, name).ID {
			t.Errorf("%q is %s", typed, got.Name)
		}
		if err := d.directory.CheckPassword(t.Context(), got, password); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for typed, want := range map[string]error{
		"robert": directory.ErrNoUser, `OTHER\alice`: directory.ErrNoUser, "alice@example.com": directory.ErrNoUser,
		"alice@corp.example.com.evil": directory.ErrNoUser, `CORP\`: directory.ErrNoUser, "@corp.example.com": directory.ErrNoUser,
		`CORP\alice@corp.example.com`: directory.ErrNoUser, `CORP\*`: directory.ErrNoUser, "*@corp.example.com": directory.ErrNoUser,
		"*": directory.ErrNoUser, "alice)(sAMAccountName=*": directory.ErrNoUser, "Domain Users": directory.ErrNoUser, "DC1$": directory.ErrNoUser,
	} {
		if got, err := d.directory.Lookup(t.Context(), typed); !errors.Is(err, want) {
			t.Errorf("%q: %v, %v; want %v", typed, got, err, want)
		}
	}

	// With a second realm it is one's account and another's principal name: nobody's.
	two := d.configured(t, d.TLSURL, "realms = [\"corp.example.com\", \"example.com\"]\n")
	if got, err := two.Lookup(t.Context(), "dora@example.com"); !errors.Is(err, directory.ErrAmbiguous) {
		t.Errorf("a name of two people: %v, %v", got, err)
	}
	bare := d.configured(t, d.TLSURL, "domains = []\nrealms = []\n")
	for _, typed := range []string{`CORP\alice`, "rob@corp.example.com"} {
		if got, err := bare.Lookup(t.Context(), typed); !errors.Is(err, directory.ErrNoUser) {
			t.Errorf("with no domain and no realm, %q: %v, %v", typed, got, err)
		}
	}
}

func testRenaming(t *testing.T, d domain) {
	before := d.AddUser(sambatest.User{Name: "erin", Password: password})
	id := d.lookup(t, "erin").ID
	d.ModifyLDIF("dn: " + before + "\nchangetype: modrdn\nnewrdn: CN=Erin Smith\ndeleteoldrdn: 1\nnewsuperior: OU=Services," + sambatest.Base + "\n")
	after := "CN=Erin Smith,OU=Services," + sambatest.Base
	d.set(after, "sAMAccountName", "esmith")
	d.set(after, "userPrincipalName", "esmith@corp.example.com")
	u := d.lookup(t, "esmith")
	if u.ID != id || u.DN != after {
		t.Errorf("%+v, want the ID %s", u, id)
	}
	if err := d.directory.CheckPassword(t.Context(), u, password); err != nil {
		t.Error(err)
	}

	// Somebody new with the old name is somebody else.
	d.AddUser(sambatest.User{Name: "erin", Password: password})
	if d.lookup(t, "erin").ID == id {
		t.Error("a new account has the identifier of an old one")
	}
}

func testGroups(t *testing.T, d domain) {
	frank := d.AddUser(sambatest.User{Name: "frank", CommonName: `Stein, Frank (N.) \ *`, Password: password})
	direct := d.AddGroup("Developers (all)", frank)
	upper := d.AddGroup("Engineering", direct)
	top := d.AddGroup("VPN users", upper)
	d.ModifyLDIF("dn: " + direct + "\nchangetype: modify\nadd: member\nmember: " + top + "\n") // a cycle
	everybody := d.AddGroup("Everybody with an account", "CN=Domain Users,CN=Users,"+sambatest.Base)
	d.AddGroup("Strangers")

	all := []string{"Developers (all)", "Domain Users", "Engineering", "Everybody with an account", "Users", "VPN users"}
	check := func(what string, by *ldap.Directory, want ...string) {
		t.Helper()
		u, err := by.Lookup(t.Context(), "frank")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		slices.Sort(u.Groups)
		if !slices.Equal(u.Groups, want) {
			t.Errorf("%s: %q, want %q", what, u.Groups, want)
		}
	}
	check("as it comes", d.directory, all...)
	below := "[directory.ldap.groups]\nbase = \"" + sambatest.GroupsBase + "\"\n"
	check("below a base", d.configured(t, d.TLSURL, below), "Developers (all)", "Engineering", "Everybody with an account", "VPN users")
	check("no search", d.configured(t, d.TLSURL, "[directory.ldap.groups]\nbase = \"\"\n"), "Developers (all)")
	check("direct ones", d.configured(t, d.TLSURL, below+"filter = \"(member=%d)\"\n"), "Developers (all)", "Everybody with an account")

	// Another primary group: whoever is in it is no longer one of its members.
	number := groupNumber(t, d, everybody)
	d.ModifyLDIF("dn: " + everybody + "\nchangetype: modify\nadd: member\nmember:: " + base64.StdEncoding.EncodeToString([]byte(frank)) + "\n")
	d.set(frank, "primaryGroupID", number)
	check("another primary group", d.directory, all...)
}

// groupNumber is the last part of a group's SID.
func groupNumber(t *testing.T, d domain, dn string) string {
	t.Helper()
	e := d.asAdmin(t).read(t, dn, "objectSid")
	sid := e.GetRawAttributeValue("objectSid")
	if len(sid) < 12 {
		t.Fatalf("%s has the SID %x", dn, sid)
	}
	last := sid[len(sid)-4:]
	return fmt.Sprint(uint32(last[0]) | uint32(last[1])<<8 | uint32(last[2])<<16 | uint32(last[3])<<24)
}

// testInactive: what a login without a password, as after an SSH key, must find out by itself.
func testInactive(t *testing.T, d domain) {
	d.AddUser(sambatest.User{Name: "grace", Password: password})
	d.AddUser(sambatest.User{Name: "heidi", Password: password})
	d.lookup(t, "grace")
	d.lookup(t, "heidi")
	d.Tool("user", "disable", "grace")
	d.set(sambatest.UserDN("heidi"), "accountExpires", longAgo)
	for name, want := range map[string]directory.Condition{"grace": directory.AccountDisabled, "heidi": directory.AccountExpired} {
		u, err := d.directory.Lookup(t.Context(), name)
		var account *directory.AccountError
		if !errors.Is(err, directory.ErrNoUser) || !errors.As(err, &account) || account.Condition != want {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
	d.set(sambatest.UserDN("grace"), "userAccountControl", "66048") // with a password that never expires
	d.Tool("user", "setexpiry", "heidi", "--days=1")
	d.lookup(t, "grace")
	d.lookup(t, "heidi")
}

const longAgo = "130000000000000000" // of 2012

// testSubCodes provokes every condition, and sends a wrong password too: what is then told would be told to
// strangers.
func testSubCodes(t *testing.T, d domain) {
	const never, always = "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "////////////////////////////"
	for i, c := range []struct {
		provoke func(dn, name string)
		right   directory.Condition
		wrong   directory.Condition
	}{
		{func(string, string) {}, "", ""},
		{func(dn, _ string) { d.set(dn, "userAccountControl", "514") }, directory.AccountDisabled, ""},
		{func(dn, _ string) { d.set(dn, "accountExpires", longAgo) }, directory.AccountExpired, ""},
		{func(_, name string) {
			d.Tool("user", "setpassword", name, "--newpassword="+password, "--must-change-at-next-login")
		}, directory.PasswordMustChange, ""},
		{func(dn, _ string) { d.AgePassword(dn) }, directory.PasswordExpired, ""},
		{func(dn, _ string) {
			d.ModifyLDIF("dn: " + dn + "\nchangetype: modify\nreplace: logonHours\nlogonHours:: " + never + "\n")
		}, directory.OutsideHours, ""},
		{func(dn, _ string) {
			d.ModifyLDIF("dn: " + dn + "\nchangetype: modify\nreplace: logonHours\nlogonHours:: " + always + "\n")
		}, "", ""},
		{func(dn, _ string) { d.set(dn, "userWorkstations", "PC1") }, directory.OtherWorkstation, ""},
		{func(_, name string) {
			d.set(sambatest.Base, "lockoutThreshold", "2")
			u := d.lookup(t, name)
			for range 2 {
				if err := d.directory.CheckPassword(t.Context(), u, "wrong"); !errors.Is(err, directory.ErrWrongPassword) {
					t.Error(err)
				}
			}
		}, directory.LockedOut, directory.LockedOut},
	} {
		name := fmt.Sprintf("condition%d", i)
		dn := d.AddUser(sambatest.User{Name: name, Password: password})
		u := d.lookup(t, name)
		c.provoke(dn, name)
		check := func(password string, want directory.Condition, definite bool) {
			t.Helper()
			err := d.directory.CheckPassword(t.Context(), u, password)
			var account *directory.AccountError
			errors.As(err, &account)
			switch {
			case errors.Is(err, directory.ErrWrongPassword) != definite:
				t.Errorf("%d: %v", i, err)
			case want == "" && account != nil:
				t.Errorf("%d: told of %s", i, string(account.Condition))
			case want != "" && (account == nil || account.Condition != want):
				t.Errorf("%d: %v, want %s", i, err, string(want))
			case account != nil && account.PasswordRight && c.right == c.wrong:
				t.Errorf("%d: %s is not only said after the right password", i, string(want))
			}
		}
		check("wrong", c.wrong, true)
		check(password, c.right, c.right != "")
	}
	d.set(sambatest.Base, "lockoutThreshold", "0")
	gone := &directory.User{DN: sambatest.UserDN("gone")}
	if err := d.directory.CheckPassword(t.Context(), gone, password); !errors.Is(err, directory.ErrWrongPassword) || errors.As(err, new(*directory.AccountError)) {
		t.Errorf("an account that is not there: %v", err)
	}
}

func testTransport(t *testing.T, d domain) {
	d.AddUser(sambatest.User{Name: "ivan", Password: password})
	encrypted := d.configured(t, d.URL, "start_tls = true\n")
	u, err := encrypted.Lookup(t.Context(), "ivan")
	if err != nil {
		t.Fatalf("StartTLS: %v", err)
	}
	if err := encrypted.CheckPassword(t.Context(), u, password); err != nil {
		t.Errorf("StartTLS: %v", err)
	}

	// A controller refuses passwords that come in clear. That says nothing about the password.
	open, err := ldap.New(ldap.Config{URLs: []string{d.URL}, Base: sambatest.Base})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	err = open.CheckPassword(t.Context(), u, password)
	if err == nil || errors.Is(err, directory.ErrWrongPassword) || !strings.Contains(err.Error(), "wants TLS") {
		t.Errorf("without TLS: %v", err)
	}
}

// testReferences makes sure that the other tests here prove something: a search from the root, as the recipe has it,
// does give references.
func testReferences(t *testing.T, d domain) {
	found, err := d.asAdmin(t).Search(goldap.NewSearchRequest(sambatest.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
		"(sAMAccountName=tandem)", []string{"1.1"}, nil))
	if err != nil || len(found.Entries) != 1 || len(found.Referrals) == 0 {
		t.Errorf("%+v, %v", found, err)
	}
	d.lookup(t, "tandem")
}

// testSchema loads what packaging/ldap has for Active Directory, and sees who reads it.
func testSchema(t *testing.T, d domain) {
	ldif, err := os.ReadFile("../../packaging/ldap/active-directory.ldif")
	if err != nil {
		t.Fatal(err)
	}
	d.ModifyLDIF(strings.ReplaceAll(string(ldif), "DC=X", sambatest.Base))
	const devices = `[{"type":"TOTP","name":"phone","epoch":1795278502,"_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]`
	judy := d.AddUser(sambatest.User{Name: "judy", Password: password, LDIF: "tandemDevices: " + devices})
	if d.lookup(t, "judy").HasDevices() {
		t.Error("the service account reads devices without having been given the right")
	}

	sddl := regexp.MustCompile(`--sddl="([^"]+)"`).FindStringSubmatch(page(t))
	if sddl == nil {
		t.Fatal("docs/active-directory.md does not say how the right is given")
	}
	d.Tool("dsacl", "set", "--objectdn="+sambatest.StaffBase, "--sddl="+strings.Replace(sddl[1], ";SID)", ";"+serviceSID(t, d)+")", 1))
	if got := d.lookup(t, "judy"); len(got.Devices) != 1 || got.Devices[0].Name != "phone" {
		t.Errorf("devices %+v, skipped %+v", got.Devices, got.Skipped)
	}
	for _, who := range []string{judy, d.AddUser(sambatest.User{Name: "mallory", Password: password})} {
		c := d.as(t, who, password)
		if got := c.read(t, judy, "tandemDevices").GetAttributeValue("tandemDevices"); got != "" {
			t.Errorf("%s reads %q", who, got)
		}
		change := goldap.NewModifyRequest(judy, nil)
		change.Replace("tandemDevices", []string{"[]"})
		if err := c.Modify(change); err == nil {
			t.Errorf("%s writes the devices", who)
		}
	}
}

// testWriting comes after testSchema, which gives the service account the right to read devices.
func testWriting(t *testing.T, d domain) {
	d.AddUser(sambatest.User{Name: "peggy", Password: password})
	add := func(name, key string) directory.Change {
		return directory.Change{Add: []directory.Device{{Type: directory.TypeTOTP, Name: name, Epoch: 1, Secret: secret.New(strings.Repeat(key, 20))}}}
	}
	as := func(dn, password string) *ldap.Directory {
		return d.configured(t, d.TLSURL, fmt.Sprintf("[directory.ldap.write]\nbind_dn = %q\nbind_password = %q\n", dn, password))
	}
	victor := as(d.AddUser(sambatest.User{Name: "victor", Password: password}), password)
	if err := victor.ChangeDevices(t.Context(), d.lookup(t, "peggy"), add("phone", "p")); !errors.Is(err, directory.ErrReadOnly) {
		t.Errorf("an account without the right: %v", err)
	}
	writer := as(sambatest.AdminDN, sambatest.AdminPassword)
	var running sync.WaitGroup
	for n := range 8 {
		running.Go(func() {
			if err := writer.ChangeDevices(t.Context(), d.lookup(t, "peggy"), add(fmt.Sprintf("phone %d", n), fmt.Sprint(n))); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	u := d.lookup(t, "peggy")
	if len(u.Devices) != 8 {
		t.Fatalf("%+v", u.Devices)
	}
	change := directory.Change{Remove: []string{u.Devices[0].ID()}, Rename: map[string]string{u.Devices[1].ID(): "new name"}}
	if err := writer.ChangeDevices(t.Context(), u, change); err != nil {
		t.Fatal(err)
	}
	if u := d.lookup(t, "peggy"); len(u.Devices) != 7 || u.Devices[0].Name != "new name" {
		t.Errorf("%+v", u.Devices)
	}
}

// testUsualAttributes is why the recipe warns of keeping devices, or where to send codes, in these.
func testUsualAttributes(t *testing.T, d domain) {
	niaj := d.AddUser(sambatest.User{Name: "niaj", Password: password, LDIF: "description: everybody reads this"})
	olivia := d.as(t, d.AddUser(sambatest.User{Name: "olivia", Password: password}), password)
	if got := olivia.read(t, niaj, "description").GetAttributeValue("description"); got == "" {
		t.Error("a user does not read another's description")
	}
	own := d.as(t, niaj, password)
	for attribute, writable := range map[string]bool{"info": true, "mobile": true, "description": false, "mail": false} {
		change := goldap.NewModifyRequest(niaj, nil)
		change.Replace(attribute, []string{"+44 20 7946 0001"})
		if err := own.Modify(change); (err == nil) != writable {
			t.Errorf("users write their own %s: %v", attribute, err)
		}
	}
}

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/active-directory.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serviceSID is the service account's SID as text (MS-DTYP §2.4.2.1).
func serviceSID(t *testing.T, d domain) string {
	t.Helper()
	sid := d.asAdmin(t).read(t, sambatest.ServiceDN, "objectSid").GetRawAttributeValue("objectSid")
	text := "S-1-5"
	for part := range slices.Chunk(sid[8:], 4) {
		text += fmt.Sprintf("-%d", uint32(part[0])|uint32(part[1])<<8|uint32(part[2])<<16|uint32(part[3])<<24)
	}
	return text
}

func testCheck(t *testing.T, d domain) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, r := range d.directory.Check(ctx) {
		if r.Err != nil {
			t.Errorf("%+v", r)
		}
	}
}

// client is somebody's own connection.
type client struct{ *goldap.Conn }

func (d domain) asAdmin(t *testing.T) client {
	return d.as(t, sambatest.AdminDN, sambatest.AdminPassword)
}

func (d domain) as(t *testing.T, dn, password string) client {
	t.Helper()
	c, err := goldap.DialURL(d.TLSURL, goldap.DialWithTLSConfig(d.TLS()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Bind(dn, password); err != nil {
		t.Fatal(err)
	}
	return client{c}
}

func (c client) read(t *testing.T, dn, attribute string) *goldap.Entry {
	t.Helper()
	found, err := c.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%s: %v, %v", dn, found, err)
	}
	return found.Entries[0]
}

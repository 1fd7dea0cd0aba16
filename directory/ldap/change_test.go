package ldap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/test/slapdtest"
)

const (
	writerDN       = "cn=enrol,ou=services," + slapdtest.Base
	writerPassword = "writer-password"
	sessionsBase   = "ou=psessions," + slapdtest.Base
	gluuAttribute  = "employeeType" // it takes values as Gluu's oxExternalUid does
)

// estate starts a server with a write account, and the bases of Gluu's and LemonLDAP::NG's devices.
func estate(t testing.TB, ldif string, users ...slapdtest.User) *slapdtest.Server {
	t.Helper()
	s := slapdtest.Start(t, slapdtest.Options{
		Users: users,
		LDIF: "dn: " + writerDN + "\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: enrol\nuserPassword: " + writerPassword +
			"\n\ndn: " + sessionsBase + "\nobjectClass: organizationalUnit\nou: psessions\n\n" + ldif,
		Access: `
access to dn.subtree="` + sessionsBase + `" by dn.exact="` + writerDN + `" write by * read
access to attrs=employeeType by dn.exact="` + writerDN + `" write by * read
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`,
	})
	// What docs/devices.md says to put before the rule of packaging/ldap.
	err := s.ModifyLDIFAs(slapdtest.ConfigDN, slapdtest.AdminPassword, `dn: olcDatabase={1}mdb,cn=config
changetype: modify
add: olcAccess
olcAccess: {0}to attrs=tandemDevices
  by dn.exact="`+slapdtest.ServiceDN+`" read
  by dn.exact="`+writerDN+`" write
  by * none
`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writing is config with the write account and these sources.
func writing(url string, sources ...Source) Config {
	c := config(url)
	c.Write = Account{DN: writerDN, Password: secret.New(writerPassword)}
	c.Devices = Devices{Sources: sources, GluuAttribute: gluuAttribute, SessionsBase: sessionsBase}
	return c
}

// newTOTP is a device of its own for each n.
func newTOTP(n int) directory.Device {
	return directory.Device{
		Type: directory.TypeTOTP, Name: fmt.Sprintf("phone %d", n), Epoch: 1_800_000_000,
		Secret: secret.New(fmt.Sprintf("a secret of %8d", n)),
	}
}

func adds(devices ...directory.Device) directory.Change { return directory.Change{Add: devices} }

// change makes c of the user's devices and returns the user as a login would see them then.
func change(t testing.TB, d *Directory, name string, c directory.Change) *directory.User {
	t.Helper()
	if err := d.ChangeDevices(t.Context(), lookup(t, d, name), c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return lookup(t, d, name)
}

// raw reads an attribute as it is written.
func raw(t testing.TB, s *slapdtest.Server, dn, attribute string) []string {
	t.Helper()
	c, err := goldap.DialURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(slapdtest.AdminDN, slapdtest.AdminPassword); err != nil {
		t.Fatal(err)
	}
	found, err := c.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return found.Entries[0].GetAttributeValues(attribute)
}

var sourceCases = []struct {
	source Source
	users  []slapdtest.User
}{
	{SourceAttribute, []slapdtest.User{{Name: "bare"}}},
	{SourceAttribute, []slapdtest.User{{Name: "bare", Devices: []string{`[]`}}}},
	{SourceGluu, []slapdtest.User{{Name: "bare", LDIF: "employeeType: passport-saml:bare"}}},
	{SourceSessions, []slapdtest.User{{Name: "bare"}}},
}

func TestRow25_OfAHundredAddsNoneIsLost(t *testing.T) {
	for i, c := range sourceCases {
		t.Run(fmt.Sprintf("%s %d", c.source, i), func(t *testing.T) {
			s := estate(t, "", c.users...)
			const daemons, each = 10, 10
			var running sync.WaitGroup
			for n := range daemons {
				d := open(t, writing(s.URL, c.source))
				u := lookup(t, d, "bare")
				for m := range each {
					running.Go(func() {
						if err := d.ChangeDevices(t.Context(), u, directory.Change{Add: []directory.Device{newTOTP(n*each + m)}, Most: 100}); err != nil {
							t.Errorf("device %d: %v", n*each+m, err)
						}
					})
				}
			}
			running.Wait()
			u := lookup(t, open(t, writing(s.URL, c.source)), "bare")
			if len(u.Devices) != daemons*each || len(u.Skipped) != 0 {
				t.Errorf("%d devices and %d problems are there: %v", len(u.Devices), len(u.Skipped), u.Skipped)
			}
			if err := open(t, writing(s.URL, c.source)).ChangeDevices(t.Context(), u, directory.Change{Add: []directory.Device{newTOTP(100)}, Most: 100}); !errors.Is(err, directory.ErrTooManyDevices) {
				t.Errorf("one too many: %v", err)
			}
		})
	}
}

func TestRow25_OfTwoFirstDevicesOneIsLeft(t *testing.T) {
	for i, c := range sourceCases {
		t.Run(fmt.Sprintf("%s %d", c.source, i), func(t *testing.T) {
			var users []slapdtest.User
			const rounds = 12
			for n := range rounds {
				u := c.users[0]
				u.Name = fmt.Sprintf("bare%d", n)
				users = append(users, u)
			}
			s := estate(t, "", users...)
			one, other := open(t, writing(s.URL, c.source)), open(t, writing(s.URL, c.source))
			for n := range rounds {
				var running sync.WaitGroup
				errs := make([]error, 4)
				u := lookup(t, one, users[n].Name)
				for i := range errs {
					d := one
					if i%2 == 0 {
						d = other
					}
					running.Go(func() {
						errs[i] = d.ChangeDevices(t.Context(), u, directory.Change{Add: []directory.Device{newTOTP(i)}, OnlyFirst: true})
					})
				}
				running.Wait()
				good := 0
				for _, err := range errs {
					switch {
					case err == nil:
						good++
					case !errors.Is(err, directory.ErrHasDevices):
						t.Errorf("round %d: %v", n, err)
					}
				}
				if got := lookup(t, one, users[n].Name); good != 1 || len(got.Devices) != 1 || len(got.Skipped) != 0 {
					t.Fatalf("round %d: %d were told that theirs is the first, and %d are there", n, good, len(got.Devices))
				}
			}
		})
	}
}

func TestRow22_UnknownEntriesStayAsTheyAre(t *testing.T) {
	const okta = `{ "type" : "Okta", "x":{"deep":[1, 2.50,null]},"name":"o\u00e9"}`
	const other = `{"name":"old","type":"TOTP","_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","epoch":"5", "_mine" : [ true ] }`
	s := estate(t, "", slapdtest.User{Name: "alice", Devices: []string{"[ " + okta + " , " + other + "]"}})
	d := open(t, writing(s.URL, SourceAttribute))

	u := change(t, d, "alice", adds(newTOTP(1)))
	want := "[ " + okta + " , " + other + `,{"type":"TOTP","name":"phone 1","epoch":1800000000,"_secret":"meqhgzldojsxiidpmyqcaibaeaqcaiby"}]`
	got := raw(t, s, u.DN, "tandemDevices")
	if len(got) != 1 || !strings.HasPrefix(got[0], "[ "+okta+" , "+other+",{") {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	u = change(t, d, "alice", directory.Change{Rename: map[string]string{u.Devices[0].ID(): "new name"}})
	if got := raw(t, s, u.DN, "tandemDevices"); !strings.HasPrefix(got[0], "[ "+okta+" , "+strings.Replace(other, "old", "new name", 1)+",{") {
		t.Fatalf("renamed: %s", got)
	}
	u = change(t, d, "alice", directory.Change{Remove: []string{u.Devices[0].ID(), u.Devices[1].ID()}})
	if got := raw(t, s, u.DN, "tandemDevices"); got[0] != "[ "+okta+"]" {
		t.Fatalf("removed: %s", got)
	}
	u = change(t, d, "alice", directory.Change{Remove: []string{u.Skipped[0].ID}})
	if got := raw(t, s, u.DN, "tandemDevices"); len(got) != 0 || u.HasDevices() {
		t.Fatalf("all removed: %s", got)
	}
}

func TestWithoutTheRightAnAdministratorGetsLDIF(t *testing.T) {
	psession := `{"_session_id":"` + directory.SessionID("alice") + `","_2fDevices":"[{\"type\":\"UBK\",\"name\":\"key\",\"epoch\":1,\"_yubikey\":\"ccccccelerpg\"}]","é":1}`
	for _, c := range []struct {
		source Source
		user   slapdtest.User
		ldif   string
	}{
		{SourceAttribute, alice, ""},
		{SourceAttribute, slapdtest.User{Name: "alice"}, ""},
		{SourceGluu, slapdtest.User{Name: "alice", LDIF: "employeeType: totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="}, ""},
		{SourceSessions, slapdtest.User{Name: "alice"}, ""},
		{SourceSessions, slapdtest.User{Name: "alice"}, sessionLDIF("alice", psession)},
	} {
		s := estate(t, c.ldif, c.user)
		conf := writing(s.URL, c.source)
		conf.Write = Account{} // the service account only reads
		d := open(t, conf)
		u := lookup(t, d, "alice")
		add := adds(newTOTP(1))
		err := d.ChangeDevices(t.Context(), u, add)
		if !errors.Is(err, directory.ErrReadOnly) {
			t.Fatalf("%s: %v", c.source, err)
		}
		for _, part := range []string{s.URL, slapdtest.ServiceDN, "write account"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %v", c.source, part, err)
			}
		}
		for _, what := range []directory.Change{add, {Remove: ids(u.Devices)}} {
			before := len(lookup(t, d, "alice").Devices)
			ldif, err := d.ChangeLDIF(t.Context(), u, what)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(ldif, "\n") {
				if len(line) > ldifWidth {
					t.Errorf("a line of %d", len(line))
				}
			}
			s.ModifyLDIF(ldif)
			if after := lookup(t, d, "alice"); len(after.Devices) != before+len(what.Add)-len(what.Remove) || len(after.Skipped) > 0 {
				t.Errorf("%s: before %d, after %+v", c.source, before, after)
			}
			if len(what.Add)+len(what.Remove) > 0 {
				if err := s.ModifyLDIFAs(slapdtest.AdminDN, slapdtest.AdminPassword, ldif); err == nil && c.source != SourceGluu {
					t.Errorf("%s: the LDIF does its work a second time:\n%s", c.source, ldif)
				}
			}
		}
	}
}

func ids(devices []directory.Device) []string {
	var all []string
	for _, d := range devices {
		all = append(all, d.ID())
	}
	return all
}

// sessionLDIF is a persistent session as LemonLDAP::NG writes it.
func sessionLDIF(name, session string) string {
	var b strings.Builder
	id := directory.SessionID(name)
	ldifLine(&b, "dn", "cn="+id+","+sessionsBase)
	ldifLine(&b, "objectClass", "top")
	ldifLine(&b, "objectClass", "applicationProcess")
	ldifLine(&b, "cn", id)
	ldifLine(&b, "description", session)
	return b.String() + "\n"
}

func TestSessionsAreReadAndWrittenBack(t *testing.T) {
	const before = `{ "_loginHistory":{"successLogin":[{"_utime":1795278523,"ipAddr":"127.0.0.1"}]}, "_2fDevices" : `
	const after = `, "_session_uid":"dwho" , "_updateTime":"20261121162843"}`
	const portal = `"[{\"name\":\"myTOTP\",\"_secret\":\"jj4yj5hxlyfjn7lgzzv2sg22w4dfq5an\",\"type\":\"TOTP\",\"epoch\":1795278523}]"`
	s := estate(t, sessionLDIF("dwho", before+portal+after), slapdtest.User{Name: "dwho"}, slapdtest.User{Name: "rtyler"})
	d := open(t, writing(s.URL, SourceSessions))
	dn := "cn=5efe8af397fc3577e05b483aca964f1b," + sessionsBase // recorded from LemonLDAP::NG

	u := lookup(t, d, "dwho")
	if len(u.Devices) != 1 || u.Devices[0].Name != "myTOTP" || !strings.Contains(u.Devices[0].Source, "5efe8af397fc3577e05b483aca964f1b") {
		t.Fatalf("%+v", u)
	}
	u = change(t, d, "dwho", adds(newTOTP(1)))
	got := raw(t, s, dn, "description")
	if len(got) != 1 || !strings.HasPrefix(got[0], before+strings.TrimSuffix(portal, `]"`)+",") || !strings.HasSuffix(got[0], after) || len(u.Devices) != 2 {
		t.Fatalf("%s, %+v", got, u.Devices)
	}
	u = change(t, d, "dwho", directory.Change{Remove: ids(u.Devices[1:])})
	if got := raw(t, s, dn, "description"); got[0] != before+portal+after || len(u.Devices) != 1 {
		t.Errorf("%s", got)
	}
	change(t, d, "dwho", directory.Change{Remove: ids(u.Devices)})
	if got := raw(t, s, dn, "description"); got[0] != before+`"[]"`+after {
		t.Errorf("%s", got)
	}

	// Who was never at the portal gets a session such as it would make.
	u = change(t, d, "rtyler", adds(newTOTP(2)))
	dn = "cn=8d3bc3b0e14ea2a155f275aa7c07ebee," + sessionsBase
	if got := raw(t, s, dn, "objectClass"); !slices.Equal(got, []string{"top", "applicationProcess"}) {
		t.Errorf("classes %q", got)
	}
	if got := raw(t, s, dn, "description"); len(u.Devices) != 1 || !strings.Contains(got[0], `"_session_uid":"rtyler"`) || !strings.Contains(got[0], `"_session_kind":"Persistent"`) {
		t.Errorf("%s", got)
	}
}

func TestRow17_SessionsThatCannotBeReadAreNotNone(t *testing.T) {
	two := sessionLDIF("two", `{"_2fDevices":"[]"}`)
	s := estate(t, strings.TrimSuffix(two, "\n")+"description: another\n\n"+sessionLDIF("broken", `{"_2fDevices":[]}`),
		slapdtest.User{Name: "two"}, slapdtest.User{Name: "broken"}, slapdtest.User{Name: "none"})
	d := open(t, writing(s.URL, SourceSessions))
	for _, name := range []string{"two", "broken"} {
		u := lookup(t, d, name)
		if !u.HasDevices() || len(u.Skipped) != 1 {
			t.Errorf("%s: %+v", name, u)
		}
		if err := d.ChangeDevices(t.Context(), u, adds(newTOTP(1))); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if lookup(t, d, "none").HasDevices() {
		t.Error("none has devices")
	}
	c := writing(s.URL, SourceSessions)
	c.Devices.SessionsBase = "ou=nowhere," + slapdtest.Base
	_, err := open(t, c).Lookup(t.Context(), "none")
	nothingKnown(t, err)
	if err == nil || !strings.Contains(err.Error(), "ou=nowhere") {
		t.Error(err)
	}
}

func TestRow22_ADeviceInSeveralSourcesCountsOnce(t *testing.T) {
	const key = `"_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"`
	s := estate(t, sessionLDIF("alice", `{"_2fDevices":"[{\"type\":\"TOTP\",\"name\":\"portal\",\"epoch\":7,\"_secret\":\"gezdgnbvgy3tqojqgezdgnbvgy3tqojq\"}]"}`),
		slapdtest.User{
			Name: "alice", Devices: []string{`[{"type":"TOTP","name":"phone","epoch":5,` + key + `}]`},
			LDIF: "employeeType: passport-saml:x\nemployeeType: totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\nemployeeType: hotp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=;2",
		})
	d := open(t, writing(s.URL, SourceAttribute, SourceSessions, SourceGluu))
	u := lookup(t, d, "alice")
	if len(u.Devices) != 2 || u.Devices[0].Name != "phone" || u.Devices[1].Type != directory.TypeHOTP || u.Devices[1].Counter != 2 {
		t.Fatalf("%+v", u.Devices)
	}
	if err := d.ChangeDevices(t.Context(), u, directory.Change{Rename: map[string]string{u.Devices[1].ID(): "token"}}); err == nil || !strings.Contains(err.Error(), "Gluu keeps no names") {
		t.Error(err)
	}
	if err := d.ChangeDevices(t.Context(), u, directory.Change{Add: []directory.Device{newTOTP(1)}, Remove: ids(u.Devices[:1])}); err == nil || !strings.Contains(err.Error(), "remove first") {
		t.Error(err)
	}
	// It goes from all three, or it would be there again.
	u = change(t, d, "alice", directory.Change{Remove: ids(u.Devices[:1])})
	if len(u.Devices) != 1 {
		t.Errorf("%+v", u.Devices)
	}
	if got := raw(t, s, u.DN, "employeeType"); !slices.Equal(got, []string{"passport-saml:x", "hotp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=;2"}) {
		t.Errorf("%q", got)
	}
}

func TestHalfAChangeSaysSo(t *testing.T) {
	const device = `[{"type":"UBK","name":"key","epoch":1,"_yubikey":"ccccccelerpg"}]`
	s := estate(t, sessionLDIF("alice", `{"_2fDevices":`+strconv.Quote(device)+`}`), slapdtest.User{Name: "alice", LDIF: "title: " + device})
	c := writing(s.URL, SourceAttribute, SourceSessions)
	c.Attributes.Devices = "title" // which the write account may not write
	d := open(t, c)
	u := lookup(t, d, "alice")
	if len(u.Devices) != 1 {
		t.Fatalf("%+v", u.Devices)
	}
	err := d.ChangeDevices(t.Context(), u, directory.Change{Remove: ids(u.Devices)})
	if !errors.Is(err, directory.ErrReadOnly) || !strings.Contains(err.Error(), "is changed already") {
		t.Error(err)
	}
	if again := lookup(t, d, "alice"); len(again.Devices) != 1 || again.Devices[0].ID() != u.Devices[0].ID() {
		t.Errorf("it cannot be repeated: %+v", again.Devices)
	}
}

func TestRow50_SecretsAreEncryptedWhereAKeyIs(t *testing.T) {
	s := estate(t, "", slapdtest.User{Name: "alice"})
	c := writing(s.URL, SourceAttribute)
	c.Devices.Options.CryptKey = secret.New("changeme")
	u := change(t, open(t, c), "alice", adds(newTOTP(1)))
	if len(u.Devices) != 1 || u.Devices[0].Secret.Reveal() != newTOTP(1).Secret.Reveal() {
		t.Fatalf("%+v", u)
	}
	if got := raw(t, s, u.DN, "tandemDevices"); !strings.Contains(got[0], `"_secret":"{llngcrypt}`) {
		t.Errorf("%s", got)
	}
}

func TestWritesThatNoServerTakes(t *testing.T) {
	s := estate(t, "", slapdtest.User{Name: "noclass"})
	s.ModifyLDIF("dn: " + slapdtest.UserDN("noclass") + "\nchangetype: modify\ndelete: objectClass\nobjectClass: tandemUser\n-\n")
	err := open(t, writing(s.URL, SourceAttribute)).ChangeDevices(t.Context(), lookup(t, open(t, config(s.URL)), "noclass"), adds(newTOTP(1)))
	if err == nil || errors.Is(err, directory.ErrReadOnly) || !strings.Contains(err.Error(), "tandemUser") {
		t.Errorf("without the class: %v", err)
	}
}

func TestTheObjectClassIsAdded(t *testing.T) {
	// The first without the class and without a value; the second at the same time as others.
	s := estate(t, "", slapdtest.User{Name: "one"})
	s.ModifyLDIF("dn: " + slapdtest.UserDN("one") + "\nchangetype: modify\ndelete: objectClass\nobjectClass: tandemUser\n-\n")
	c := writing(s.URL, SourceAttribute)
	c.Devices.ObjectClass = "TandemUser"
	c.Write = Account{DN: slapdtest.AdminDN, Password: secret.New(slapdtest.AdminPassword)}
	d := open(t, c)
	ldif, err := d.ChangeLDIF(t.Context(), lookup(t, d, "one"), adds(newTOTP(0)))
	if err != nil || !strings.Contains(ldif, "add: objectClass\nobjectClass: TandemUser\n-\nadd: tandemDevices\n") {
		t.Errorf("%v\n%s", err, ldif)
	}
	var running sync.WaitGroup
	for n := range 5 {
		running.Go(func() {
			if err := d.ChangeDevices(t.Context(), lookup(t, d, "one"), adds(newTOTP(n))); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if u := lookup(t, d, "one"); len(u.Devices) != 5 {
		t.Errorf("%+v", u.Devices)
	}
}

func TestRow20_AWriteAccountThatIsRefusedHarmsNoLogin(t *testing.T) {
	s := estate(t, "", alice)
	c := writing(s.URL, SourceAttribute)
	c.Write.Password = secret.New("wrong")
	d := open(t, c)
	u := lookup(t, d, "alice")
	if err := d.ChangeDevices(t.Context(), u, adds(newTOTP(1))); !errors.Is(err, directory.ErrReadOnly) || !strings.Contains(err.Error(), writerDN) {
		t.Errorf("with the wrong password: %v", err)
	}
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("logins suffer from the write account: %v", err)
	}
}

func TestRow16_NothingIsWrittenToAnotherPersonsEntry(t *testing.T) {
	s := estate(t, "", alice)
	u := lookup(t, open(t, config(s.URL)), "alice")
	s.ModifyLDIF("dn: " + u.DN + "\nchangetype: delete\n")
	if err := open(t, writing(s.URL, SourceAttribute)).ChangeDevices(t.Context(), u, adds(newTOTP(1))); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("the entry has gone: %v", err)
	}
	s.ModifyLDIF("dn: " + u.DN + "\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: tandemUser\nuid: alice\ncn: other\nsn: other\n")
	if err := open(t, writing(s.URL, SourceAttribute)).ChangeDevices(t.Context(), u, adds(newTOTP(1))); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("the entry is another person's: %v", err)
	}
}

// TestTheLDIFIsForLdapmodify: long values, and such as are not plain text.
func TestTheLDIFIsForLdapmodify(t *testing.T) {
	path, err := exec.LookPath("ldapmodify")
	if err != nil {
		t.Fatal("this test needs ldapmodify: apt-get install ldap-utils")
	}
	o := operation{dn: "uid=é,dc=example", changes: []valueChange{{"description", [][]byte{[]byte(" begins with a space")}, [][]byte{[]byte(strings.Repeat("long ", 50) + "é")}}}}
	var b strings.Builder
	o.ldif(&b)
	file := filepath.Join(t.TempDir(), "x.ldif")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "-n", "-v", "-f", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "delete description") {
		t.Errorf("%v\n%s\n%s", err, out, b.String())
	}
}

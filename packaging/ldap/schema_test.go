// Package ldapschema tests, in a real slapd, the schema and the ACL that stand in this folder.
package ldapschema

import (
	"os"
	"regexp"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"tandem/test/slapdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const devices = `[{"type":"TOTP","name":"phone","epoch":1795278502,"_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]`

// generousAccess is what follows our rule in a careless directory: users write their own entries and
// read everybody's.
const generousAccess = `
access to attrs=userPassword by anonymous auth by self write by * none
access to * by self write by * read
`

var people = []slapdtest.User{
	{Name: "alice", Password: "wonderland", Mail: "alice@example.org"},
	{Name: "mallory", Password: "mallory", Mail: "mallory@example.org"},
}

func enrolAlice(s *slapdtest.Server) {
	s.ModifyLDIF("dn: " + slapdtest.UserDN("alice") + `
changetype: modify
add: objectClass
objectClass: tandemUser
-
add: tandemDevices
tandemDevices: ` + devices + "\n")
}

func TestSlapdConf(t *testing.T) {
	// The server includes tandem.schema and acl.conf; its users have the class already.
	s := slapdtest.Start(t, slapdtest.Options{Users: people, Access: generousAccess})
	s.ModifyLDIF("dn: " + slapdtest.UserDN("alice") + "\nchangetype: modify\nadd: tandemDevices\ntandemDevices: " + devices + "\n")
	onlyTheServiceAccountReads(t, s)
}

func TestCNConfig(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: people, Access: generousAccess, WithoutSchema: true})
	for _, file := range []string{"tandem.ldif", "acl.ldif"} {
		ldif := read(t, file)
		if !strings.Contains(ldif, "changetype:") { // what ldapadd means without being told
			ldif = strings.Replace(ldif, "\nobjectClass:", "\nchangetype: add\nobjectClass:", 1)
		}
		if err := s.ModifyLDIFAs(slapdtest.ConfigDN, slapdtest.AdminPassword, ldif); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	enrolAlice(s)
	onlyTheServiceAccountReads(t, s)
}

func onlyTheServiceAccountReads(t *testing.T, s *slapdtest.Server) {
	t.Helper()
	alice, mallory := slapdtest.UserDN("alice"), slapdtest.UserDN("mallory")
	for _, c := range []struct {
		who, dn, password string
		reads             bool
	}{
		{"the service account", slapdtest.ServiceDN, slapdtest.ServicePassword, true},
		{"anonymous", "", "", false},
		{"the user", alice, "wonderland", false},
		{"another user", mallory, "mallory", false},
	} {
		t.Run(c.who, func(t *testing.T) {
			conn, err := goldap.DialURL(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if c.dn != "" {
				if err := conn.Bind(c.dn, c.password); err != nil {
					t.Fatal(err)
				}
			}
			// The entry itself is there for all, so that what is missing is missing for our ACL.
			entries := search(t, conn, "(uid=alice)")
			if len(entries) != 1 || entries[0].GetAttributeValue("mail") != "alice@example.org" {
				t.Fatalf("%s does not see alice's entry at all: %v", c.who, entries)
			}
			if got := entries[0].GetAttributeValue("tandemDevices"); (got == devices) != c.reads || (got == "") == c.reads {
				t.Errorf("%s reads %q", c.who, got)
			}
			if found := len(search(t, conn, "(tandemDevices=*)")) == 1; found != c.reads {
				t.Errorf("%s finds who has devices: %v", c.who, found)
			}
			same, err := conn.Compare(alice, "tandemDevices", devices)
			if (same && err == nil) != c.reads {
				t.Errorf("%s compares the secret: %v, %v", c.who, same, err)
			}
			change := goldap.NewModifyRequest(alice, nil)
			change.Replace("tandemDevices", []string{"[]"})
			if err := conn.Modify(change); err == nil {
				t.Errorf("%s writes the devices", c.who)
			}
		})
	}
}

func search(t *testing.T, conn *goldap.Conn, filter string) []*goldap.Entry {
	t.Helper()
	found, err := conn.Search(goldap.NewSearchRequest(slapdtest.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases,
		0, 0, false, filter, []string{"mail", "tandemDevices"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return found.Entries
}

func TestBothSchemaFormsSayTheSame(t *testing.T) {
	definition := regexp.MustCompile(`(?is)(attributetypes?|objectclass(?:es)?):? (\( 2\.25\..*?\s\))\n`)
	normal := func(file string) (all []string) {
		for _, m := range definition.FindAllStringSubmatch(read(t, file), -1) {
			all = append(all, strings.Join(strings.Fields(m[2]), " "))
		}
		return all
	}
	schema, ldif := normal("tandem.schema"), normal("tandem.ldif")
	if len(schema) != 2 || strings.Join(schema, "\n") != strings.Join(ldif, "\n") {
		t.Errorf("tandem.schema and tandem.ldif differ:\n%q\n%q", schema, ldif)
	}
}

func TestReadmeShowsTheACLs(t *testing.T) {
	readme := read(t, "README.md")
	for _, file := range []string{"acl.conf", "acl.ldif"} {
		text := read(t, file)
		for strings.HasPrefix(text, "#") {
			_, text, _ = strings.Cut(text, "\n")
		}
		if !strings.Contains(readme, text) {
			t.Errorf("README.md does not show the rule of %s as it stands there", file)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package sambatest_test

import (
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"tandem/test/sambatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	s := sambatest.Start(t)
	alice := s.AddUser(sambatest.User{Name: "alice", CommonName: "Liddell, Alice", Password: "Wonder-land1", LDIF: "info: here"})
	s.AddGroup("Staff", alice)

	c, err := goldap.DialURL(s.TLSURL, goldap.DialWithTLSConfig(s.TLS()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(sambatest.ServiceDN, sambatest.ServicePassword); err != nil {
		t.Fatalf("the service account: %v", err)
	}
	found, err := c.Search(goldap.NewSearchRequest(alice, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=user)", []string{"memberOf", "info"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if e := found.Entries[0]; e.GetAttributeValue("memberOf") != sambatest.GroupDN("Staff") || e.GetAttributeValue("info") != "here" {
		t.Errorf("%v", e)
	}
	s.Tool("user", "disable", "alice")
	s.AgePassword(alice)
	if err := c.Bind(alice, "Wonder-land1"); !goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) {
		t.Errorf("a disabled account: %v", err)
	}
}

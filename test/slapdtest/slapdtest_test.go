package slapdtest_test

import (
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"tandem/test/slapdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func bind(t *testing.T, url, dn, password string) error {
	t.Helper()
	c, err := goldap.DialURL(url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetTimeout(300 * time.Millisecond)
	return c.Bind(dn, password)
}

func TestServer(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: []slapdtest.User{{Name: "alice", Password: "wonderland"}}})
	alice := slapdtest.UserDN("alice")

	if err := bind(t, s.URL, alice, "wonderland"); err != nil {
		t.Fatalf("the right password: %v", err)
	}
	if err := bind(t, s.URL, alice, "wrong"); !goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) {
		t.Fatalf("a wrong password: %v", err)
	}
	if n := s.Binds(strings.ToUpper(alice)); n != 2 {
		t.Errorf("%d binds counted, 2 were made", n)
	}

	s.Stop()
	if err := bind(t, s.URL, alice, "wonderland"); err == nil {
		t.Error("a stopped server answers")
	}
	if n := s.Binds(alice); n != 2 {
		t.Errorf("%d binds in the log of the stopped server, 2 were made", n)
	}
	s.Start()
	if err := bind(t, s.URL, alice, "wonderland"); err != nil {
		t.Errorf("after a restart: %v", err)
	}

	s.Pause()
	if err := bind(t, s.URL, alice, "wonderland"); err == nil {
		t.Error("a paused server answers")
	}
	s.Resume()
	s.ModifyLDIF("dn: " + alice + "\nchangetype: modify\nreplace: userPassword\nuserPassword: new\n")
	if err := bind(t, s.URL, alice, "new"); err != nil {
		t.Errorf("after ModifyLDIF: %v", err)
	}
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/sambatest"
)

const adPassword = "Wonder-land1"

// onActiveDirectory has a client for append at 127.0.0.1 and one for code-only at 127.0.0.3. Without Tandem's schema,
// devices stand in an attribute that every domain has.
func onActiveDirectory(s *sambatest.Server) string {
	var b strings.Builder
	for _, mode := range []string{"append", "code-only"} {
		fmt.Fprintf(&b, "[[radius.clients]]\nname = %q\nnetworks = [%q]\nsecret = %q\npolicy = %q\n[[policies]]\nname = %q\nmode = %q\n",
			mode, from[mode], sharedSecret, mode, mode, mode)
	}
	fmt.Fprintf(&b, `[directory]
type = "ldap"
[directory.ldap]
preset = "active-directory"
urls = [%q]
ca_file = %q
base = %q
bind_dn = %q
bind_password = %q
[directory.ldap.attributes]
devices = "description"
`, s.TLSURL, s.CAFile, sambatest.Base, sambatest.ServiceName, sambatest.ServicePassword)
	return b.String()
}

func auditText(d *daemon) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

func TestActiveDirectory(t *testing.T) {
	samba := sambatest.Start(t)
	tokens := map[string]*token{}
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		tokens[name] = newToken(name)
		samba.AddUser(sambatest.User{Name: name, Password: adPassword, LDIF: "description: " + hotpJSON(tokens[name])})
	}
	spellings := func(name string) []string {
		return []string{name, `CORP\` + name, strings.ToUpper(name) + "@corp.example.com"}
	}
	d := newDaemon(t, onActiveDirectory(samba), nil)

	t.Run("one user under every name", func(t *testing.T) {
		for _, user := range spellings("alice") {
			code := tokens["alice"].press(t)
			d.want(d.try(user, adPassword+code), radius.CodeAccessAccept, user)
			for _, again := range spellings("alice") {
				d.want(d.try(again, adPassword+code), radius.CodeAccessReject, "a used code as "+again)
			}
		}
		ids := map[string]bool{}
		for _, found := range regexp.MustCompile(`"account_id":"[^"]*"`).FindAllString(auditText(d), -1) {
			ids[found] = true
		}
		if len(ids) != 1 {
			t.Errorf("the audit knows several: %v", ids)
		}
	})
	t.Run("one bucket under every name", func(t *testing.T) {
		for i := range 5 {
			d.want(d.try(spellings("bob")[i%3], adPassword+"000000"), radius.CodeAccessReject, "a wrong code")
		}
		for _, user := range spellings("bob") {
			d.want(d.try(user, adPassword+tokens["bob"].press(t)), radius.CodeAccessReject, user)
			if r := d.lastReason(); r != "throttled" {
				t.Errorf("%s: reason %s", user, r)
			}
		}
	})
	t.Run("a disabled account has no use for its code", func(t *testing.T) {
		enter := func() *radiusclient.Reply {
			return d.exchangeFrom(from["code-only"], 8*time.Second, radiusclient.Request{User: "carol", Password: secret.New(tokens["carol"].press(t))})
		}
		d.want(enter(), radius.CodeAccessAccept, "before")
		samba.Tool("user", "disable", "carol")
		d.want(enter(), radius.CodeAccessReject, "after")
	})
	t.Run("the audit says why a right password is not enough", func(t *testing.T) {
		samba.AgePassword(sambatest.UserDN("dave"))
		d.want(d.try("dave", adPassword+tokens["dave"].press(t)), radius.CodeAccessReject, "with a password that has expired")
		if audit := auditText(d); !strings.Contains(audit, "its password has expired") {
			t.Errorf("the audit does not:\n%s", audit)
		}
		if r := d.lastReason(); r != "account-state" {
			t.Errorf("reason %s", r)
		}
	})
}

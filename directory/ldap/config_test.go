package ldap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
)

func TestMistakesInTheConfiguration(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Config)
		want   string // in the error; empty: no mistake
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.URLs = nil }, "names no server"},
		{func(c *Config) { c.URLs = []string{"http://h"} }, "unknown scheme"},
		{func(c *Config) { c.URLs = []string{"ldaps://"} }, "must be a scheme, a host"},
		{func(c *Config) { c.URLs = []string{"ldaps://h/dc=example"} }, "must be a scheme, a host"},
		{func(c *Config) { c.URLs = []string{"ldaps://u:hunter2@h"} }, "holds a user or password"},
		{func(c *Config) { c.URLs = []string{"ldaps://u:hunter2@h:x"} }, "cannot be read"},
		{func(c *Config) { c.URLs = []string{"ldapi://slapd"} }, "names no socket"},
		{func(c *Config) { c.URLs, c.StartTLS = []string{"ldaps://h"}, true }, "StartTLS has no ldap://"},
		{func(c *Config) { c.CAFile = "/nonexistent/ca.pem" }, "/nonexistent/ca.pem"},
		{func(c *Config) { c.CAFile = notPEM }, "no certificate in PEM"},
		{func(c *Config) { c.BindPassword = secret.String{} }, "would log in as nobody"},
		{func(c *Config) { c.BindDN = "" }, "without BindDN"},
		{func(c *Config) { c.BindDN, c.BindPassword = "", secret.String{} }, ""},
		{func(c *Config) { c.Base = " " }, "Base is empty"},
		{func(c *Config) { c.Base = "example" }, "is no DN"},
		{func(c *Config) { c.Scope = "base" }, "Scope"},
		{func(c *Config) { c.Filter = "(uid=alice)" }, "has no %u"},
		{func(c *Config) { c.Filter = "(uid=%u" }, "is no LDAP filter"},
		{func(c *Config) { c.Filter = "uid=%u" }, "no LDAP filter"},
		{func(c *Config) { c.Filter = "(%u=x)" }, "where no value is"},
		{func(c *Config) { c.Filter = "(&(uid=%u)(%u=x))" }, "where no value is"},
		{func(c *Config) { c.Filter = "%u" }, "where no value is"},
		{func(c *Config) { c.Filter = "(|(uid=%u)(mail=%u@example.org))" }, ""},
		{func(c *Config) { c.Filter = "(uid:caseExactMatch:=%u)" }, ""},
		{func(c *Config) { c.Attributes.Devices = "_2fDevices" }, "names begin with a letter"},
		{func(c *Config) { c.Attributes.Extra = []string{"cn)(x"} }, "names begin with a letter"},
		{func(c *Config) { c.Attributes.ID = "1.3.6.1.1.16.4" }, ""},
		{func(c *Config) { c.Attributes.Extra = []string{"cn;lang-en"} }, ""},
		{func(c *Config) { c.Groups.Nested = true }, "needs Groups.Base"},
		{func(c *Config) { c.Groups.Base = "groups" }, "is no DN"},
		{func(c *Config) { c.Groups = GroupSearch{Base: "dc=x", Filter: "(objectClass=*)"} }, "neither %d nor %u"},
		{func(c *Config) { c.Groups = GroupSearch{Base: "dc=x", Filter: "(member=%d"} }, "no LDAP filter"},
		{func(c *Config) { c.Groups = GroupSearch{Base: "dc=x", Filter: "(memberUid=%u)", Nested: true} }, "needs %d"},
		{func(c *Config) {
			c.Groups = GroupSearch{Base: "dc=x", Filter: "(member:1.2.840.113556.1.4.1941:=%d)"}
		}, ""},
		{func(c *Config) { c.Devices.Sources = []Source{"ldif"} }, `names "ldif", which is none of`},
		{func(c *Config) { c.Devices.Sources = []Source{SourceGluu, SourceGluu} }, `names "gluu" twice`},
		{func(c *Config) { c.Devices.WriteTo = SourceGluu }, "is not among Devices.Sources"},
		{func(c *Config) { c.Devices.Sources = []Source{SourceSessions} }, "Devices.SessionsBase is empty"},
		{func(c *Config) {
			c.Devices = Devices{Sources: []Source{SourceSessions}, SessionsBase: "sessions"}
		}, `Devices.SessionsBase "sessions" is no DN`},
		{func(c *Config) { c.Devices = Devices{Sources: []Source{SourceGluu}, GluuAttribute: "_x"} }, "names begin with a letter"},
		{func(c *Config) { c.Devices.ObjectClass = "a class" }, `Devices.ObjectClass "a class"`},
		{func(c *Config) { c.Write.Password = secret.New("x") }, "Write.Password stands without Write.DN"},
		{func(c *Config) { c.Write.DN = "cn=writer" }, `the password of Write.DN "cn=writer" is empty`},
		{func(c *Config) { c.BindConnections = -1 }, "at least 1"},
		{func(c *Config) { c.OperationTimeout = -time.Second }, "not be negative"},
	} {
		conf := config("ldaps://ldap.example.org")
		c.change(&conf)
		d, err := New(conf)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("refused: %v", err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("got %v, want %q", err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a secret: %v", err)
		}
		if d != nil {
			_ = d.Close()
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := New(Config{URLs: []string{"x", "ldap://h"}, Filter: "("})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"x"`, `"ldap://h"`, "Base", "Filter"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	d := open(t, config("ldaps://ldap.example.org", "ldaps://[2001:db8::1]:3636", "ldapi://%2Frun%2Fslapd%2Fldapi"))
	c := d.config
	if c.Filter != "(uid=%u)" || c.Attributes.ID != "entryUUID" || c.SearchConnections != 64 || c.BindConnections != 64 ||
		c.ConnectTimeout != 2*time.Second || c.OperationTimeout != 3*time.Second || c.RetryDown != 15*time.Second {
		t.Errorf("%+v", c)
	}
	for i, want := range []string{"ldap.example.org:636", "[2001:db8::1]:3636", "/run/slapd/ldapi"} {
		if got := d.servers[i].endpoint.address; got != want {
			t.Errorf("address %q, want %q", got, want)
		}
	}
}

package ldap

import (
	"fmt"
	"strings"
	"testing"

	"tandem/test/slapdtest"
)

// hiding is an ACL under which the service account may log in and search, and does not see one attribute.
func hiding(attribute string) string {
	return "access to attrs=" + attribute + " by * none\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n"
}

func TestCheck(t *testing.T) {
	people := []slapdtest.User{alice}
	good := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: people})
	stopped := slapdtest.Start(t, slapdtest.Options{})
	stopped.Stop()
	noDevices := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{{Name: "bare"}}})
	noID := slapdtest.Start(t, slapdtest.Options{Users: people, Access: hiding("entryUUID")})
	unknown := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{{Name: "bare"}}, WithoutSchema: true})
	hidden := slapdtest.Start(t, slapdtest.Options{
		Users: []slapdtest.User{{Name: "alice", LDIF: "description: " + totp}}, Access: hiding("description"),
	})

	everywhere := alice
	everywhere.LDIF = gluuAttribute + ": totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="
	all := estate(t, sessionLDIF("alice", "{}"), everywhere)

	for _, c := range []struct {
		what   string
		url    string
		change func(*Config)
		steps  []string // "step ok", "step warning" or "step error: part of the text"
	}{
		{"good", good.URL, nil, []string{"connect ok", "service account ok", "users ok", "devices ok"}},
		{"good TLS", good.TLSURL, func(c *Config) { c.CAFile = good.CAFile }, []string{"connect ok", "service account ok", "users ok", "devices ok"}},
		{"down", stopped.URL, nil, []string{"connect error: connection refused"}},
		{"unknown authority", good.TLSURL, nil, []string{"connect error: CAFile"}},
		{"wrong service account", good.URL, func(c *Config) { c.BindDN = slapdtest.UserDN("alice") }, []string{"connect ok", "service account error: check the DN and the password"}},
		{"no base", good.URL, func(c *Config) { c.Base = "dc=nowhere" }, []string{"connect ok", "service account ok", "users error: check that this DN exists"}},
		{"no users", good.URL, func(c *Config) { c.Base = slapdtest.GroupsBase }, []string{"connect ok", "service account ok", "users error: no entry below"}},
		{"no identifier", noID.URL, nil, []string{"connect ok", "service account ok", "users error: shows no attribute entryUUID"}},
		{"nobody has devices", noDevices.URL, nil, []string{"connect ok", "service account ok", "users ok", "devices warning"}},
		{"no schema", unknown.URL, nil, []string{"connect ok", "service account ok", "users ok", "devices warning"}},
		{"all sources and a write account", all.URL, func(c *Config) { *c = writing(all.URL, SourceAttribute, SourceGluu, SourceSessions) }, []string{"connect ok", "service account ok", "users ok", "devices ok", "gluu ok", "sessions ok", "write account ok"}},
		{"nothing in any source", good.URL, func(c *Config) {
			*c = writing(good.URL, SourceGluu, SourceSessions)
			c.Devices.SessionsBase = slapdtest.GroupsBase
		}, []string{"connect ok", "service account ok", "users ok", "gluu warning", "sessions warning", "write account error: " + writerDN}},
		{"devices hidden by ACL", hidden.URL, func(c *Config) { c.Attributes.Devices = "description" }, []string{"connect ok", "service account ok", "users ok", "devices warning"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			conf := config(c.url)
			if c.change != nil {
				c.change(&conf)
			}
			results := open(t, conf).Check(t.Context())
			if len(results) != len(c.steps) {
				t.Fatalf("%+v, want %q", results, c.steps)
			}
			for i, r := range results {
				got := r.Step + " ok"
				switch {
				case r.Err != nil && r.Warning:
					got = r.Step + " warning"
				case r.Err != nil:
					got = fmt.Sprintf("%s error: %v", r.Step, r.Err)
				}
				step, text, _ := strings.Cut(c.steps[i], ": ")
				if !strings.HasPrefix(got, step) || !strings.Contains(got, text) {
					t.Errorf("got %q, want %q", got, c.steps[i])
				}
				if r.URL != c.url || (r.Err == nil) == (r.Found == "") {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// LDAP does not say that there is something which one may not see. So the user seems to have no devices, and
// only Check can tell.
func TestRow17_HiddenDevicesAreFoundByCheck(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{
		Users: []slapdtest.User{{Name: "alice", LDIF: "description: " + totp}}, Access: hiding("description"),
	})
	c := config(s.URL)
	c.Attributes.Devices = "description"
	d := open(t, c)
	if u := lookup(t, d, "alice"); u.HasDevices() {
		t.Fatal("the ACL hides nothing")
	}
	results := d.Check(t.Context())
	if last := results[len(results)-1]; last.Step != "devices" || last.Err == nil || !strings.Contains(last.Err.Error(), "may not read it") {
		t.Errorf("%+v", last)
	}
}

func TestCheckLooksAtEveryServer(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	results := open(t, config("ldap://127.0.0.1:1", s.URL)).Check(t.Context())
	if len(results) != 5 || results[0].Err == nil || results[4].URL != s.URL || results[4].Err != nil {
		t.Errorf("%+v", results)
	}
}

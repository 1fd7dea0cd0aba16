package config_test

import (
	"reflect"
	"strings"
	"testing"
)

const adHead = `
[[radius.clients]]
name = "vpn"
networks = ["192.0.2.1"]
secret = "a shared secret of the tests"
[directory]
type = "ldap"
[directory.ldap]
urls = ["ldaps://dc1.corp.example.com"]
`

func TestActiveDirectoryPreset(t *testing.T) {
	l := mustLoad(t, adHead+`preset = "active-directory"
base = "OU=Staff,ou=All,DC=Corp,dc=example,DC=com"
`).Directory.LDAP
	if !l.IsActiveDirectory() || l.Attributes.ID != "objectGUID" || l.Attributes.Name != "sAMAccountName" {
		t.Errorf("%+v", l)
	}
	if want := []string{"CORP"}; !reflect.DeepEqual(l.Domains, want) {
		t.Errorf("domains %q, want %q", l.Domains, want)
	}
	if want := []string{"Corp.example.com"}; !reflect.DeepEqual(l.Realms, want) {
		t.Errorf("realms %q, want %q", l.Realms, want)
	}
	if want := "DC=Corp,DC=example,DC=com"; l.Groups.Base != want {
		t.Errorf("groups below %q, want %q", l.Groups.Base, want)
	}
	if l.Scope != "sub" || l.Groups.Name != "cn" || l.BindConnections != 64 {
		t.Errorf("a preset changed what it has no opinion on: %+v", l)
	}
}

// TestKeysOfTheFileOutweighAPreset: all of them, also where they are empty.
func TestKeysOfTheFileOutweighAPreset(t *testing.T) {
	l := mustLoad(t, adHead+`preset = "active-directory"
base = "OU=Staff,DC=corp,DC=example,DC=com"
filter = "(mail=%u)"
domains = []
realms = ["example.com", "example.org"]
[directory.ldap.attributes]
id = "objectSid"
name = "mail"
[directory.ldap.groups]
base = ""
filter = "(member=%d)"
`).Directory.LDAP
	if l.Filter != "(mail=%u)" || len(l.Domains) != 0 || len(l.Realms) != 2 || l.Attributes.ID != "objectSid" || l.Attributes.Name != "mail" ||
		l.Groups.Base != "" || l.Groups.Filter != "(member=%d)" {
		t.Errorf("%+v", l)
	}
}

// TestABaseOutsideOfDNS gives no domain to derive anything from.
func TestABaseOutsideOfDNS(t *testing.T) {
	const text = adHead + "preset = \"active-directory\"\nbase = \"O=Example\"\n"
	if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), "directory.ldap.groups.base: is missing") {
		t.Errorf("got %v", err)
	}
	l := mustLoad(t, text+"groups.base = \"\"\n").Directory.LDAP
	if l.Groups.Base != "" || len(l.Domains) != 0 || len(l.Realms) != 0 {
		t.Errorf("%+v", l)
	}
}

package slapdtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// defaultAccess follows the ACL of packaging/ldap unless Options.Access says otherwise.
const defaultAccess = `
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`

// config is the slapd.conf of s.
func (s *Server) config(o Options) string {
	s.t.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	for _, schema := range []string{"core", "cosine", "inetorgperson"} {
		line("include /etc/ldap/schema/%s.schema", schema)
	}
	packaging := filepath.Join(projectRoot(s.t), "packaging", "ldap")
	if !o.WithoutSchema {
		line("include %s", filepath.Join(packaging, "tandem.schema"))
	}
	line("pidfile %s", filepath.Join(s.folder, "pid"))
	line("argsfile %s", filepath.Join(s.folder, "args"))
	line("modulepath /usr/lib/ldap")
	line("moduleload back_mdb")
	line("threads 4")
	if o.TLS {
		line("TLSCACertificateFile %s", s.CAFile)
		line("TLSCertificateFile %s", filepath.Join(s.folder, "cert.pem"))
		line("TLSCertificateKeyFile %s", filepath.Join(s.folder, "key.pem"))
		line("TLSVerifyClient never")
	}
	line("%s", o.Global)

	// Lets tests change a running server as its administrator would: ldapmodify on cn=config.
	line("database config")
	line("rootpw %s", AdminPassword)

	line("database mdb")
	line("suffix %q", Base)
	line("rootdn %q", AdminDN)
	line("rootpw %s", AdminPassword)
	line("directory %s", filepath.Join(s.folder, "db"))
	line("maxsize 67108864")
	line("dbnosync") // a test's data needs no fsync
	line("index objectClass,uid,member eq")
	if !o.WithoutSchema {
		line("include %s", filepath.Join(packaging, "acl.conf"))
	}
	if o.Access == "" {
		o.Access = defaultAccess
	}
	line("%s", o.Access)
	line("%s", o.Database)
	return b.String()
}

// entries is the LDIF that a new server is loaded with.
func entries(o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n", Base)
	for _, unit := range []string{"people", "groups", "services"} {
		fmt.Fprintf(&b, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n", unit, Base, unit)
	}
	fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: tandem\nuserPassword: %s\n\n",
		ServiceDN, ServicePassword)
	for _, u := range o.Users {
		b.WriteString(u.entry(o.WithoutSchema))
	}
	b.WriteString(o.LDIF)
	return b.String()
}

func (u User) entry(withoutSchema bool) string {
	var b strings.Builder
	value := func(attribute, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", attribute, value)
		}
	}
	value("dn", UserDN(u.Name))
	value("objectClass", "inetOrgPerson")
	if !withoutSchema {
		value("objectClass", "tandemUser")
	}
	value("uid", u.Name)
	value("cn", u.Name)
	value("sn", u.Name)
	value("userPassword", u.Password)
	value("mail", u.Mail)
	value("mobile", u.Phone)
	for _, d := range u.Devices {
		value("tandemDevices", d)
	}
	if u.LDIF != "" {
		b.WriteString(strings.TrimRight(u.LDIF, "\n") + "\n")
	}
	return b.String() + "\n"
}

// projectRoot is the folder of go.mod: tests run in the folder of their package.
func projectRoot(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	for ; err == nil && folder != "/"; folder = filepath.Dir(folder) {
		if _, missing := os.Stat(filepath.Join(folder, "go.mod")); missing == nil {
			return folder
		}
	}
	t.Fatal("no go.mod above the folder that the test runs in")
	return ""
}

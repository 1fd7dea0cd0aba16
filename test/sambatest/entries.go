package sambatest

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"
)

// User is somebody in the domain.
type User struct {
	// Name is the sAMAccountName, and with the realm the userPrincipalName.
	Name string
	// CommonName is what the entry is called by; default Name.
	CommonName string
	// Password must satisfy the domain's rules: seven characters of three kinds.
	Password string
	// LDIF holds further lines of the entry.
	LDIF string
}

// UserDN is the name of an entry that AddUser makes.
func UserDN(commonName string) string { return "CN=" + goldap.EscapeDN(commonName) + "," + StaffBase }

// GroupDN is the name of an entry that AddGroup makes.
func GroupDN(name string) string { return "CN=" + goldap.EscapeDN(name) + "," + GroupsBase }

// AddUser makes an account as Windows' own tools do, and returns its DN.
func (s *Server) AddUser(u User) (dn string) {
	s.t.Helper()
	if u.CommonName == "" {
		u.CommonName = u.Name
	}
	dn = UserDN(u.CommonName)
	s.add(dn, u)
	return dn
}

func (s *Server) add(dn string, u User) {
	s.t.Helper()
	ldif := fmt.Sprintf("dn:: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: %s\nuserAccountControl: 512\nunicodePwd:: %s\n",
		base64.StdEncoding.EncodeToString([]byte(dn)), u.Name, quoted(u.Password))
	if !strings.Contains(u.LDIF, "userPrincipalName:") {
		ldif += fmt.Sprintf("userPrincipalName: %s@%s\n", u.Name, Realm)
	}
	s.ModifyLDIF(ldif + u.LDIF + "\n")
}

// quoted is a password as unicodePwd takes it (MS-ADTS §3.1.1.3.1.5), in base64.
func quoted(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// AddGroup makes a global security group with these members (DNs) and returns its DN.
func (s *Server) AddGroup(name string, members ...string) (dn string) {
	s.t.Helper()
	dn = GroupDN(name)
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nchangetype: add\nobjectClass: group\nsAMAccountName: %s\n", dn, name)
	for _, m := range members {
		fmt.Fprintf(&b, "member:: %s\n", base64.StdEncoding.EncodeToString([]byte(m)))
	}
	s.ModifyLDIF(b.String())
	return dn
}

// ModifyLDIF runs LDIF with changetype lines as the administrator, as ldapmodify does.
func (s *Server) ModifyLDIF(ldif string) {
	s.t.Helper()
	// OpenLDAP's library puts the machine's own name in the place of "localhost" when it looks at the certificate.
	url := strings.Replace(s.TLSURL, "localhost", "127.0.0.1", 1)
	// "-y /dev/stdin" would take the LDIF's place, so the password is handed over in a file.
	password := s.write("password", []byte(AdminPassword))
	cmd := exec.Command(program(s.t, "ldapmodify", "ldap-utils"), "-x", "-H", url, "-D", AdminDN, "-y", password)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CAFile)
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("ldapmodify: %v\n%s\n%s", err, out, ldif)
	}
}

// Tool runs samba-tool on the domain.
func (s *Server) Tool(args ...string) {
	s.t.Helper()
	cmd := exec.Command(program(s.t, "samba-tool", "samba"), append(args, "-H", s.database(), "--configfile="+s.smbConf())...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("samba-tool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (s *Server) database() string { return s.domainFolder() + "/private/sam.ldb" }

// AgePassword makes the password of dn one of 2012. LDAP lets nobody do that, so it is done in Samba's database.
func (s *Server) AgePassword(dn string) {
	s.t.Helper()
	const script = `
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

settings, database, dn = sys.argv[1:]
lp = LoadParm()
lp.load(settings)
# DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID: pwdLastSet is otherwise 0 or now.
SamDB(database, lp=lp, session_info=system_session()).modify_ldif(
    "dn: %s\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 130000000000000000\n" % dn,
    controls=["local_oid:1.3.6.1.4.1.7165.4.3.12:0"])
`
	// The system's own Python is the one that has Samba's modules.
	cmd := exec.Command(program(s.t, "/usr/bin/python3", "python3-samba"), "-", s.smbConf(), s.database(), dn)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("python3 with Samba's modules (apt-get install python3-samba): %v\n%s", err, out)
	}
}

// Package sambatest runs a real domain controller of Active Directory for tests: Debian's Samba, with a domain made
// for the test in a folder of its own.
//
//	s := sambatest.Start(t)
//	s.AddUser(sambatest.User{Name: "alice", Password: "Wonder-land1", LDIF: "mail: alice@example.com"})
//	s.AddGroup("VPN users", sambatest.UserDN("alice"))
//	… s.URL, s.TLSURL, s.CAFile, sambatest.ServiceDN, sambatest.ServicePassword …
//	s.ModifyLDIF("dn: …\nchangetype: modify\n…")   // as the domain's administrator
//
// Samba insists on the ports 389 and 636, so it has a network namespace of its own, and s.URL and s.TLSURL are
// free ports of 127.0.0.1 that lead there. Of Samba's services only LDAP is started: no DNS, no Kerberos, no files.
//
// A domain takes about five seconds to make: share one among the tests of a package. The server ends with the test. A
// test machine without Samba is a failed test; without root, which the namespace needs, the test is skipped.
package sambatest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/test/slapdtest"
)

// The domain.
const (
	Realm  = "corp.example.com"
	Domain = "CORP" // its NetBIOS name
	Base   = "DC=corp,DC=example,DC=com"
	// StaffBase is where AddUser puts users, GroupsBase where AddGroup puts groups.
	StaffBase  = "OU=Staff," + Base
	GroupsBase = "OU=Groups," + Base

	AdminDN       = "CN=Administrator,CN=Users," + Base
	AdminPassword = "Admin-passw0rd"
	// The service account is a user without any rights of its own; ServiceName is its principal name.
	ServiceDN       = "CN=tandem,OU=Services," + Base
	ServiceName     = "tandem@" + Realm
	ServicePassword = "Service-passw0rd"
)

// patience bounds every wait for Samba; a loaded machine is slow.
const patience = 60 * time.Second

// Server is one domain controller.
type Server struct {
	// URL is ldap://localhost:port, for StartTLS; TLSURL is ldaps://localhost:port.
	URL, TLSURL string
	// CAFile holds the certificate of the authority behind TLS, in PEM.
	CAFile string

	t          testing.TB
	folder     string
	network    *namespace
	forwarders []*forwarder
	process    *exec.Cmd
	leash      *os.File // Samba ends when the other end of this pipe, its standard input, does
	ended      chan struct{}
}

// Start makes a domain and serves it until the end of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("Samba's domain controller needs root, and this test a network namespace: run it as root")
	}
	s := &Server{t: t, folder: t.TempDir()}
	s.makeCertificate()
	s.provision()
	t.Cleanup(s.stop)
	if err := s.start(); err != nil {
		t.Fatalf("Samba does not start: %v\n%s", err, s.tail())
	}
	for _, unit := range []string{"Staff", "Groups", "Services"} {
		s.ModifyLDIF(fmt.Sprintf("dn: OU=%s,%s\nchangetype: add\nobjectClass: organizationalUnit\n", unit, Base))
	}
	s.add(ServiceDN, User{Name: "tandem", Password: ServicePassword})
	return s
}

// For is the same server for a part of the test: what goes wrong with it is reported there.
func (s *Server) For(t testing.TB) *Server {
	part := *s
	part.t = t
	return &part
}

// TLS trusts the server.
func (s *Server) TLS() *tls.Config {
	s.t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM(pem)
	return c
}

func (s *Server) makeCertificate() {
	s.t.Helper()
	authority := slapdtest.NewAuthority(s.t)
	cert, key := authority.Issue("localhost", "127.0.0.1")
	s.CAFile = s.write("ca.pem", authority.PEM)
	s.write("cert.pem", cert)
	s.write("key.pem", key)
}

func (s *Server) write(name string, text []byte) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// domainFolder is what is Samba's own; its configuration is domainFolder/etc/smb.conf.
func (s *Server) domainFolder() string { return filepath.Join(s.folder, "dc") }

// provision makes the domain. The settings given here end up in its smb.conf.
func (s *Server) provision() {
	s.t.Helper()
	settings := s.write("smb.conf", fmt.Appendf(nil, `[global]
server services = ldap
interfaces = lo
bind interfaces only = yes
tls enabled = yes
tls cafile = %[1]s/ca.pem
tls certfile = %[1]s/cert.pem
tls keyfile = %[1]s/key.pem
pid directory = %[1]s
ncalrpc dir = %[1]s/ncalrpc
log file = %[1]s/log.%%m
ldb:nosync = true
dsdb:schema update allowed = true
`, s.folder))
	cmd := exec.Command(program(s.t, "samba-tool", "samba"), "domain", "provision", "--configfile="+settings,
		"--targetdir="+s.domainFolder(), "--realm="+Realm, "--domain="+Domain, "--server-role=dc", "--dns-backend=NONE",
		"--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass="+AdminPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("samba-tool domain provision (apt-get install samba samba-ad-provision samba-dsdb-modules samba-vfs-modules): %v\n%s", err, out)
	}
}

func (s *Server) start() (err error) {
	if s.network, err = newNamespace(); err != nil {
		return err
	}
	if err := s.run(); err != nil {
		return err
	}
	for _, port := range []string{"389", "636"} {
		f, err := forward(func() (net.Conn, error) { return s.network.dial(port) })
		if err != nil {
			return err
		}
		s.forwarders = append(s.forwarders, f)
	}
	s.URL = "ldap://" + localhost(s.forwarders[0])
	s.TLSURL = "ldaps://" + localhost(s.forwarders[1])

	for deadline := time.Now().Add(patience); ; {
		if err = s.answers(); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("it ended at once")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer for %v: %w", patience, err)
		}
	}
}

func localhost(f *forwarder) string {
	_, port, _ := net.SplitHostPort(f.address)
	return net.JoinHostPort("localhost", port)
}

// run starts the process inside the namespace.
func (s *Server) run() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	stdin, leash, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = stdin.Close() }()
	s.leash = leash

	cmd := exec.Command(program(s.t, "samba", "samba"), "--foreground", "--no-process-group", "--model=single", "--debug-stdout",
		"--configfile="+s.smbConf())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, log, log
	s.network.enter(func() { err = cmd.Start() })
	if err != nil {
		return err
	}
	s.process, s.ended = cmd, make(chan struct{})
	go func() { // ends with the process, which stop ends
		_ = cmd.Wait()
		close(s.ended)
	}()
	return nil
}

func (s *Server) smbConf() string { return filepath.Join(s.domainFolder(), "etc", "smb.conf") }
func (s *Server) logFile() string { return filepath.Join(s.folder, "log") }

func (s *Server) stop() {
	if s.leash != nil {
		_ = s.leash.Close()
	}
	if s.process != nil {
		select {
		case <-s.ended:
		case <-time.After(5 * time.Second):
			_ = s.process.Process.Kill()
			<-s.ended
		}
	}
	for _, f := range s.forwarders {
		f.close()
	}
	if s.network != nil {
		s.network.close()
	}
}

// answers asks for the root entry.
func (s *Server) answers() error {
	c, err := goldap.DialURL(s.URL, goldap.DialWithDialer(&net.Dialer{Timeout: patience}))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetTimeout(patience)
	_, err = c.Search(goldap.NewSearchRequest("", goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return err
}

func (s *Server) tail() string {
	b, _ := os.ReadFile(s.logFile())
	lines := bytes.Split(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-30):], []byte("\n")))
}

// program finds one of Debian's programs; Samba's own are not on every PATH.
func program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("this test needs %s: apt-get install %s", name, debianPackage)
	return ""
}

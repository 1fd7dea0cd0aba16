// Package slapdtest runs a real OpenLDAP server for tests: Debian's slapd, in a folder of its own, on
// free ports of 127.0.0.1, with Tandem's schema and the ACL from packaging/ldap.
//
//	s := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: []slapdtest.User{{Name: "alice", Password: "…"}}})
//	… s.URL, s.TLSURL, s.CAFile, slapdtest.ServiceDN, slapdtest.ServicePassword …
//	s.Stop(); s.Start()     // the same port and the same data
//	s.Pause(); s.Resume()   // a server that hangs: connections open, no answer comes
//	s.Binds(slapdtest.UserDN("alice"))   // how often somebody tried to log in as alice
//
// The server ends with the test. A test machine without slapd is a failed test, not a skipped one.
package slapdtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/test/freeport"
	"tandem/test/pause"
)

// What every server holds.
const (
	Base            = "dc=example,dc=org"
	PeopleBase      = "ou=people," + Base
	GroupsBase      = "ou=groups," + Base
	AdminDN         = "cn=admin," + Base
	AdminPassword   = "admin-password"
	ConfigDN        = "cn=config" // with AdminPassword
	ServiceDN       = "cn=tandem,ou=services," + Base
	ServicePassword = "service-password"
)

// patience bounds every wait for slapd; a loaded machine is slow.
const patience = 20 * time.Second

// Options say what a server is to be. The zero value is a server on ldap:// without users.
type Options struct {
	// TLS adds an ldaps:// port and StartTLS, with a certificate by an authority made for the test.
	TLS bool
	// CertNames are the names in that certificate; default localhost and 127.0.0.1.
	CertNames []string
	// Users stand below PeopleBase.
	Users []User
	// LDIF holds further entries.
	LDIF string
	// WithoutSchema leaves Tandem's schema out, and with it the ACL that names its attribute.
	WithoutSchema bool
	// Access holds the ACLs that follow the one of packaging/ldap; default: passwords are for
	// authentication only, everything else may be read by all.
	Access string
	// Global and Database hold further lines of slapd.conf.
	Global, Database string
}

// User is an inetOrgPerson with the auxiliary class tandemUser.
type User struct {
	// Name is the uid; UserDN makes the entry's name of it.
	Name string
	// Password is kept in clear; empty: the entry has none.
	Password string
	Mail     string
	Phone    string
	// Devices are the values of tandemDevices.
	Devices []string
	// LDIF holds further lines of the entry.
	LDIF string
}

// UserDN is the name of the entry of a user in Options.Users.
func UserDN(name string) string { return "uid=" + goldap.EscapeDN(name) + "," + PeopleBase }

// Server is one slapd.
type Server struct {
	// URL is ldap://127.0.0.1:port; TLSURL is ldaps://localhost:port, empty without TLS.
	URL, TLSURL string
	// CAFile holds the certificate of the authority behind TLS, in PEM.
	CAFile string

	t       testing.TB
	folder  string
	listen  string
	process *exec.Cmd
	ended   chan struct{} // closed when process has ended
	marks   int
	mu      sync.Mutex // guards marks
}

// Start runs a server until the end of the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, folder: t.TempDir()}
	s.prepare(o)
	t.Cleanup(s.Stop)
	for attempt := 1; ; attempt++ {
		s.choosePorts(o.TLS)
		err := s.start()
		if err == nil {
			return s
		}
		// Somebody else may have taken the port between our look and slapd's.
		if attempt == 3 {
			t.Fatalf("slapd does not start: %v\n%s", err, s.tail())
		}
	}
}

// Start runs the server again after Stop, on the same ports with the same data.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("slapd does not start again: %v\n%s", err, s.tail())
	}
}

// Stop ends the server and waits until it has gone. Stopping a stopped server does nothing.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	s.Resume()
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	s.process = nil
}

// Pause makes the server hang: the kernel still accepts connections for it, and nothing is answered.
func (s *Server) Pause() {
	if s.process == nil {
		return
	}
	if err := pause.Process(s.process.Process); err != nil {
		s.t.Fatalf("slapd: %v", err)
	}
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("cannot send %v to slapd: %v", sig, err)
	}
}

// ModifyLDIF runs LDIF with changetype lines as the administrator, as ldapmodify does.
func (s *Server) ModifyLDIF(ldif string) {
	s.t.Helper()
	if err := s.ModifyLDIFAs(AdminDN, AdminPassword, ldif); err != nil {
		s.t.Fatal(err)
	}
}

// ModifyLDIFAs is ModifyLDIF as somebody else.
func (s *Server) ModifyLDIFAs(dn, password, ldif string) error {
	s.t.Helper()
	// "-y /dev/stdin" would take the LDIF's place, so the password is handed over in a file.
	file := filepath.Join(s.folder, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program(s.t, "ldapmodify", "ldap-utils"), "-x", "-H", s.URL, "-D", dn, "-y", file)
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ldapmodify as %s: %w\n%s", dn, err, out)
	}
	return nil
}

// prepare writes slapd.conf and loads the entries.
func (s *Server) prepare(o Options) {
	s.t.Helper()
	slapadd := program(s.t, "slapadd", "slapd")
	if err := os.Mkdir(filepath.Join(s.folder, "db"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if o.TLS {
		s.makeCertificate(o.CertNames)
	}
	s.write("slapd.conf", s.config(o))
	cmd := exec.Command(slapadd, "-q", "-f", filepath.Join(s.folder, "slapd.conf"), "-b", Base)
	cmd.Stdin = strings.NewReader(entries(o))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("slapadd: %v\n%s", err, out)
	}
}

func (s *Server) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *Server) choosePorts(tls bool) {
	s.t.Helper()
	port := freePort(s.t)
	s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", port)
	s.listen = s.URL
	if tls {
		port = freePort(s.t)
		s.TLSURL = fmt.Sprintf("ldaps://localhost:%d", port)
		s.listen += fmt.Sprintf(" ldaps://127.0.0.1:%d", port)
	}
}

func (s *Server) start() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// -d keeps slapd in the foreground; "stats" logs one line an operation.
	cmd := exec.Command(program(s.t, "slapd", "slapd"), "-d", "stats", "-h", s.listen, "-f", filepath.Join(s.folder, "slapd.conf"))
	cmd.Stdout, cmd.Stderr = log, log
	// A test binary that is killed takes its slapd along. (The signal comes when the thread ends that
	// started slapd; Go ends threads only with goroutines that have locked them.)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.ended = cmd, make(chan struct{})
	go func(ended chan<- struct{}) { // ends with the process, which Stop ends
		_ = cmd.Wait()
		close(ended)
	}(s.ended)

	for deadline := time.Now().Add(patience); ; {
		if err = s.answers(); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			s.process = nil
			return errors.New("it ended at once")
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Stop()
			return fmt.Errorf("no answer for %v: %w", patience, err)
		}
	}
}

// answers asks for the root entry.
func (s *Server) answers() error {
	return s.search(goldap.NewSearchRequest("", goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
}

func (s *Server) search(r *goldap.SearchRequest) error {
	c, err := goldap.DialURL(s.URL, goldap.DialWithDialer(&net.Dialer{Timeout: patience}))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetTimeout(patience)
	_, err = c.Search(r)
	return err
}

func (s *Server) tail() string {
	b, _ := os.ReadFile(s.logFile())
	lines := bytes.Split(b, []byte("\n"))
	if len(lines) > 30 {
		lines = lines[len(lines)-30:]
	}
	return string(bytes.Join(lines, []byte("\n")))
}

// program finds one of Debian's programs; slapd's own are not on every PATH.
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

func freePort(t testing.TB) int {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

package slapdtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

func (s *Server) logFile() string { return filepath.Join(s.folder, "log") }

// Log is slapd's log since the first start, complete up to all that has been answered so far: lines such as
//
//	conn=1000 op=0 BIND dn="uid=alice,ou=people,dc=example,dc=org" method=128
//	conn=1000 op=0 RESULT tag=97 err=49 …
//	conn=1001 op=1 SRCH base="dc=example,dc=org" scope=2 deref=0 filter="(uid=alice)"
//
// A paused server has to be resumed first.
func (s *Server) Log() string {
	s.t.Helper()
	if s.process == nil {
		return s.read()
	}
	// A search of our own, found in the log, proves that everything before it has been written.
	s.mu.Lock()
	s.marks++
	mark := fmt.Sprintf("(cn=log-mark-%d)", s.marks)
	s.mu.Unlock()
	if err := s.search(goldap.NewSearchRequest("", goldap.ScopeBaseObject, 0, 0, 0, false, mark, []string{"1.1"}, nil)); err != nil {
		s.t.Fatalf("slapd does not answer, so its log cannot be read to the end: %v", err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if log := s.read(); strings.Contains(log, mark) {
			return log
		}
	}
	s.t.Fatalf("slapd does not write its log:\n%s", s.tail())
	return ""
}

func (s *Server) read() string {
	s.t.Helper()
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

var bindLine = regexp.MustCompile(`(?m) BIND dn="(.*)" method=\d+$`)

// Binds counts the bind requests for dn since the first start, whatever became of them. "A wrong code
// costs no bind" is Binds(UserDN("alice")) before and after.
func (s *Server) Binds(dn string) int {
	s.t.Helper()
	n := 0
	for _, m := range bindLine.FindAllStringSubmatch(s.Log(), -1) {
		if strings.EqualFold(m[1], dn) {
			n++
		}
	}
	return n
}

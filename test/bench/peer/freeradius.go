package peer

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tandem/test/bench/people"
	"tandem/test/bench/proc"
)

// FreeRADIUSFiles is FreeRADIUS with so many users in a file: rlm_files, rlm_pap (cleartext), rlm_totp. Every
// 50th user has an external command instead of a code if slow.
func (p Place) FreeRADIUSFiles(users int, slow bool) (*Server, error) {
	file, err := p.cached(fmt.Sprintf("freeradius-users-%d", users), func(w *bufio.Writer) error {
		for i := 1; i <= users; i++ {
			u := people.Get(i)
			fmt.Fprintf(w, "%s\tCleartext-Password := \"%s\", TOTP-Secret := \"%s\"\n\n", u.Name, u.Password, u.Base32())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	these := "^nobody$"
	if slow {
		these = slowUsers
	}
	return p.freeradius("files", map[string]string{"Users": file, "SlowUsers": these, "Sleep": sleep})
}

// FreeRADIUSLDAP is FreeRADIUS that searches a user, binds as them, and reads the TOTP key from the entry.
func (p Place) FreeRADIUSLDAP(d *Directory, url string) (*Server, error) {
	return p.freeradius("ldap", map[string]string{
		"URL": url, "Base": people.People, "BindDN": bindDN, "BindPassword": bindPassword, "Certificate": d.Certificate,
	})
}

func (p Place) freeradius(kind string, data map[string]string) (*Server, error) {
	dir, err := p.folder("freeradius")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data["Dir"], data["Secret"], data["Port"] = dir, Secret, fmt.Sprint(addr.Port())
	err = render(dir, data, map[string]string{
		"freeradius/radiusd.conf": "radiusd.conf", "freeradius/split.conf": "split.conf",
		"freeradius/" + kind + ".modules.conf": "modules.conf", "freeradius/" + kind + ".site.conf": "site.conf",
	})
	if err != nil {
		return nil, err
	}
	process, err := proc.Start(p.ServerCore, "/usr/sbin/freeradius", "-f", "-d", dir, "-n", "radiusd")
	if err != nil {
		return nil, fmt.Errorf("%w (apt-get install freeradius freeradius-ldap)", err)
	}
	s := &Server{Process: process, Addr: addr}
	if err := s.ready(2 * time.Minute); err != nil {
		process.Stop()
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("%w\n%s", err, log[max(0, len(log)-1000):])
	}
	return s, nil
}

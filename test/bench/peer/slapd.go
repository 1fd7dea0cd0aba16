package peer

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-ldap/ldap/v3"

	"tandem/test/bench/people"
	"tandem/test/bench/proc"
)

const (
	bindDN       = "cn=radius,ou=svc," + people.Base
	bindPassword = "svcsecret"
)

// Directory is a slapd with users.
type Directory struct {
	*proc.Process
	// Addr is where it speaks LDAP; URL and SecureURL are what servers are told.
	Addr           netip.AddrPort
	URL, SecureURL string
	// Certificate is the file with its certificate.
	Certificate string
}

// Slapd is a slapd with so many users, their hashes cheap ones ({SSHA}). Its database is kept.
func (p Place) Slapd(users int) (*Directory, error) {
	plain, err := freeAddr()
	if err != nil {
		return nil, err
	}
	tls, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(p.Cache, fmt.Sprintf("slapd-%d", users))
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return nil, err
	}
	data := map[string]string{"Dir": dir, "Base": people.Base, "BindDN": bindDN}
	if err := render(dir, data, map[string]string{"slapd/slapd.conf": "slapd.conf", "slapd/twofactor.schema": "twofactor.schema"}); err != nil {
		return nil, err
	}
	if err := makeCertificate(dir); err != nil {
		return nil, err
	}
	if err := p.fillDatabase(dir, users); err != nil {
		return nil, err
	}
	d := &Directory{
		Addr: plain, URL: "ldap://" + plain.String(), SecureURL: "ldaps://" + tls.String(),
		Certificate: filepath.Join(dir, "cert.pem"),
	}
	d.Process, err = proc.Start(p.LoadCore, "/usr/sbin/slapd", "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", d.URL+" "+d.SecureURL, "-n", "slapd")
	if err != nil {
		return nil, fmt.Errorf("%w (apt-get install slapd)", err)
	}
	if err := d.WaitFor(time.Minute, d.answers); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

func (d *Directory) answers() error {
	c, err := ldap.DialURL(d.URL)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Bind(bindDN, bindPassword)
}

// fillDatabase loads the users, once: "filled" says that it was finished.
func (p Place) fillDatabase(dir string, users int) error {
	done := filepath.Join(dir, "filled")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	ldif, err := p.cached(fmt.Sprintf("users-%d.ldif", users), func(w *bufio.Writer) error { return writeLDIF(w, users) })
	if err != nil {
		return err
	}
	out, err := exec.Command("/usr/sbin/slapadd", "-q", "-f", filepath.Join(dir, "slapd.conf"), "-l", ldif).CombinedOutput()
	if err != nil {
		return fmt.Errorf("slapadd: %w: %s", err, out)
	}
	if err := os.Remove(ldif); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}

func writeLDIF(w *bufio.Writer, users int) error {
	fmt.Fprintf(w, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: perf\no: perf\n\n", people.Base)
	for _, ou := range []string{"people", "svc"} {
		fmt.Fprintf(w, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n", ou, people.Base, ou)
	}
	fmt.Fprintf(w, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: radius\nuserPassword: %s\n\n", bindDN, bindPassword)
	for i := 1; i <= users; i++ {
		u := people.Get(i)
		_, err := fmt.Fprintf(w, "dn: %s\nobjectClass: inetOrgPerson\nobjectClass: twoFactorUser\nuid: %s\ncn: Test User %d\nsn: User%d\nmail: %s@perf.test\nuserPassword: %s\ntotpSecret: %s\ntandemDevices: %s\n\n",
			u.DN(), u.Name, i, i, u.Name, u.SSHA(), u.Base32(), u.Devices())
		if err != nil {
			return err
		}
	}
	return nil
}

// makeCertificate writes cert.pem and key.pem, once.
func makeCertificate(dir string) error {
	path := filepath.Join(dir, "cert.pem")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600)
}

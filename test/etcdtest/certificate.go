package etcdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// makeCertificates makes an authority, and by it the members' certificate and a client's.
func (c *Cluster) makeCertificates() {
	c.t.Helper()
	authorityKey := c.newKey()
	authority := template("Authority of a test")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	authorityPEM := c.sign(authority, authority, authorityKey, authorityKey)

	issue := func(name string) {
		key := c.newKey()
		leaf := template(name)
		leaf.KeyUsage = x509.KeyUsageDigitalSignature
		// A member is also a client: etcd's own gateway calls itself.
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			c.t.Fatal(err)
		}
		c.write(name+".pem", c.sign(leaf, authority, key, authorityKey))
		c.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	issue("member")
	issue("client")
	c.CAFile = c.write("ca.pem", authorityPEM)
	c.CertFile, c.KeyFile = filepath.Join(c.folder, "client.pem"), filepath.Join(c.folder, "client.key")

	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		c.t.Fatal(err)
	}
	c.tls = &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	c.tls.RootCAs.AppendCertsFromPEM(authorityPEM)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func (c *Cluster) newKey() *ecdsa.PrivateKey {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

func (c *Cluster) sign(leaf, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, parentKey)
	if err != nil {
		c.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (c *Cluster) write(name string, content []byte) string {
	c.t.Helper()
	path := filepath.Join(c.folder, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

package ldap

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/test/slapdtest"
)

func TestTLS(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: []slapdtest.User{alice}})
	for what, change := range map[string]func(*Config){
		"ldaps":    func(c *Config) { c.URLs = []string{s.TLSURL} },
		"StartTLS": func(c *Config) { c.StartTLS = true },
		"both":     func(c *Config) { c.StartTLS, c.URLs = true, []string{s.TLSURL, s.URL} },
		"ServerName": func(c *Config) {
			c.URLs, c.ServerName = []string{strings.Replace(s.TLSURL, "localhost", "127.0.0.1", 1)}, "localhost"
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := config(s.URL)
			c.CAFile = s.CAFile
			change(&c)
			d := open(t, c)
			if err := d.CheckPassword(t.Context(), lookup(t, d, "alice"), "wonderland"); err != nil {
				t.Error(err)
			}
			for _, r := range d.Check(t.Context()) {
				if r.Err != nil || r.Step == "connect" && !strings.HasPrefix(r.Found, "encrypted with ") {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	if log := s.Log(); strings.Contains(log, "BIND") && !strings.Contains(log, "TLS established") {
		t.Errorf("slapd has seen no TLS:\n%s", log)
	}
	if strings.Contains(s.Log(), "bind_ssf=0 ssf=0") {
		t.Errorf("a bind came in clear:\n%s", s.Log())
	}
}

// agreeToStartTLS answers the StartTLS request and goes on as then says.
func agreeToStartTLS(then func(net.Conn, int64)) func(net.Conn) {
	return func(c net.Conn) {
		request, err := ber.ReadPacket(c)
		if err != nil || request.Children[1].Tag != goldap.ApplicationExtendedRequest {
			return
		}
		then(c, request.Children[0].Value.(int64))
	}
}

func success() *ber.Packet {
	return result(&ber.Packet{Identifier: ber.Identifier{Tag: goldap.ApplicationExtendedRequest}}, 0)[0]
}

func TestRow19_WithoutGoodTLSNobodyIsBound(t *testing.T) {
	authority := slapdtest.NewAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := authority.Issue("localhost", "127.0.0.1")
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	overTLS := func(c *tls.Config, inner func(net.Conn)) func(net.Conn) {
		return func(raw net.Conn) {
			secured := tls.Server(raw, c)
			if secured.Handshake() == nil {
				inner(secured)
			}
		}
	}
	good := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	old := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	otherCert, otherKey := authority.Issue("other.example.org")
	other, err := tls.X509KeyPair(otherCert, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	strange := slapdtest.NewAuthority(t)
	strangeCert, strangeKey := strange.Issue("localhost", "127.0.0.1")
	strangers, err := tls.X509KeyPair(strangeCert, strangeKey)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		what  string
		serve func(net.Conn)
		ldaps bool
		works bool
	}{
		{what: "good", serve: overTLS(good, serveLDAP(finds(aliceAttributes()))), ldaps: true, works: true},
		{what: "good StartTLS", works: true, serve: agreeToStartTLS(func(c net.Conn, id int64) {
			_, _ = c.Write(message(id, success()))
			overTLS(good, serveLDAP(finds(aliceAttributes())))(c)
		})},
		{what: "StartTLS refused", serve: serveLDAP(func(request *ber.Packet) []*ber.Packet {
			if request.Tag == goldap.ApplicationExtendedRequest {
				return result(request, goldap.LDAPResultProtocolError)
			}
			return finds(aliceAttributes())(request)
		})},
		{what: "StartTLS answered with something else", serve: serveLDAP(func(request *ber.Packet) []*ber.Packet {
			if request.Tag == goldap.ApplicationExtendedRequest {
				return result(&ber.Packet{Identifier: ber.Identifier{Tag: goldap.ApplicationBindRequest}}, 0)
			}
			return finds(aliceAttributes())(request)
		})},
		{what: "StartTLS answered with another message's number", serve: agreeToStartTLS(func(c net.Conn, id int64) {
			_, _ = c.Write(message(id+1, success()))
			serveLDAP(finds(aliceAttributes()))(c)
		})},
		{what: "StartTLS agreed and clear text follows", serve: agreeToStartTLS(func(c net.Conn, id int64) {
			_, _ = c.Write(message(id, success()))
			serveLDAP(finds(aliceAttributes()))(c)
		})},
		{what: "answers injected behind StartTLS", serve: agreeToStartTLS(func(c net.Conn, id int64) {
			injected := result(&ber.Packet{Identifier: ber.Identifier{Tag: goldap.ApplicationBindRequest}}, 0)[0]
			_, _ = c.Write(append(message(id, success()), message(id+1, injected)...))
			overTLS(good, serveLDAP(finds(aliceAttributes())))(c)
		})},
		{what: "StartTLS never answered", serve: agreeToStartTLS(func(c net.Conn, _ int64) { hang(c) })},
		{what: "handshake never answered", serve: hang, ldaps: true},
		{what: "clear text on the TLS port", serve: serveLDAP(finds(aliceAttributes())), ldaps: true},
		{what: "an unknown authority", serve: overTLS(&tls.Config{Certificates: []tls.Certificate{strangers}, MinVersion: tls.VersionTLS12}, serveLDAP(finds(aliceAttributes()))), ldaps: true},
		{what: "another host's certificate", serve: overTLS(&tls.Config{Certificates: []tls.Certificate{other}, MinVersion: tls.VersionTLS12}, serveLDAP(finds(aliceAttributes()))), ldaps: true},
		{what: "TLS 1.1", serve: overTLS(old, serveLDAP(finds(aliceAttributes()))), ldaps: true},
	} {
		t.Run(c.what, func(t *testing.T) {
			server := listen(t, c.serve)
			conf := config(server.url)
			conf.CAFile, conf.ConnectTimeout = ca, 300*time.Millisecond
			if c.ldaps {
				conf.URLs = []string{"ldaps" + strings.TrimPrefix(server.url, "ldap")}
			} else {
				conf.StartTLS = true
			}
			if c.works { // the race detector is slow
				conf.ConnectTimeout = 20 * time.Second
			}
			d := open(t, conf)
			_, lookupErr := d.Lookup(t.Context(), "alice")
			err := d.CheckPassword(t.Context(), &directory.User{ID: "1", DN: slapdtest.UserDN("alice")}, "wonderland")
			if c.works {
				if lookupErr != nil || err != nil {
					t.Errorf("%v; %v", lookupErr, err)
				}
			} else {
				nothingKnown(t, lookupErr)
				nothingKnown(t, err)
				t.Log(err)
			}
			for _, secret := range []string{"wonderland", slapdtest.ServicePassword, slapdtest.ServiceDN, "uid=alice"} {
				if server.wasSent(secret) {
					t.Errorf("%q was sent in clear", secret)
				}
			}
		})
	}
}

func TestRow19_RealServersWithoutGoodTLS(t *testing.T) {
	plain := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	other := slapdtest.Start(t, slapdtest.Options{TLS: true, CertNames: []string{"ldap.example.org"}, Users: []slapdtest.User{alice}})
	good := slapdtest.Start(t, slapdtest.Options{TLS: true, Users: []slapdtest.User{alice}})
	for _, c := range []struct {
		what     string
		server   *slapdtest.Server
		url, ca  string
		startTLS bool
	}{
		{"a server without TLS", plain, plain.URL, good.CAFile, true},
		{"a certificate for another name", other, other.TLSURL, other.CAFile, false},
		{"a certificate for another name, StartTLS", other, other.URL, other.CAFile, true},
		{"another authority", good, good.TLSURL, other.CAFile, false},
		{"another authority, StartTLS", good, good.URL, other.CAFile, true},
		{"the system's authorities", good, good.TLSURL, "", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			conf := config(c.url)
			conf.StartTLS, conf.CAFile = c.startTLS, c.ca
			d := open(t, conf)
			_, err := d.Lookup(t.Context(), "alice")
			nothingKnown(t, err)
			nothingKnown(t, d.CheckPassword(t.Context(), &directory.User{DN: slapdtest.UserDN("alice")}, "wonderland"))
			if strings.Contains(c.server.Log(), "BIND dn=") {
				t.Errorf("somebody was bound:\n%s", c.server.Log())
			}
			t.Log(err)
		})
	}
}

func TestRow19_PlainTextOnlyOnPurpose(t *testing.T) {
	for _, c := range []struct {
		url                 string
		startTLS, plaintext bool
		ok                  bool
	}{
		{"ldap://ldap.example.org", false, false, false},
		{"ldap://192.0.2.1:389", false, false, false},
		{"ldap://localhost.example.org", false, false, false},
		{"ldap://127.0.0.1.example.org", false, false, false},
		{"ldap://[2001:db8::1]", false, false, false},
		{"ldap://ldap.example.org", true, false, true},
		{"ldap://ldap.example.org", false, true, true},
		{"ldaps://ldap.example.org", false, false, true},
		{"ldap://127.0.0.1:3389", false, false, true},
		{"ldap://[::1]", false, false, true},
		{"ldap://LOCALHOST", false, false, true},
		{"ldapi://%2Frun%2Fslapd%2Fldapi", false, false, true},
	} {
		conf := config(c.url)
		conf.StartTLS, conf.AllowPlaintext = c.startTLS, c.plaintext
		d, err := New(conf)
		if (err == nil) != c.ok {
			t.Errorf("%s, StartTLS %v, AllowPlaintext %v: %v", c.url, c.startTLS, c.plaintext, err)
		}
		if err == nil {
			_ = d.Close()
		} else if !strings.Contains(err.Error(), "AllowPlaintext") || !strings.Contains(err.Error(), c.url) {
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
}

// hang reads and never answers, until the client gives up.
func hang(c net.Conn) {
	buffer := make([]byte, 4096)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

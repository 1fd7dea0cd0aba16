package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"tandem/internal/secret"
)

const (
	defaultPrefix  = "tandem/"
	defaultTimeout = 2 * time.Second
)

// Options say which cluster to use, and how.
type Options struct {
	// Endpoints are the members' client URLs, "https://host:port" or all "http://host:port". They are tried in
	// this order: put the nearest first.
	Endpoints []string
	// Prefix is what all keys begin with; default "tandem/". A slash at its end is added if it is missing.
	Prefix string
	// Username and Password log in to a cluster with authentication. The role needs to read and write the
	// keys below Prefix. A password goes over http only to this host itself.
	Username string
	Password secret.String
	// CAFile holds, in PEM, the authorities that the members' certificates are checked against; empty: the
	// system's. CertFile and KeyFile are what this node presents; they are read anew for each connection.
	CAFile, CertFile, KeyFile string
	// Timeout bounds one try at a transaction, with all reads and the commit; default 2 s. A member that does
	// not answer a read for a quarter of it is left for the next.
	Timeout time.Duration
	// Logger hears of members that fail and of a state made anew; nil is slog.Default().
	Logger *slog.Logger
	// Witness is a file of this node's own, beside no other node's, that tells when the cluster's state went back in
	// time; empty: none. If there is no folder for it, a warning says so.
	Witness string
	// Program is this Tandem's name and version, for those who find a state of a newer one.
	Program string
	// Maintenance opens also a state that no daemon may serve, because it was moved away or is not whole yet. It
	// begins no state where there is none.
	Maintenance bool
}

// validate fills in the defaults, and reports all that is wrong.
func (o *Options) validate() error {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if !strings.HasSuffix(o.Prefix, "/") {
		o.Prefix += "/"
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	var errs []error
	wrong := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if len(o.Endpoints) == 0 {
		wrong("no endpoints: name at least one member's client URL")
	}
	if o.Timeout < 0 {
		wrong("timeout %v: want more than 0", o.Timeout)
	}
	if (o.Username == "") != o.Password.Empty() {
		wrong("username and password go together: want both or neither")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		wrong("certificate and key go together: want both or neither")
	}
	secured := 0
	for _, endpoint := range o.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Port() == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") ||
			endpoint != u.Scheme+"://"+u.Host {
			wrong("endpoint %.100q: want https://host:port or http://host:port", endpoint)
			continue
		}
		if u.Scheme == "https" {
			secured++
			continue
		}
		if !o.Password.Empty() && !loopback(u.Hostname()) {
			wrong("endpoint %q: a password would cross the network in clear; use https", endpoint)
		}
	}
	switch {
	case secured == 0 && (o.CAFile != "" || o.CertFile != ""):
		wrong("certificates are given, but the endpoints begin with http://, which uses none")
	case secured != 0 && secured != len(o.Endpoints):
		wrong("endpoints begin with https:// and with http://: want one or the other")
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls returns the client's side of TLS, nil for http.
func (o *Options) tls() (*tls.Config, error) {
	if strings.HasPrefix(o.Endpoints[0], "http://") {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of etcd's certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", o.CAFile)
		}
	}
	if o.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("load the certificate for etcd: %w", err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return config, nil
}

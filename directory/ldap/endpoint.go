package ldap

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// security is what protects the way to a server.
type security int

const (
	clear    security = iota // nothing, or the kernel (loopback, Unix socket)
	startTLS                 // TLS asked for on the clear connection, before anything else
	fromStart
)

// endpoint is where one server listens.
type endpoint struct {
	url      string // as configured, for people
	network  string // tcp or unix
	address  string // host:port or a path
	host     string // the name that the certificate must carry
	security security
}

// parseEndpoint reads an LDAP URL (RFC 4516) that names a server and nothing else.
func parseEndpoint(raw string, wantStartTLS, allowPlaintext bool) (endpoint, error) {
	bad := func(why string) (endpoint, error) { return endpoint{}, fmt.Errorf("ldap: URL %q %s", raw, why) }

	// net/url refuses %2F in a host, which is how ldapi:// carries its path.
	if path, ok := strings.CutPrefix(raw, "ldapi://"); ok {
		path, err := url.PathUnescape(strings.TrimSuffix(path, "/"))
		if err != nil || !strings.HasPrefix(path, "/") {
			return bad("names no socket: write its path with %2F for each slash, such as ldapi://%2Frun%2Fslapd%2Fldapi")
		}
		return endpoint{url: raw, network: "unix", address: path}, nil
	}

	u, err := url.Parse(raw)
	if err != nil {
		return endpoint{}, fmt.Errorf("ldap: a URL cannot be read: write ldaps://host, ldap://host or ldapi://%%2Fpath")
	}
	if u.User != nil {
		return endpoint{}, fmt.Errorf("ldap: the URL of %q holds a user or password: they belong into BindDN and BindPassword", u.Host)
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return bad("must be a scheme, a host and perhaps a port: base and filter are configured on their own")
	}
	e := endpoint{url: raw, network: "tcp", host: u.Hostname()}
	port := u.Port()
	switch u.Scheme {
	case "ldaps":
		e.security = fromStart
		if port == "" {
			port = "636"
		}
	case "ldap":
		if wantStartTLS {
			e.security = startTLS
		} else if !allowPlaintext && !isLoopback(e.host) {
			return bad("would send passwords in clear over the network: use ldaps://, or StartTLS, " +
				"or set AllowPlaintext where something else protects the way")
		}
		if port == "" {
			port = "389"
		}
	default:
		return bad("has an unknown scheme: use ldaps://, ldap:// or ldapi://")
	}
	e.address = net.JoinHostPort(e.host, port)
	return e, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// caller makes the requests.
type caller struct {
	client *http.Client
	header http.Header
}

func newCaller(c Config) (*caller, error) {
	config, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	header, err := headerOf(c)
	if err != nil {
		return nil, err
	}
	return &caller{header: header, client: &http.Client{
		// A redirection would take the code to a server that is not configured, and bring that one's answer back.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // the environment has no say in whom codes are sent to
			TLSClientConfig:        config,
			DisableKeepAlives:      true, // a connection that the service has closed meanwhile would cost a login
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswer,
		},
	}}, nil
}

// headerOf is the header of every request: who asks, and that it is in JSON.
func headerOf(c Config) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {"tandem"}}
	if c.Username != "" {
		(&http.Request{Header: h}).SetBasicAuth(c.Username, c.Password.Reveal())
	}
	if c.Token.Empty() {
		return h, nil
	}
	token := c.Token.Reveal()
	if strings.EqualFold(c.TokenHeader, "Authorization") {
		token = "Bearer " + token
	}
	switch {
	case !httpguts.ValidHeaderFieldName(c.TokenHeader):
		return nil, fmt.Errorf("%q is not the name of a header", c.TokenHeader)
	case !httpguts.ValidHeaderFieldValue(token):
		return nil, errors.New("the token has a control character, which a header cannot carry")
	case h.Get(c.TokenHeader) != "":
		return nil, fmt.Errorf("the header %s is for something else: Authorization cannot hold a token beside a user and password", c.TokenHeader)
	}
	h.Set(c.TokenHeader, token)
	return h, nil
}

// tlsConfig verifies the service, and shows it our certificate if there is one.
func tlsConfig(c Config) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities to trust: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate: write those of the authorities into it, in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read our own certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

package yubico

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"

	"tandem/verify"
)

// Bounds of what is read from a server, in octets; an answer has some 250.
const (
	maxHeader = 16 << 10
	maxBody   = 4 << 10
)

// minKey is the shortest API key that signatures are believed by, in octets. Yubico's have 20.
const minKey = 16

// servers are validation servers with the same client and API key.
type servers struct {
	urls   []string
	client string
	key    []byte
	http   *http.Client
}

func newServers(c Config) (*servers, error) {
	for _, text := range c.Servers {
		if err := checkServer(text, c.AllowPlaintext); err != nil {
			return nil, err
		}
	}
	key, err := base64.StdEncoding.DecodeString(c.APIKey.Reveal())
	if err != nil || len(key) < minKey {
		return nil, fmt.Errorf("the API key of the YubiKey validation servers is not base64 of at least %d octets: copy it from where client %d was registered", minKey, c.ClientID)
	}
	authorities, err := readAuthorities(c.CAFile)
	if err != nil {
		return nil, err
	}
	return &servers{
		urls: c.Servers, client: strconv.Itoa(c.ClientID), key: key,
		http: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
				// A connection lives for one question, so that no server can answer before it was asked.
				DisableKeepAlives:      true,
				DisableCompression:     true,
				MaxResponseHeaderBytes: maxHeader,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// checkServer takes URLs to which codes may be sent.
func checkServer(text string, allowPlaintext bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("a YubiKey validation server is not given as a URL: write it like https://api.yubico.com/wsapi/2.0/verify")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the URL of the YubiKey validation server %s has a user, a query or a fragment: leave them out", u.Host)
	case u.Scheme == "http" && !allowPlaintext && !isLoopback(u.Hostname()):
		return fmt.Errorf("codes would go to the YubiKey validation server %s in the clear: use https", u.Host)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readAuthorities reads certificates to trust; nil, which means those of the host, if path is empty.
func readAuthorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the authorities of the YubiKey validation servers: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: holds no certificate in PEM form: name the file of the authority that signed those of the YubiKey validation servers", path)
	}
	return pool, nil
}

// ask puts one question to all servers and returns the first definite answer. When it returns, no request is under way.
func (s *servers) ask(ctx context.Context, c code, p past) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	type reply struct {
		answer answer
		err    error
	}
	replies := make(chan reply, len(s.urls))
	q := question{client: s.client, key: s.key, otp: c.text, nonce: rand.Text()}
	for _, server := range s.urls {
		running.Go(func() {
			a, err := s.askOne(ctx, server, q)
			if err == nil && a.result == verify.Match && a.at == nil && p.last != nil {
				err = errors.New("it says OK without the counters (signed ones), and a login with this YubiKey has had them: no code could be told from a used one")
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", server, err)
			}
			replies <- reply{a, err}
		})
	}
	var failures error
	for range s.urls {
		r := <-replies
		if r.err == nil {
			return r.answer, nil
		}
		failures = join(failures, r.err)
	}
	return answer{}, failures
}

// join puts two errors on one line.
func join(a, b error) error {
	if a == nil {
		return b
	}
	return fmt.Errorf("%w; %w", a, b)
}

// askOne asks one server. Its errors do not hold the URL that was asked for: the code is part of it.
func (s *servers) askOne(ctx context.Context, server string, q question) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"?"+q.query(), http.NoBody)
	if err != nil {
		return answer{}, errors.New("no request can be made for this URL")
	}
	response, err := s.http.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err
		}
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("HTTP status %d instead of 200", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read the answer: %w", err)
	case ctx.Err() != nil: // it came when the connection was being closed
		return answer{}, fmt.Errorf("read the answer in time: %w", ctx.Err())
	case len(body) > maxBody:
		return answer{}, fmt.Errorf("the answer is longer than %d octets", maxBody)
	}
	a, err := q.judge(body)
	a.server = server
	return a, err
}

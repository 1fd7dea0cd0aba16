package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// request is one of the two questions that a service is asked.
type request struct {
	url       *url.URL
	arguments arguments
}

// newRequest checks a URL and the arguments that go there. withCode says whether there is a code to send along.
func newRequest(c Config, raw string, configured map[string]string, withCode bool) (*request, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("is not a URL: write it like https://otp.example.org/verify")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%s has an unknown scheme: use https", shown(u))
	case u.User != nil:
		return nil, fmt.Errorf("%s holds a user or password: they belong into Username and Password", shown(u))
	case u.Scheme == "http" && !c.AllowPlaintext && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s would send codes, and believe answers, over the network in clear: use https, "+
			"or set AllowPlaintext where something else protects the way", shown(u))
	}
	a, err := newArguments(configured, withCode)
	if err != nil {
		return nil, err
	}
	return &request{url: u, arguments: a}, nil
}

// shown is a URL without what may be secret in it: gateways take keys in queries.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// ask posts body and returns what the service says.
func (c *caller) ask(ctx context.Context, to *url.URL, body []byte) (yes bool, err error) {
	response, err := c.post(ctx, to, body)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return false, badStatus(response)
	}
	if !isJSON(response.Header.Get("Content-Type")) {
		return false, errors.New("the answer's Content-Type is not application/json")
	}
	answer, err := readAnswer(response.Body)
	if err != nil {
		return false, err
	}
	return parseAnswer(answer)
}

// notify posts body to a service of which only the status counts.
func (c *caller) notify(ctx context.Context, to *url.URL, body []byte) error {
	response, err := c.post(ctx, to, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return badStatus(response)
	}
	return nil
}

func (c *caller) post(ctx context.Context, to *url.URL, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made: the URL is odd")
	}
	request.Header = c.header.Clone()
	response, err := c.client.Do(request)
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err // the URL, query and all, has no place in a log
	}
	return response, err
}

func badStatus(r *http.Response) error {
	if r.StatusCode >= 300 && r.StatusCode < 400 {
		return fmt.Errorf("the answer is the redirection %d, which is not followed: configure the URL where the service is", r.StatusCode)
	}
	return fmt.Errorf("the answer's status is %d", r.StatusCode)
}

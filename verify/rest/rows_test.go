package rest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/test/slapdtest"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/provider"
	"tandem/verify/rest"
)

// hostile are answers that say neither yes nor no.
var hostile = map[string]func(w http.ResponseWriter, r *http.Request){
	"1":                     says("application/json", `{"result": 1}`),
	"0":                     says("application/json", `{"result": 0}`),
	"a text":                says("application/json", `{"result": "true"}`),
	"a list":                says("application/json", `{"result": [true]}`),
	"an object":             says("application/json", `{"result": {"result": true}}`),
	"null":                  says("application/json", `{"result": null}`),
	"another member":        says("application/json", `{"success": true}`),
	"another case":          says("application/json", `{"Result": true}`),
	"deeper":                says("application/json", `{"data": {"result": true}}`),
	"no object":             says("application/json", `true`),
	"a list of objects":     says("application/json", `[{"result": true}]`),
	"two results":           says("application/json", `{"result": false, "result": true}`),
	"two results, both yes": says("application/json", `{"result": true, "result": true}`),
	"two, one in disguise":  says("application/json", `{"result": true, "\u0072esult": false}`),
	"two objects":           says("application/json", `{"result": true}{"result": false}`),
	"behind it":             says("application/json", `{"result": true} // or is it?`),
	"a comma":               says("application/json", `{"result": true,}`),
	"a byte order mark":     says("application/json", "\ufeff"+`{"result": true}`),
	"cut off":               says("application/json", `{"result": true`),
	"nothing":               says("application/json", ``),
	"HTML":                  says("text/html", `<html>{"result": true}</html>`),
	"JSON called HTML":      says("text/html", `{"result": true}`),
	"JSON called text":      says("text/plain; charset=utf-8", `{"result": true}`),
	"JSON called nothing":   says("", `{"result": true}`),
	"a login page":          says("text/html; charset=utf-8", `<form>Please log in to the proxy</form>`),
	"deep":                  says("application/json", strings.Repeat(`{"a":`, 30_000)+"1"+strings.Repeat("}", 30_000)),
	"long":                  says("application/json", `{"result": true}`+strings.Repeat(" ", 64<<10)+`{"result": false}`),
	"100 MB": func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "application/json", `{"result": true, "x": "`)
		for range 100 {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<20)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}`)
	},
	"500": status(http.StatusInternalServerError),
	"503": status(http.StatusServiceUnavailable),
	"401": status(http.StatusUnauthorized),
	"201": status(http.StatusCreated),
	"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"300": status(http.StatusMultipleChoices),
	"a long head": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 1<<20))
		says("application/json", `{"result": true}`)(w, nil)
	},
	"a cut answer": func(w http.ResponseWriter, _ *http.Request) {
		raw(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"result\": true}")
	},
	"not even HTTP": func(w http.ResponseWriter, _ *http.Request) { raw(w, `{"result": true}`) },
}

func says(contentType, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		_, _ = io.WriteString(w, body)
	}
}

// status answers {"result": true} with another status than 200.
func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"result": true}`)
	}
}

// raw takes the connection over and writes text on it.
func raw(w http.ResponseWriter, text string) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(connection, text)
	_ = connection.Close()
}

// TestRow39_OddAnswersAreNoYes: neither to a code, nor to the question whether one was sent.
func TestRow39_OddAnswersAreNoYes(t *testing.T) {
	for name, handler := range hostile {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) bool { handler(w, r); return true })
			f := open(t, s.config())
			finding, err := check(t, f, "654321")
			nothingKnown(t, finding, err, "654321")
			if err := f.(verify.Sender).Send(t.Context(), dwho(), secret.String{}); err == nil {
				t.Error("a code counts as sent")
			}
		})
	}
}

// TestRow39_RedirectionsAreNotFollowed: whatever the server at their end would say.
func TestRow39_RedirectionsAreNotFollowed(t *testing.T) {
	yes := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
		answer(w, "application/json", `{"result": true}`)
		return true
	})
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{yes.URL + "/verify", "/other"} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/other" {
					answer(w, "application/json", `{"result": true}`)
				} else {
					http.Redirect(w, r, to, code)
				}
				return true
			})
			f := open(t, s.config())
			finding, err := check(t, f, "654321")
			nothingKnown(t, finding, err, "654321")
			if err := f.(verify.Sender).Send(t.Context(), dwho(), secret.String{}); err == nil {
				t.Errorf("%d: a code counts as sent", code)
			}
			if n := len(s.requests()); n != 2 {
				t.Errorf("%d: %d requests", code, n)
			}
		}
	}
	if len(yes.requests()) > 0 {
		t.Error("the code went where a redirection pointed to")
	}
}

// TestRow39_OnlyTrueSends: a service that says false has sent nothing, also one that is sent our own code.
func TestRow39_OnlyTrueSends(t *testing.T) {
	for what, c := range map[string]struct {
		hook       func(http.ResponseWriter, *http.Request)
		statusOnly bool
		sent       bool
	}{
		"true":                            {says("application/json", `{"result": true}`), false, true},
		"false":                           {says("application/json", `{"result": false}`), false, false},
		"a gateway's 201":                 {status(http.StatusCreated), false, false},
		"a gateway's 201, status only":    {status(http.StatusCreated), true, true},
		"HTML, status only":               {says("text/html", "queued"), true, true},
		"500, status only":                {status(http.StatusInternalServerError), true, false},
		"a redirection, status only":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, true, false},
		"no connection kept, status only": {func(w http.ResponseWriter, _ *http.Request) { raw(w, "") }, true, false},
	} {
		t.Run(what, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) bool { c.hook(w, r); return true })
			conf := s.config()
			conf.VerifyURL, conf.OwnDigits, conf.Lifetime, conf.InitStatusOnly = "", 6, time.Minute, c.statusOnly
			err := open(t, conf).(verify.Sender).Send(t.Context(), dwho(), secret.New("654321"))
			if (err == nil) != c.sent {
				t.Error(err)
			}
			if err != nil && strings.Contains(err.Error(), "654321") {
				t.Errorf("the code is in the error: %v", err)
			}
			if got := s.requests()[0].body["code"]; got != "654321" {
				t.Errorf("the service got the code %q", got)
			}
		})
	}
}

// TestRow39_OnlyTheServiceItself: without a good certificate no request is made.
func TestRow39_OnlyTheServiceItself(t *testing.T) {
	authority, strange := slapdtest.NewAuthority(t), slapdtest.NewAuthority(t)
	ca, good, goodKey := certificate(t, authority, "localhost", "127.0.0.1")
	_, other, otherKey := certificate(t, authority, "other.example.org")
	_, strangers, strangersKey := certificate(t, strange, "localhost", "127.0.0.1")
	for what, c := range map[string]struct {
		cert, key string
		config    *tls.Config
		plain     bool
		works     bool
	}{
		"good":               {cert: good, key: goodKey, works: true},
		"another host's":     {cert: other, key: otherKey},
		"another authority":  {cert: strangers, key: strangersKey},
		"TLS 1.1":            {cert: good, key: goodKey, config: &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}},
		"no TLS at all":      {plain: true},
		"wants our own, has": {cert: good, key: goodKey, config: &tls.Config{ClientAuth: tls.RequireAnyClientCert}, works: true},
	} {
		t.Run(what, func(t *testing.T) {
			s := &service{right: map[string]bool{}}
			s.Server = httptest.NewUnstartedServer(s.handler(t, nil))
			s.Config.ErrorLog = quiet
			s.TLS = c.config
			if c.plain {
				s.Start()
			} else {
				pair, err := tls.LoadX509KeyPair(c.cert, c.key)
				if err != nil {
					t.Fatal(err)
				}
				if s.TLS == nil {
					s.TLS = &tls.Config{}
				}
				s.TLS.Certificates = []tls.Certificate{pair}
				s.StartTLS()
			}
			t.Cleanup(s.Close)
			conf := s.config()
			conf.InitURL = ""
			conf.Target = ""
			conf.InitArguments = nil
			conf.VerifyURL = strings.Replace(conf.VerifyURL, "http://", "https://", 1)
			conf.CAFile, conf.CertFile, conf.KeyFile = ca, good, goodKey
			finding, err := check(t, open(t, conf), s.newCode())
			if c.works {
				if err != nil || finding.Result != verify.Match {
					t.Errorf("%+v, %v", finding, err)
				}
				return
			}
			nothingKnown(t, finding, err, "654321")
			if len(s.requests()) > 0 {
				t.Error("a request was made")
			}
		})
	}
}

// TestRow39_PlainTextOnlyOnPurpose: anybody on the way could answer true.
func TestRow39_PlainTextOnlyOnPurpose(t *testing.T) {
	for _, c := range []struct {
		url       string
		plaintext bool
		ok        bool
	}{
		{"http://otp.example.org/", false, false},
		{"http://192.0.2.1/", false, false},
		{"http://127.0.0.1.example.org/", false, false},
		{"http://localhost.example.org/", false, false},
		{"http://127.0.0.1@otp.example.org/", true, false},
		{"http://otp.example.org/", true, true},
		{"https://otp.example.org/", false, true},
		{"http://127.0.0.2:8080/x", false, true},
		{"http://[::1]/", false, true},
		{"http://LocalHost/", false, true},
	} {
		for _, conf := range []rest.Config{
			{Name: "x", VerifyURL: c.url},
			{Name: "x", InitURL: c.url, VerifyURL: "https://otp.example.org/"},
			{Name: "x", InitURL: c.url, OwnDigits: 6},
		} {
			conf.AllowPlaintext = c.plaintext
			if _, err := rest.New(conf); (err == nil) != c.ok {
				t.Errorf("%s, AllowPlaintext %v: %v", c.url, c.plaintext, err)
			}
		}
	}
}

// TestRow34_AYesIsWorthOneLogin: also where the service says yes to a code as often as it is asked, and takes more
// than one spelling of it.
func TestRow34_AYesIsWorthOneLogin(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
		answer(w, "application/json", `{"result": true}`)
		return true
	})
	f, kept := open(t, s.config()).(verify.Checker), &factortest.Kept{}
	first, err := f.Check(t.Context(), dwho(), "ABC-123", kept)
	if err != nil || first.Result != verify.Match || first.Claim.For < time.Hour || !kept.Take(first) {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, again := range []string{"ABC-123", "abc123", "Abc.123"} {
		asked := len(s.requests())
		if f, err := f.Check(t.Context(), dwho(), again, kept); err != nil || f.Result != verify.Used || len(s.requests()) != asked {
			t.Errorf("%q: %+v, %v, %d further requests", again, f, err, len(s.requests())-asked)
		}
	}
	for _, odd := range []string{"ABC 123", "ABC-123 ", "\u0410BC-123", "ABC-123\x00", "", strings.Repeat("x", 65)} {
		if f, err := f.Check(t.Context(), dwho(), odd, kept); err != nil || f.Result != verify.NoMatch {
			t.Errorf("%q: %+v, %v", odd, f, err)
		}
	}
	// The next service that is down gives nobody the yes of the one before.
	s.Close()
	finding, err := f.Check(t.Context(), dwho(), "DEF-456", kept)
	nothingKnown(t, finding, err, "DEF-456")
}

// TestRow38_HangingServiceIsLeft: within the time that a request may take; and after some failures it rests, while a
// service that says no does not.
func TestRow38_HangingServiceIsLeft(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, _ *http.Request) bool {
		select {
		case <-release:
		case <-time.After(5 * time.Second): // so that the test ends if the request does not
		}
		return false
	})
	defer close(release)
	c := s.config()
	c.Timeout = 50 * time.Millisecond
	f := open(t, c)
	for range provider.DefaultMaxFailures {
		began := time.Now()
		if _, err := check(t, f, "654321"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
	}
	if _, err := check(t, f, "654321"); !errors.Is(err, provider.ErrResting) {
		t.Error(err)
	}

	healthy := serve(t, nil)
	f = open(t, healthy.config())
	for range 3 * provider.DefaultMaxFailures {
		if finding, err := check(t, f, "000000"); err != nil || finding.Result != verify.NoMatch {
			t.Fatalf("%+v, %v", finding, err)
		}
	}
}

// TestRow37_TheCodeIsInTheBodyOnly: not in the URL, which proxies and servers log, and in no error of ours.
func TestRow37_TheCodeIsInTheBodyOnly(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
		for name, values := range r.Header {
			if strings.Contains(name+strings.Join(values, " "), "654321") {
				t.Errorf("the code is in the header: %s %s", name, values)
			}
		}
		if strings.Contains(r.RequestURI, "654321") {
			t.Errorf("the code is in the URL: %s", r.RequestURI)
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "no such code: 654321")
		return true
	})
	c := s.config()
	c.VerifyURL += "?key=hunter2&x=$code"
	f := open(t, c)
	_, err := check(t, f, "654321")
	if err == nil || strings.Contains(err.Error(), "654321") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	s.Close()
	_, err = check(t, f, "654321")
	if err == nil || strings.Contains(err.Error(), "654321") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}

	// net/http quotes what it cannot read.
	echo := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
		raw(w, "HTTP/1.1 654321 "+strings.Repeat("x", 10_000)+"\r\n\r\n")
		return true
	})
	finding, err := check(t, open(t, echo.config()), "654321")
	nothingKnown(t, finding, err, "654321")
	if err == nil || !strings.Contains(err.Error(), secret.Redacted) || len(err.Error()) > 700 {
		t.Error(err)
	}
}

// TestNoProxyFromTheEnvironment: whoever starts the daemon does not choose who sees the codes.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	asked := make(chan struct{}, 1)
	go func() {
		if c, err := proxy.Accept(); err == nil {
			asked <- struct{}{}
			_ = c.Close()
		}
	}()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, (&url.URL{Scheme: "http", Host: proxy.Addr().String()}).String())
	}
	// net/http asks no proxy about loopback: so a host that is none, and does not exist.
	f := open(t, rest.Config{Name: "x", VerifyURL: "http://otp.invalid/", AllowPlaintext: true, Timeout: 5 * time.Second})
	if _, err := check(t, f, "654321"); err == nil {
		t.Error("asked a host that does not exist")
	}
	select {
	case <-asked:
		t.Error("the proxy was asked")
	default:
	}
}

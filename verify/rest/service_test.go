package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/test/slapdtest"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dwho is the user of LemonLDAP::NG's own tests.
func dwho() *directory.User {
	return &directory.User{
		ID: "id-dwho", Name: "dwho", Mail: "dwho@badwolf.org", Phone: "+44 20 7946 0042",
		Attributes: map[string][]string{"cn": {"Doctor Who"}, "several": {"one", "two"}, "user-class;lang-en": {"time lord"}, "empty": {""}, "binary": {"\xff"}},
	}
}

// service is a web service that sends codes and checks them, as often as it is asked.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	right map[string]bool
	asked []asked
}

// asked is one request that a service has had.
type asked struct {
	path   string
	header http.Header
	body   map[string]string
}

// serve starts a service on loopback without TLS. hook, if any, answers instead if it returns true.
func serve(t *testing.T, hook func(w http.ResponseWriter, r *http.Request) bool) *service {
	t.Helper()
	s := &service{right: map[string]bool{}}
	s.Server = httptest.NewServer(s.handler(t, hook))
	t.Cleanup(s.Close)
	return s
}

func (s *service) handler(t *testing.T, hook func(w http.ResponseWriter, r *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return // a client that has given up
		}
		a := asked{path: r.URL.Path, header: r.Header}
		if err := json.Unmarshal(text, &a.body); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s %q: %v", r.Method, text, err)
		}
		s.mu.Lock()
		s.asked = append(s.asked, a)
		yes := r.URL.Path == "/init" || s.right[a.body["code"]] && a.body["mail"] != ""
		s.mu.Unlock()
		if hook == nil || !hook(w, r) {
			answer(w, "application/json", fmt.Sprintf(`{"result": %t}`, yes))
		}
	})
}

func answer(w http.ResponseWriter, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	_, _ = io.WriteString(w, body)
}

// requests are all that have come so far.
func (s *service) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// newCode makes a code that the service will say yes to.
func (s *service) newCode() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := fmt.Sprintf("%06d", 654321+len(s.right))
	s.right[code] = true
	return code
}

// config is that of a service that sends and checks codes.
func (s *service) config() rest.Config {
	return rest.Config{
		Name: "sms", Label: "text message", InitURL: s.URL + "/init", VerifyURL: s.URL + "/verify",
		InitArguments: map[string]string{"mail": "$mail"}, VerifyArguments: map[string]string{"mail": "$mail"},
		Target: "$mail", Timeout: 20 * time.Second, ResendInterval: 30 * time.Second,
	}
}

func open(t testing.TB, c rest.Config) verify.Factor {
	t.Helper()
	f, err := rest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// check asks about a code.
func check(t *testing.T, f verify.Factor, code string) (verify.Finding, error) {
	t.Helper()
	return f.(verify.Checker).Check(t.Context(), dwho(), code, &factortest.Kept{})
}

// nothingKnown is what every answer comes to that is neither yes nor no.
func nothingKnown(t *testing.T, f verify.Finding, err error, code string) {
	t.Helper()
	if err == nil || f.Result == verify.Match {
		t.Errorf("%+v, %v", f, err)
	} else if strings.Contains(err.Error(), code) {
		t.Errorf("the code is in the error: %v", err)
	}
}

// certificate writes a certificate for names and its key, and the authority behind it.
func certificate(t *testing.T, a *slapdtest.Authority, names ...string) (ca, cert, key string) {
	t.Helper()
	certPEM, keyPEM := a.Issue(names...)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": a.PEM, "cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

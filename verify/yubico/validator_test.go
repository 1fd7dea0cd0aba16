package yubico

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/provider"
)

const clientID = 42

var apiKey = []byte("an API key, 20 octet") //nolint:gochecknoglobals // of the tests

// validator is a validation server, honest as long as nobody makes it lie.
type validator struct {
	*httptest.Server
	t    testing.TB
	keys map[string]Key

	mu    sync.Mutex
	asked int
	last  map[string]press
	// lie, if set, answers in the place of the honest answer.
	lie func(w http.ResponseWriter, r *http.Request, honest fields)
}

func newValidator(t testing.TB) *validator {
	t.Helper()
	v := &validator{t: t, keys: map[string]Key{}, last: map[string]press{}}
	for _, k := range []yubikey{alices, bobs} {
		v.keys[k.id] = Key{AES: k.full(t).Secret, PrivateID: k.full(t).PrivateID}
	}
	v.Server = httptest.NewUnstartedServer(v)
	v.Config.ErrorLog = log.New(io.Discard, "", 0) // that handshakes are broken off is part of the tests
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

func (v *validator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	honest := v.honest(r)
	v.mu.Lock()
	v.asked++
	lie := v.lie
	v.mu.Unlock()
	if lie != nil {
		lie(w, r, honest)
		return
	}
	write(w, honest)
}

// liesBy sets what the server answers from now on; nil: the truth.
func (v *validator) liesBy(lie func(w http.ResponseWriter, r *http.Request, honest fields)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lie = lie
}

// forget has the server forget all codes, as if it had been restored from a backup.
func (v *validator) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.last)
}

func (v *validator) timesAsked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// honest is the signed answer that the protocol asks for. It consumes the code.
func (v *validator) honest(r *http.Request) fields {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := fields{}
	for name, values := range r.URL.Query() {
		asked[name] = values[0]
	}
	answer := fields{"t": "2026-01-01T00:00:00Z0123", "otp": asked["otp"], "nonce": asked["nonce"], "sl": "100", "status": "BAD_OTP"}
	signature, _ := base64.StdEncoding.DecodeString(asked["h"])
	c, isCode := parseCode(asked["otp"])
	at, right := v.keys[c.id].open(c)
	last, seen := v.last[c.id]
	switch {
	case asked["id"] != strconv.Itoa(clientID):
		answer["status"] = "NO_SUCH_CLIENT"
	case string(signature) != string(asked.mac(apiKey)):
		answer["status"] = "BAD_SIGNATURE"
	case !isCode || !right:
	case seen && at <= last:
		answer["status"] = "REPLAYED_OTP"
	default:
		v.last[c.id] = at
		answer["status"] = "OK"
		answer["timestamp"] = "10000"
		answer["sessioncounter"], answer["sessionuse"] = strconv.Itoa(int(at>>8)), strconv.Itoa(int(at&0xff))
	}
	return sign(answer)
}

// sign signs what it is given, as who has the API key can.
func sign(f fields) fields {
	f = maps.Clone(f)
	f["h"] = base64.StdEncoding.EncodeToString(f.mac(apiKey))
	return f
}

// changed is f with other values, not signed anew; "" takes a field out.
func changed(f fields, values fields) fields {
	f = maps.Clone(f)
	for name, value := range values {
		f[name] = value
		if value == "" {
			delete(f, name)
		}
	}
	return f
}

func text(f fields) string {
	body := ""
	for name, value := range f {
		body += name + "=" + value + "\r\n"
	}
	return body + "\r\n"
}

func write(w http.ResponseWriter, f fields) { _, _ = w.Write([]byte(text(f))) }

// answering lies by changing the honest answer.
func answering(change func(honest fields) fields) func(http.ResponseWriter, *http.Request, fields) {
	return func(w http.ResponseWriter, _ *http.Request, honest fields) { write(w, change(honest)) }
}

// configOf is for a factor that asks these servers. The first one's certificate is the authority: they all have
// the one of net/http/httptest.
func configOf(t testing.TB, validators ...*validator) Config {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: validators[0].Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{ClientID: clientID, APIKey: secret.New(base64.StdEncoding.EncodeToString(apiKey)), CAFile: ca}
	for _, v := range validators {
		c.Servers = append(c.Servers, v.URL+"/wsapi/2.0/verify")
	}
	c.Limits = provider.Limits{Timeout: 10 * time.Second, MaxFailures: 1000}
	return c
}

func remoteFactor(t testing.TB, c Config) *Factor {
	t.Helper()
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConformanceWithAServer(t *testing.T) {
	for name, lie := range map[string]func(http.ResponseWriter, *http.Request, fields){
		"that gives counters": nil,
		"that gives none": answering(func(honest fields) fields {
			return sign(changed(honest, fields{"timestamp": "", "sessioncounter": "", "sessionuse": ""}))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			factortest.Run(t, func(t *testing.T) factortest.Subject {
				v, use := newValidator(t), uint8(0)
				v.liesBy(lie)
				return factortest.Subject{
					Factor: remoteFactor(t, configOf(t, v)),
					User:   owner(alices.device()),
					Right:  func(t *testing.T) string { use++; return alices.code(t, 7, use) },
					Wrong:  []string{alices.id + bobs.code(t, 7, 1)[idLength:], bobs.code(t, 7, 1)},
				}
			})
		})
	}
}

func TestConformanceWithAKeysFile(t *testing.T) {
	factortest.Run(t, func(t *testing.T) factortest.Subject {
		keys, err := ParseKeys("keys", []byte(alices.id+","+alices.private+","+alices.aes))
		if err != nil {
			t.Fatal(err)
		}
		v, use := newValidator(t), uint8(0)
		c := configOf(t, v)
		c.Keys = keys
		t.Cleanup(func() {
			if v.timesAsked() > 0 {
				t.Error("a server was asked about a key that is known here")
			}
		})
		return factortest.Subject{
			Factor: remoteFactor(t, c),
			User:   owner(alices.device()),
			Right:  func(t *testing.T) string { use++; return alices.code(t, 7, use) },
			Wrong:  []string{alices.id + bobs.code(t, 7, 1)[idLength:], bobs.code(t, 7, 1)},
		}
	})
}

func TestServersAnswers(t *testing.T) {
	v := newValidator(t)
	f, u, kept := remoteFactor(t, configOf(t, v)), owner(alices.device(), bobs.full(t)), &factortest.Kept{}
	right := alices.code(t, 3, 4)
	for _, step := range []struct {
		what, typed string
		want        verify.Result
	}{
		{"a wrong code", alices.id + bobs.code(t, 7, 1)[idLength:], verify.NoMatch},
		{"a right one", right, verify.Match},
		{"the same once more", right, verify.Used},
		{"one of a key that is known here", bobs.code(t, 1, 1), verify.Match},
	} {
		finding := check(t, f, u, step.typed, kept)
		if finding.Result != step.want || step.want == verify.Match && !kept.Take(finding) {
			t.Errorf("%s: %+v", step.what, finding)
		}
	}
	if v.timesAsked() != 3 {
		t.Errorf("the server was asked %d times, not 3", v.timesAsked())
	}
	if mark, _, _ := kept.Mark("yubico/" + alices.id); mark != 3<<8|4 {
		t.Errorf("the mark is %#x", mark)
	}
	// Old servers leave code and nonce out of a no.
	v.liesBy(answering(func(honest fields) fields { return sign(changed(honest, fields{"otp": "", "nonce": ""})) }))
	v.forget()
	if finding := check(t, f, u, alices.id+bobs.code(t, 7, 1)[idLength:], kept); finding.Result != verify.NoMatch {
		t.Errorf("a bare no: %+v", finding)
	}
}

// TestOneKeyOneMark: whoever checks a code, it has been used.
func TestOneKeyOneMark(t *testing.T) {
	v := newValidator(t)
	f, kept := remoteFactor(t, configOf(t, v)), &factortest.Kept{}
	here, there := owner(alices.full(t)), owner(alices.device())
	for i, step := range []struct {
		by  *directory.User
		use uint8
		in  bool
	}{{there, 1, true}, {here, 1, false}, {here, 2, true}, {there, 2, false}, {there, 3, true}} {
		if in := login(t, f, step.by, alices.code(t, 1, step.use), kept); in != step.in {
			t.Errorf("step %d, use %d: let in %v", i, step.use, in)
		}
	}
}

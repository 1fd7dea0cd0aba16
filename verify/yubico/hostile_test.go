package yubico

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/provider"
)

// noAnswer expects that a check ends in an error, which holds neither code nor key.
func noAnswer(t *testing.T, f *Factor, typed string) {
	t.Helper()
	finding, err := f.Check(t.Context(), owner(alices.device()), typed, &factortest.Kept{})
	switch {
	case err == nil:
		t.Errorf("an answer: %+v", finding)
	case finding.Result != verify.NoMatch:
		t.Errorf("a finding beside the error %v: %+v", err, finding)
	case strings.Contains(err.Error(), typed[idLength:]) || strings.Contains(err.Error(), string(apiKey)) || strings.Contains(err.Error(), "\n"):
		t.Errorf("the error shows a code or key, or has several lines: %v", err)
	}
}

// TestRow33_AnAnswerMustBeSignedAndToThisQuestion: each of these answers says OK and is wrong in one point only.
func TestRow33_AnAnswerMustBeSignedAndToThisQuestion(t *testing.T) {
	other := fields{"nonce": "aef3a7835277a28da831005c2ae3b919", "otp": bobs.code(t, 1, 1)}
	for name, lie := range map[string]func(honest fields) string{
		"h of another answer": func(honest fields) string {
			return text(changed(honest, fields{"h": sign(changed(honest, fields{"status": "BAD_OTP"}))["h"]}))
		},
		"h of another key":     func(honest fields) string { return text(changed(honest, fields{"h": "YWFhYWFhYWFhYWFhYWFhYWFhYWE="})) },
		"h that is no base64":  func(honest fields) string { return text(changed(honest, fields{"h": "%%%"})) },
		"no h":                 func(honest fields) string { return text(changed(honest, fields{"h": ""})) },
		"an empty h":           func(honest fields) string { return text(changed(honest, fields{"h": ""})) + "h=\r\n" },
		"one h too many":       func(honest fields) string { return text(honest) + "h=" + honest["h"] + "\r\n" },
		"another code":         func(honest fields) string { return text(sign(changed(honest, fields{"otp": other["otp"]}))) },
		"no code":              func(honest fields) string { return text(sign(changed(honest, fields{"otp": ""}))) },
		"another nonce":        func(honest fields) string { return text(sign(changed(honest, fields{"nonce": other["nonce"]}))) },
		"no nonce":             func(honest fields) string { return text(sign(changed(honest, fields{"nonce": ""}))) },
		"a second status":      func(honest fields) string { return "status=BAD_OTP\r\n" + text(honest) },
		"a status told twice":  func(honest fields) string { return text(honest) + "status=OK\r\n" },
		"another status too":   func(honest fields) string { return text(honest) + "status=BAD_OTP\r\n" },
		"a second code":        func(honest fields) string { return "otp=" + other["otp"] + "\r\n" + text(honest) },
		"a status in lower":    func(honest fields) string { return text(sign(changed(honest, fields{"status": "ok"}))) },
		"a status with a tail": func(honest fields) string { return text(sign(changed(honest, fields{"status": "OK "}))) },
		"no status":            func(honest fields) string { return text(sign(changed(honest, fields{"status": ""}))) },
		"HTML":                 func(fields) string { return "<html><body>status=OK</body></html>" },
		"HTML around it":       func(honest fields) string { return "<html>\n" + text(honest) + "</html>" },
		"nothing":              func(fields) string { return "" },
		"a NUL":                func(honest fields) string { return text(honest) + "x=\x00\r\n" },
		"counters too large": func(honest fields) string {
			return text(sign(changed(honest, fields{"sessioncounter": "65536"})))
		},
		"half of the counters": func(honest fields) string { return text(sign(changed(honest, fields{"sessionuse": ""}))) },
		"a negative counter":   func(honest fields) string { return text(sign(changed(honest, fields{"sessionuse": "-1"}))) },
		"many lines": func(honest fields) string {
			more := honest
			for i := range maxFields {
				more = changed(more, fields{fmt.Sprintf("x%d", i): "y"})
			}
			return text(sign(more))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t)
			v.liesBy(func(w http.ResponseWriter, _ *http.Request, honest fields) { _, _ = w.Write([]byte(lie(honest))) })
			noAnswer(t, remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1))
		})
	}
}

// TestRow33_ANoMustBeToThisQuestionToo: what is there must be right.
func TestRow33_ANoMustBeToThisQuestionToo(t *testing.T) {
	for name, change := range map[string]fields{
		"another nonce": {"nonce": "aef3a7835277a28da831005c2ae3b919", "status": "REPLAYED_OTP"},
		"another code":  {"otp": bobs.code(t, 1, 1), "status": "BAD_OTP"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t)
			v.liesBy(answering(func(honest fields) fields { return sign(changed(honest, change)) }))
			noAnswer(t, remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1))
		})
	}
}

// TestRow33_StatusesThatSayNothingAboutTheCode are errors: neither a yes nor a guess that counts.
func TestRow33_StatusesThatSayNothingAboutTheCode(t *testing.T) {
	for _, status := range []string{
		"REPLAYED_REQUEST", "BACKEND_ERROR", "NOT_ENOUGH_ANSWERS", "NO_SUCH_CLIENT", "BAD_SIGNATURE",
		"MISSING_PARAMETER", "OPERATION_NOT_ALLOWED", "SOMETHING_NEW",
	} {
		t.Run(status, func(t *testing.T) {
			v := newValidator(t)
			v.liesBy(answering(func(honest fields) fields { return sign(changed(honest, fields{"status": status})) }))
			noAnswer(t, remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1))
		})
	}
}

// TestRow33_OddHTTPIsNoAnswer: the answer in it would be right, if it had come as one.
func TestRow33_OddHTTPIsNoAnswer(t *testing.T) {
	for name, lie := range map[string]func(w http.ResponseWriter, r *http.Request, honest fields){
		"in an error page": func(w http.ResponseWriter, _ *http.Request, honest fields) {
			w.WriteHeader(http.StatusInternalServerError)
			write(w, honest)
		},
		"as something created": func(w http.ResponseWriter, _ *http.Request, honest fields) {
			w.WriteHeader(http.StatusCreated)
			write(w, honest)
		},
		"behind a redirect": func(w http.ResponseWriter, r *http.Request, honest fields) {
			if r.URL.Query().Has("again") {
				write(w, honest)
				return
			}
			http.Redirect(w, r, r.URL.String()+"&again=1", http.StatusFound)
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request, honest fields) {
			w.Header().Set("Content-Length", "9999")
			write(w, honest)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t)
			var first atomic.Pointer[fields] // the honest answer to a first request; a second one would be a replay
			v.liesBy(func(w http.ResponseWriter, r *http.Request, honest fields) {
				first.CompareAndSwap(nil, &honest)
				lie(w, r, *first.Load())
			})
			noAnswer(t, remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1))
		})
	}
}

// TestRow33_AFloodIsCutOff: of 100 MB no more is read than an answer may have, and what the connection holds.
func TestRow33_AFloodIsCutOff(t *testing.T) {
	v := newValidator(t)
	sent := make(chan int, 1)
	v.liesBy(func(w http.ResponseWriter, _ *http.Request, honest fields) {
		n, chunk := len(text(honest)), []byte("x="+strings.Repeat("y", 64<<10)+"\r\n")
		write(w, honest)
		for n < 100<<20 {
			m, err := w.Write(chunk)
			n += m
			if err != nil {
				break
			}
		}
		sent <- n
	})
	noAnswer(t, remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1))
	if n := <-sent; n > 32<<20 {
		t.Errorf("%d octets were taken", n)
	}
}

// TestRow33_AServerThatHangsIsGivenUp: after the time-out, with an error.
func TestRow33_AServerThatHangsIsGivenUp(t *testing.T) {
	for name, lie := range map[string]func(w http.ResponseWriter, r *http.Request, honest fields){
		"before the answer": func(_ http.ResponseWriter, r *http.Request, _ fields) { <-r.Context().Done() },
		"within the answer": func(w http.ResponseWriter, r *http.Request, honest fields) {
			write(w, honest)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t)
			v.liesBy(lie)
			c := configOf(t, v)
			c.Limits.Timeout = 300 * time.Millisecond
			began := time.Now()
			noAnswer(t, remoteFactor(t, c), alices.code(t, 1, 1))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestRow33_ANonceIsGoodForOneCheck: an answer that was recorded is no answer to a later check of the same code.
func TestRow33_ANonceIsGoodForOneCheck(t *testing.T) {
	v := newValidator(t)
	var recorded atomic.Pointer[fields]
	v.liesBy(func(w http.ResponseWriter, _ *http.Request, honest fields) {
		recorded.CompareAndSwap(nil, &honest)
		write(w, *recorded.Load())
	})
	f, typed := remoteFactor(t, configOf(t, v)), alices.code(t, 1, 1)
	if finding := check(t, f, owner(alices.device()), typed, &factortest.Kept{}); finding.Result != verify.Match {
		t.Fatalf("the first check: %+v", finding)
	}
	noAnswer(t, f, typed)
}

// TestRow33_AServerThatForgetsLetsNoCodeInTwice: one that was restored from a backup says OK again. With counters
// their mark holds, without them, or with ones that are not signed, the code itself is remembered.
func TestRow33_AServerThatForgetsLetsNoCodeInTwice(t *testing.T) {
	forged := 0
	for name, lie := range map[string]func(honest fields) fields{
		"counters": func(honest fields) fields { return honest },
		"no counters": func(honest fields) fields {
			return sign(changed(honest, fields{"timestamp": "", "sessioncounter": "", "sessionuse": ""}))
		},
		"counters that are not signed": func(honest fields) fields { // as Debian's yubiserver gives them, and changed on the way
			forged++
			bare := sign(changed(honest, fields{"timestamp": "", "sessioncounter": "", "sessionuse": ""}))
			return changed(bare, fields{"timestamp": "1", "sessioncounter": fmt.Sprint(100 + forged), "sessionuse": "1"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t)
			v.liesBy(answering(lie))
			f, u, kept := remoteFactor(t, configOf(t, v)), owner(alices.device()), &factortest.Kept{}
			codes := []string{alices.code(t, 1, 1), alices.code(t, 1, 2), alices.code(t, 2, 0)}
			for _, typed := range codes {
				if !login(t, f, u, typed, kept) {
					t.Fatal("a right code was refused")
				}
			}
			for i, typed := range codes {
				v.forget()
				finding := check(t, f, u, typed, kept)
				if finding.Result != verify.Used {
					t.Errorf("code %d once more: %+v", i, finding)
				}
			}
		})
	}
}

// TestRow33_CountersAreNotGivenUpAgain: of two servers that do not know of each other, one gives no counters. What
// got in by the one does not get in by the other.
func TestRow33_CountersAreNotGivenUpAgain(t *testing.T) {
	with, without := newValidator(t), newValidator(t)
	without.liesBy(answering(func(honest fields) fields {
		return sign(changed(honest, fields{"timestamp": "", "sessioncounter": "", "sessionuse": ""}))
	}))
	u, kept := owner(alices.device()), &factortest.Kept{}
	typed := alices.code(t, 1, 1)
	if !login(t, remoteFactor(t, configOf(t, with)), u, typed, kept) {
		t.Fatal("a right code was refused")
	}
	f := remoteFactor(t, configOf(t, without))
	if finding, err := f.Check(t.Context(), u, typed, kept); err == nil {
		t.Errorf("%+v", finding)
	}
	// And the other way round: the code is remembered.
	kept = &factortest.Kept{}
	without.forget()
	if !login(t, f, u, typed, kept) {
		t.Fatal("a right code was refused")
	}
	with.forget()
	if login(t, remoteFactor(t, configOf(t, with)), u, typed, kept) {
		t.Error("in twice")
	}
}

// TestRow33_PlainHTTPIsForThisHostOnly, unless somebody says otherwise.
func TestRow33_PlainHTTPIsForThisHostOnly(t *testing.T) {
	for server, fine := range map[string]bool{
		"https://api.example.org/wsapi/2.0/verify":       true,
		"http://127.0.0.1:8000/wsapi/2.0/verify":         true,
		"http://[::1]:8000/wsapi/2.0/verify":             true,
		"http://localhost/wsapi/2.0/verify":              true,
		"http://api.example.org/wsapi/2.0/verify":        false,
		"http://192.0.2.1/wsapi/2.0/verify":              false,
		"http://127.0.0.1.example.org/wsapi/2.0/verify":  false,
		"https://u:p@api.example.org/wsapi/2.0/verify":   false,
		"https://api.example.org/wsapi/2.0/verify?x=y":   false,
		"https://api.example.org/wsapi/2.0/verify#there": false,
		"ftp://api.example.org/wsapi/2.0/verify":         false,
		"api.example.org":                                false,
		"https:///wsapi/2.0/verify":                      false,
	} {
		c := Config{Servers: []string{server}, ClientID: 1, APIKey: secret.New("YWFhYWFhYWFhYWFhYWFhYWFhYWE=")}
		if _, err := New(c); (err == nil) != fine {
			t.Errorf("%s: %v", server, err)
		}
		if c.AllowPlaintext = true; strings.HasPrefix(server, "http://") {
			if _, err := New(c); err != nil {
				t.Errorf("%s, allowed: %v", server, err)
			}
		}
	}
}

// TestRow33_TheCertificateIsChecked: without its authority a server is not believed, and hears no code.
func TestRow33_TheCertificateIsChecked(t *testing.T) {
	v := newValidator(t)
	c := configOf(t, v)
	c.CAFile = ""
	noAnswer(t, remoteFactor(t, c), alices.code(t, 1, 1))
	if v.timesAsked() != 0 {
		t.Error("the server was asked all the same")
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Config{Servers: []string{"https://api.example.org/wsapi/2.0/verify"}, ClientID: 1, APIKey: secret.New("YWFhYWFhYWFhYWFhYWFhYWFhYWE=")}
	for name, change := range map[string]func(*Config){
		"no API key":             func(c *Config) { c.APIKey = secret.String{} },
		"a short API key":        func(c *Config) { c.APIKey = secret.New("YWFh") },
		"an API key in hex":      func(c *Config) { c.APIKey = secret.New("hunter2-hunter2") },
		"no file of authorities": func(c *Config) { c.CAFile = filepath.Join(t.TempDir(), "missing.pem") },
		"no authorities in it":   func(c *Config) { c.CAFile = empty },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheFirstDefiniteAnswerCounts: slow, dead and confused servers cost nothing but their own answer.
func TestTheFirstDefiniteAnswerCounts(t *testing.T) {
	good, slow, dead, confused := newValidator(t), newValidator(t), newValidator(t), newValidator(t)
	asked, answered, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	slow.liesBy(func(_ http.ResponseWriter, r *http.Request, _ fields) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	})
	confused.liesBy(func(w http.ResponseWriter, _ *http.Request, honest fields) {
		write(w, sign(changed(honest, fields{"status": "REPLAYED_REQUEST"})))
		close(answered)
	})
	good.liesBy(func(w http.ResponseWriter, _ *http.Request, honest fields) {
		<-asked
		<-answered
		write(w, honest)
	})
	c := configOf(t, slow, dead, confused, good)
	dead.Close()
	finding := check(t, remoteFactor(t, c), owner(alices.device()), alices.code(t, 1, 1), &factortest.Kept{})
	if finding.Result != verify.Match {
		t.Errorf("%+v", finding)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the request to the slow server was not cancelled")
	}
}

// TestServersHearTheSameQuestion: by code and nonce they know one question for one.
func TestServersHearTheSameQuestion(t *testing.T) {
	nonces := make(chan string, 8)
	a, b := newValidator(t), newValidator(t)
	for _, v := range []*validator{a, b} {
		v.liesBy(func(w http.ResponseWriter, r *http.Request, honest fields) {
			nonces <- r.URL.Query().Get("nonce")
			write(w, sign(changed(honest, fields{"status": "BACKEND_ERROR"})))
		})
	}
	f := remoteFactor(t, configOf(t, a, b))
	var heard []string
	for range 2 {
		noAnswer(t, f, alices.code(t, 1, 1))
		heard = append(heard, <-nonces, <-nonces)
	}
	if heard[0] != heard[1] || heard[2] != heard[3] || heard[0] == heard[2] {
		t.Errorf("nonces %q", heard)
	}
	// Old servers take 16 to 32 letters and digits.
	if n := heard[0]; len(n) < 16 || len(n) > 32 || strings.Trim(n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		t.Errorf("the nonce %q", n)
	}
}

// TestRow34_AnEarlierYesIsNoLaterYes: one good answer, then a failing server, then any string.
func TestRow34_AnEarlierYesIsNoLaterYes(t *testing.T) {
	v := newValidator(t)
	f, u, kept := remoteFactor(t, configOf(t, v)), owner(alices.device()), &factortest.Kept{}
	right := alices.code(t, 1, 1)
	if finding := check(t, f, u, right, kept); finding.Result != verify.Match { // not even claimed
		t.Fatalf("%+v", finding)
	}
	v.liesBy(func(w http.ResponseWriter, _ *http.Request, _ fields) { w.WriteHeader(http.StatusServiceUnavailable) })
	for _, typed := range []string{right, alices.code(t, 1, 2), alices.id + strings.Repeat("c", 32)} {
		noAnswer(t, f, typed)
	}
	for _, typed := range []string{"", "x", alices.id, bobs.code(t, 1, 1), right[1:], strings.Repeat("c", 44)} {
		if finding, err := f.Check(t.Context(), u, typed, kept); err == nil && finding.Result == verify.Match {
			t.Errorf("%q: %+v", typed, finding)
		}
	}
	v.Close()
	noAnswer(t, f, right)
}

// TestTooManyAndTooOften: the guard's errors come through.
func TestTooManyAndTooOften(t *testing.T) {
	v := newValidator(t)
	v.liesBy(func(w http.ResponseWriter, _ *http.Request, _ fields) { w.WriteHeader(http.StatusBadGateway) })
	c := configOf(t, v)
	c.Limits = provider.Limits{MaxFailures: 2}
	f := remoteFactor(t, c)
	for range 2 {
		noAnswer(t, f, alices.code(t, 1, 1))
	}
	if _, err := f.Check(t.Context(), owner(alices.device()), alices.code(t, 1, 1), &factortest.Kept{}); !errors.Is(err, provider.ErrResting) {
		t.Error(err)
	}
}

func TestTheOldestCodesAreForgotten(t *testing.T) {
	p := past{key: "k"}
	code := func(i int) code {
		c, ok := parseCode(alices.code(t, uint16(i/200), uint8(i%200)))
		if !ok {
			t.Fatal(i)
		}
		return c
	}
	for i := range codesKept + 10 {
		claim := p.accept(code(i), nil).Claim
		if claim.From == nil || string(claim.From) != string(p.codes) {
			t.Fatal("the claim is not of what was there")
		}
		p.codes = claim.To
	}
	if len(p.codes) != codesKept*hashSize {
		t.Errorf("%d octets are kept", len(p.codes))
	}
	if p.holds(code(9)) || !p.holds(code(10)) || !p.holds(code(codesKept+9)) {
		t.Error("not the oldest ones are gone")
	}
}

func FuzzJudge(f *testing.F) {
	q := question{client: "42", key: apiKey, otp: alices.code(f, 1, 1), nonce: "abcdefghijklmnop"}
	honest := sign(fields{"t": "x", "otp": q.otp, "nonce": q.nonce, "sl": "100", "status": "OK", "timestamp": "1", "sessioncounter": "1", "sessionuse": "1"})
	f.Add([]byte(text(honest)))
	f.Add([]byte(text(sign(changed(honest, fields{"status": "REPLAYED_OTP", "otp": "", "nonce": ""})))))
	f.Add([]byte("h= \r\nt=2026-11-21T21:41:11.014Z\r\nstatus=NO_SUCH_CLIENT\r\n"))
	f.Add([]byte("status=OK\nstatus=OK\n"))
	f.Add([]byte("<html>"))
	f.Add([]byte("=\n==\n\n\r\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := q.judge(body)
		if err != nil {
			return
		}
		if _, known := definite[a.status]; !known {
			t.Fatalf("%q is an answer: %+v", body, a)
		}
		if a.result == verify.Match && !strings.Contains(string(body), q.nonce) {
			t.Fatalf("%q is a yes to another question", body)
		}
	})
}

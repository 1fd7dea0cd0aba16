// Package smsgateway tests the example that stands in this folder, as Tandem runs it.
package smsgateway

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/secret"
	"tandem/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rest is what a configuration needs beside the example.
const rest = `
[[radius.clients]]
name = "vpn"
networks = ["192.0.2.1"]
secret = "0123456789abcdef"
[directory]
type = "file"
[directory.file]
path = "users.toml"
`

// gateway is a factor of the example's files, with the URL of a server of the test's.
func gateway(t *testing.T, answer http.HandlerFunc) (verify.Maker, *bytes.Buffer) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is missing: apt install curl")
	}
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	program, options := filepath.Join(dir, "send-sms"), filepath.Join(dir, "sms-gateway.curl")
	write := func(from, to string, mode os.FileMode, replace ...string) {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(replace); i += 2 {
			if !strings.Contains(string(text), replace[i]) {
				t.Fatalf("%s has no %s", from, replace[i])
			}
		}
		if err := os.WriteFile(to, []byte(strings.NewReplacer(replace...).Replace(string(text))), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("send-sms", program, 0o755)
	write("sms-gateway.curl", options, 0o600, "https://sms.example.org", server.URL, "=https", "=http")
	write("config.toml", filepath.Join(dir, "config.toml"), 0o600,
		"/usr/local/libexec/tandem/send-sms", program, "/etc/tandem/sms-gateway.curl", options, `target = "$phone"`, `target = "$phone"`+rest)

	c, err := config.Load(filepath.Join(dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	log := new(bytes.Buffer)
	setup, err := compose.Setup(c, nil, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range setup.Factors {
		if f.Name() == "sms" {
			return f.(verify.Maker), log
		}
	}
	t.Fatal("there is no factor sms")
	return nil, nil
}

func alice(phone string) *directory.User { return &directory.User{Name: "alice", Phone: phone} }

func TestCodeReachesTheGateway(t *testing.T) {
	var path, token, to, text, processes string
	sms, log := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		path, token, to, text = r.Method+" "+r.URL.Path, r.Header.Get("Authorization"), r.FormValue("to"), r.FormValue("text")
		processes = everybodySees(t)
		w.WriteHeader(http.StatusAccepted)
	})
	u := alice("+49 (170) 123-4512")
	if masked, ok := sms.Target(u); !ok || masked != "…12" {
		t.Errorf("%q, %v", masked, ok)
	}
	code, err := sms.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	if err := sms.Send(t.Context(), u, code); err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	if path != "POST /v1/messages" || token != "Bearer REPLACE-THIS-TOKEN" || to != "+491701234512" || text != "Your code: "+code.Reveal() {
		t.Errorf("%s, %q, to %q: %q", path, token, to, text)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log)
	}
	if !strings.Contains(processes, "curl --disable") || strings.Contains(processes, code.Reveal()) || strings.Contains(processes, "REPLACE-THIS-TOKEN") {
		t.Errorf("while it was sent, everybody saw %s", processes)
	}
}

// everybodySees is the arguments and, of root's, the environments of all programs that send.
func everybodySees(t *testing.T) string {
	var all strings.Builder
	for _, file := range []string{"cmdline", "environ"} {
		paths, err := filepath.Glob("/proc/[0-9]*/" + file)
		if err != nil {
			t.Error(err)
		}
		for _, path := range paths {
			command, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			if err != nil || !bytes.Contains(command, []byte("sms-gateway.curl")) {
				continue
			}
			text, _ := os.ReadFile(path) // it may have ended meanwhile
			all.Write(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
		}
	}
	return all.String()
}

func TestWhatIsNoSuccessIsAFailure(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"server error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"bad token":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"hangs up":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm() // only then is the caller's end noticed
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			sms, log := gateway(t, answer)
			err := sms.Send(t.Context(), alice("+49 170 1234512"), secret.New("123456"))
			if err == nil || !strings.HasSuffix(err.Error(), "send-sms ended with exit status 1") {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "send-sms: the gateway") || strings.Contains(log.String(), "123456") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	sms, log := gateway(t, func(http.ResponseWriter, *http.Request) { t.Error("the gateway was asked") })
	for _, phone := range []string{"none", "+", "+49 170 x", "@/etc/passwd", "+49;id"} {
		if err := sms.Send(t.Context(), alice(phone), secret.New("123456")); err == nil {
			t.Errorf("%q is a number", phone)
		}
		if !strings.Contains(log.String(), "the user's number is not one") {
			t.Errorf("%q: the log says %s", phone, log)
		}
		log.Reset()
	}
}

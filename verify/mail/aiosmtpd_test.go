package mail_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tandem/test/freeport"
	"tandem/verify/mail"
)

// python is Debian's, which has Debian's modules.
const python = "/usr/bin/python3"

// TestARealServer sends through Debian's aiosmtpd, which wants TLS and a login.
func TestARealServer(t *testing.T) {
	if err := exec.Command(python, "-c", "import aiosmtpd").Run(); err != nil {
		t.Fatalf("%s has no aiosmtpd: apt-get install python3-aiosmtpd (%v)", python, err)
	}
	_, ca, cert, key := certificate(t, "localhost")
	for _, mode := range []mail.TLS{mail.StartTLS, mail.ImplicitTLS} {
		t.Run(string(mode), func(t *testing.T) {
			port, err := freeport.Find()
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			server := exec.Command(python, "testdata/server.py", strconv.Itoa(port), cert, key, string(mode), username, password, folder)
			server.Stderr = os.Stderr
			out, err := server.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}

			c := config("localhost:" + strconv.Itoa(port))
			c.TLS, c.CAFile, c.Username, c.Password = mode, ca, username, hunter2
			if err := send(t, open(t, c), alice()); err != nil {
				t.Fatal(err)
			}
			c.Username = "eve"
			if err := send(t, open(t, c), alice()); err == nil || !strings.Contains(err.Error(), "AUTH failed: 535") {
				t.Errorf("with a wrong login: %v", err)
			}

			text, err := os.ReadFile(filepath.Join(folder, "1.json"))
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				From, User, Text string
				To               []string
				TLS              bool
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			m := parse(t, got.Text)
			if got.From != "tandem@example.org" || len(got.To) != 1 || got.To[0] != "alice@example.org" || got.User != username || !got.TLS ||
				m.Header.Get("Subject") != "Your login code" || !strings.Contains(got.Text, code+" is your code for 5 minutes.") {
				t.Errorf("%+v", got)
			}
		})
	}
}

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
)

// helper writes a tandem-pam configuration and the program for helper= that uses it.
func (h *sshHost) helper(t *testing.T, name, config string) string {
	t.Helper()
	write := func(file string, mode os.FileMode, text string) string {
		path := filepath.Join(h.Dir(), file)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	toml := write(name+".toml", 0o600, config)
	return write(name, 0o755, fmt.Sprintf("#!/bin/sh\nexec %s --config %s \"$@\"\n", filepath.Join(bin, "tandem-pam"), toml))
}

func (h *sshHost) useLine(auth string) {
	for _, service := range []string{"sshd", "sudo"} {
		h.WritePAM(service, auth+"\naccount required pam_unix.so\nsession required pam_permit.so\n")
	}
}

func TestHelperAsksARemoteTandem(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	secretFile := filepath.Join(h.Dir(), "radius.secret")
	if err := os.WriteFile(secretFile, []byte(sharedSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	helper := h.helper(t, "remote", fmt.Sprintf("mode = \"radius\"\n[radius]\nservers = [\"127.0.0.1:1\", %q]\nsecret_file = \"radius.secret\"\ntimeout = \"1s\"\nretries = 0\n", h.d.addr))
	h.useLine("auth required " + h.so + " helper=" + helper)
	steady(t, 25*time.Second)
	code := h.key.totp(t, 0)
	h.wantIn("over RADIUS, by a challenge", both(alicePassword, code))
	h.wantOut("the same code", "replayed-code", both(alicePassword, code))
	next := h.key.totp(t, 1)
	h.d.want(h.d.try("alice", alicePassword+next), radius.CodeAccessAccept, "the VPN uses the next code")
	h.wantOut("spent on the VPN", "replayed-code", both(alicePassword, next))
	h.d.kill()
	h.wantOut("nobody answers", "", both(alicePassword, next))
	h.d.start()
}

func TestHelperRelaysToTheDaemon(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	helper := h.helper(t, "relay", "mode = \"socket\"\nsocket = \"pam.sock\"\n")
	h.useLine("auth required " + h.so + " helper=" + helper)
	steady(t, 15*time.Second)
	code := h.key.totp(t, 0)
	h.wantIn("relayed", both(alicePassword, code))
	h.wantOut("the same code", "replayed-code", both(alicePassword, code))
}

func TestHelperDecidesItself(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	h.d.stop() // no daemon runs: the helpers share its state file
	helper := h.helper(t, "own", fmt.Sprintf("mode = \"core\"\nconfig = %q\n", filepath.Join(h.d.dir, "config.toml")))
	h.useLine("auth required " + h.so + " helper=" + helper)
	steady(t, 20*time.Second)
	code := h.key.totp(t, 0)
	h.wantIn("decided here", both(alicePassword, code))
	h.wantOut("the same code", "replayed-code", both(alicePassword, code))
	if out, err := h.sudo(t, alicePassword, code); err == nil {
		t.Fatalf("the same code by sudo: %q", out)
	}
	h.d.start()
	h.d.want(h.d.try("alice", alicePassword+code), radius.CodeAccessReject, "the same code on the VPN")
}

func TestPamExec(t *testing.T) {
	h := newSSHHost(t, "", "", "KbdInteractiveAuthentication yes\nPasswordAuthentication no\nPubkeyAuthentication no\n")
	steady(t, 20*time.Second)
	helper := h.helper(t, "exec", "mode = \"socket\"\nsocket = \"pam.sock\"\n")
	h.useLine("auth required pam_exec.so expose_authtok quiet " + helper + " exec\nauth required pam_permit.so") // pam_exec itself has no credentials to set
	code := h.key.totp(t, 0)
	h.wantIn("password and code in one field", map[string]string{"Password: ": alicePassword + code})
	h.wantOut("the same again", "replayed-code", map[string]string{"Password: ": alicePassword + code})
	h.wantOut("the password alone", "code-wanted", map[string]string{"Password: ": alicePassword})
}

func TestLocalPasswordAsFirstFactor(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	h.WritePAM("tandem-password", "auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
	// The daemon of this test runs outside of the host, so its checker enters the host itself.
	enter := h.Command(context.Background(), filepath.Join(bin, "tandem-pam"), "password", "tandem-password")
	var quoted []string
	for _, a := range enter.Args {
		quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	checker := filepath.Join(h.Dir(), "checker")
	if err := os.WriteFile(checker, []byte("#!/bin/sh\nexec "+strings.Join(quoted, " ")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(onFile, "[[radius.clients]]", fmt.Sprintf("[pam]\npassword_helper = %q\n[[radius.clients]]", checker), 1)
	h.d.write("config.toml", head+config+"[[policies]]\nname = \"default\"\nfirst_factor = \"pam\"\n")
	h.d.hangUp("reloaded")
	steady(t, 20*time.Second)
	code := h.key.totp(t, 0)
	h.d.want(h.d.try("alice", alicePassword+code), radius.CodeAccessReject, "the users file's password")
	h.d.want(h.d.try("alice", "unix password"+code), radius.CodeAccessAccept, "the host's password, over RADIUS")
	h.d.want(h.d.try("alice", "unix password"+code), radius.CodeAccessReject, "the same code")
}

func TestTandemPamSaysWhatIsWrong(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	for config, want := range map[string]string{
		"mode = \"x\"\n":                        "choose socket, core or radius",
		"mode = \"radius\"\n":                   "radius.servers",
		"mode = \"radius\"\n[radius]\nserver=1": "did you mean",
	} {
		c := h.Command(context.Background(), h.helper(t, "wrong", config))
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %s, %v", config, out, err)
		}
	}
	for _, args := range [][]string{{"fly"}, {"password"}, {"password", "a/b"}} {
		out, err := h.Command(context.Background(), filepath.Join(bin, "tandem-pam"), args...).CombinedOutput()
		if err == nil {
			t.Errorf("%q: %s", args, out)
		}
	}
}

func TestTryThroughPAM(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	h.WritePAM("tandem-try", fmt.Sprintf("auth required %s socket=%s\naccount required pam_permit.so\n", h.so, filepath.Join(h.Dir(), "pam.sock")))
	steady(t, 15*time.Second)
	try := func(answers string) (string, int) {
		c := h.Command(context.Background(), filepath.Join(bin, "tandem"), "try", "alice", "--pam", "tandem-try", "--pam-helper", filepath.Join(bin, "tandem-pam"))
		c.Stdin = strings.NewReader(answers)
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	code := h.key.totp(t, 0)
	if out, status := try(alicePassword + "\n" + code + "\n"); status != 0 || !strings.Contains(out, "lets alice in") {
		t.Fatalf("%d: %s\n%s", status, out, h.d.said())
	}
	if out, status := try(alicePassword + "\n" + code + "\n"); status != 1 || !strings.Contains(out, "does not let alice in") {
		t.Fatalf("%d: %s", status, out)
	}
}

func TestSocketFromTheServiceManager(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	h.d.stop()
	socket := filepath.Join(h.Dir(), "pam.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	h.d.inherit = f
	h.d.start()
	steady(t, 20*time.Second)
	h.wantIn("over the inherited socket", both(alicePassword, h.key.totp(t, 0)))
	h.d.stop()

	// While the daemon is away, the socket holds the login; the daemon answers it when it is back.
	in := make(chan error, 1)
	go func() {
		_, _, err := h.SSH(h.port, "alice", both(alicePassword, h.key.totp(t, 1)))
		in <- err
	}()
	time.Sleep(500 * time.Millisecond) // the login waits
	h.d.start()
	if err := <-in; err != nil {
		t.Errorf("a login during a restart: %v\n%s", err, h.d.said())
	}
}

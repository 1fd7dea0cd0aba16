package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/pamhelper/module"
	"tandem/test/hosttest"
)

// sshHost is a host whose sshd and sudo ask pam_tandem.so, and a tandemd that it asks.
type sshHost struct {
	*hosttest.Host
	d    *daemon
	port string
	so   string
	key  *token
}

// withModule is an sshd that asks by keyboard-interactive alone.
const withModule = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\nPubkeyAuthentication no\n"

// newSSHHost makes the host. policies are further lines of tandemd's configuration, options those of the
// module's line in pam.d/sshd.
func newSSHHost(t *testing.T, policies, options, sshd string) *sshHost {
	t.Helper()
	h := &sshHost{Host: hosttest.New(t), key: newToken("alice")}
	h.AddUser("alice", "unix password")
	h.so = buildModule(t, h.Dir())
	socket := filepath.Join(h.Dir(), "pam.sock")
	h.d = newDaemon(t, fmt.Sprintf("%s\n[pam]\nsocket = %q\n%s", onFile, socket, policies), usersFile(t, map[string]*token{"alice": h.key}))
	h.WritePAM("sshd", fmt.Sprintf("auth required %s socket=%s %s\naccount required pam_unix.so\nsession required pam_permit.so\n", h.so, socket, options))
	h.WritePAM("sudo", fmt.Sprintf("auth required %s socket=%s %s\naccount required pam_unix.so\nsession required pam_permit.so\n", h.so, socket, options))
	h.port = h.StartSSHD(sshd)
	return h
}

// buildModule builds pam_tandem.so from the embedded sources, as its Makefile does.
func buildModule(t *testing.T, dir string) string {
	t.Helper()
	src := filepath.Join(dir, "module")
	if err := os.CopyFS(src, module.Sources); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-C", src).CombinedOutput(); err != nil {
		t.Fatalf("build the module (apt-get install gcc make libpam0g-dev): %v\n%s", err, out)
	}
	return filepath.Join(src, "pam_tandem.so")
}

func (h *sshHost) wantIn(what string, answers hosttest.Answers, options ...string) []string {
	h.d.t.Helper()
	out, prompts, err := h.SSH(h.port, "alice", answers, options...)
	if err != nil || out != "in as alice\n" {
		h.d.t.Fatalf("%s: %q, prompts %q, %v\nsshd: %s\ntandemd: %s", what, out, prompts, err, h.Log(), h.d.said())
	}
	return prompts
}

func (h *sshHost) wantOut(what, reason string, answers hosttest.Answers, options ...string) []string {
	h.d.t.Helper()
	out, prompts, err := h.SSH(h.port, "alice", answers, options...)
	if err == nil {
		h.d.t.Fatalf("%s: let in (%q)\nsshd: %s\ntandemd: %s", what, out, h.Log(), h.d.said())
	}
	if reason != "" && h.d.lastReason() != reason {
		h.d.t.Fatalf("%s: reason %s, want %s\ntandemd: %s", what, h.d.lastReason(), reason, h.d.said())
	}
	return prompts
}

func both(password, code string) hosttest.Answers {
	return hosttest.Answers{"Password: ": password, "Code: ": code}
}

func TestSSHTwoPrompts(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	steady(t, 20*time.Second)
	code := h.key.totp(t, 0)
	prompts := h.wantIn("right password, right code", both(alicePassword, code))
	if len(prompts) != 2 || !strings.HasSuffix(prompts[0], "Password:") || !strings.HasSuffix(prompts[1], "Code:") {
		t.Errorf("prompts %q", prompts)
	}
	h.wantOut("replayed code", "replayed-code", both(alicePassword, code))
	h.wantOut("wrong code", "wrong-code", both(alicePassword, h.key.wrong(t)))
	h.wantOut("wrong password", "wrong-password", both("wrong", h.key.totp(t, 1)))

	t.Run("a code spent over RADIUS is spent here", func(t *testing.T) {
		next := h.key.totp(t, 1)
		h.d.want(h.d.try("alice", alicePassword+next), radius.CodeAccessAccept, "over RADIUS")
		h.wantOut("spent over RADIUS", "replayed-code", both(alicePassword, next))
	})
	t.Run("an unknown user sees the same prompt", func(t *testing.T) {
		_, known, _ := h.SSH(h.port, "alice", both("wrong", "000000"))
		_, unknown, err := h.SSH(h.port, "mallory", both(alicePassword, code))
		if err == nil || len(unknown) != len(known) || !strings.HasSuffix(unknown[0], "Password:") {
			t.Errorf("prompts %q, a known user's %q, %v", unknown, known, err)
		}
	})
}

func TestSSHLockedOut(t *testing.T) {
	h := newSSHHost(t, "[throttle]\nsource_burst = 2\n", "", withModule)
	steady(t, 20*time.Second)
	for range 2 {
		h.wantOut("wrong password", "wrong-password", both("wrong", "000000"))
	}
	h.wantOut("locked out", "throttled", both(alicePassword, h.key.totp(t, 0)))
	if out, status := h.d.tandem("", "unlock", "alice"); status != 0 {
		t.Fatal(out)
	}
	h.wantIn("unlocked", both(alicePassword, h.key.totp(t, 0)))
}

func TestSSHKeyAndCode(t *testing.T) {
	h := newSSHHost(t, "", "", "KbdInteractiveAuthentication yes\nPasswordAuthentication no\nAuthenticationMethods publickey,keyboard-interactive:pam\n")
	key := h.AddKey("alice")
	steady(t, 20*time.Second)
	prompts := h.wantIn("key and code", hosttest.Answers{"Code: ": h.key.totp(t, 0)}, key)
	if len(prompts) != 1 {
		t.Errorf("after a key, the prompts are %q", prompts)
	}
	h.wantOut("key and a used code", "replayed-code", hosttest.Answers{"Code: ": h.key.totp(t, 0)}, key)
	h.wantOut("code without a key", "", hosttest.Answers{"Code: ": h.key.totp(t, 1)})
}

func TestSSHOneField(t *testing.T) {
	h := newSSHHost(t, "", "", "KbdInteractiveAuthentication no\nPasswordAuthentication yes\nPubkeyAuthentication no\n")
	steady(t, 20*time.Second)
	code := h.key.totp(t, 0)
	h.wantIn("password and code in one field", hosttest.Answers{"password: ": alicePassword + code})
	h.wantOut("the same again", "replayed-code", hosttest.Answers{"password: ": alicePassword + code})
}

func TestSSHAfterUnixPassword(t *testing.T) {
	h := newSSHHost(t, "[[policies]]\nname = \"default\"\n[[policies]]\nname = \"code\"\nmode = \"code-only\"\n", "policy=code", withModule)
	h.WritePAM("sshd", fmt.Sprintf("auth requisite pam_unix.so\nauth required %s socket=%s policy=code\naccount required pam_unix.so\nsession required pam_permit.so\n",
		h.so, filepath.Join(h.Dir(), "pam.sock")))
	steady(t, 20*time.Second)
	h.wantIn("unix password, then code", both("unix password", h.key.totp(t, 0)))
	h.wantOut("unix password, used code", "replayed-code", both("unix password", h.key.totp(t, 0)))
	h.wantOut("wrong unix password", "", both("wrong", h.key.totp(t, 1)))
}

func TestRow40_SSHWithoutDaemon(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	steady(t, 20*time.Second)
	h.d.kill()
	h.wantOut("daemon down", "", both(alicePassword, h.key.totp(t, 0)))
	h.d.start()
	h.wantIn("daemon back", both(alicePassword, h.key.totp(t, 0)))

	for service, line := range map[string]string{
		"a module that is missing": "auth required " + h.so + ".none socket=/x",
		"a socket that is missing": "auth required " + h.so + " socket=/nonexistent/pam.sock",
		"an option with a mistake": "auth required " + h.so + " sockt=/x",
	} {
		h.WritePAM("sshd", line+"\naccount required pam_unix.so\nsession required pam_permit.so\n")
		h.wantOut(service, "", both(alicePassword, h.key.totp(t, 1)))
	}
}

func TestSSHClientGoneAtThePrompt(t *testing.T) {
	h := newSSHHost(t, "", "", withModule+"LoginGraceTime 3\n")
	steady(t, 20*time.Second)
	askpass := filepath.Join(h.Dir(), "never")
	asked := filepath.Join(h.Dir(), "asked")
	if err := os.WriteFile(askpass, []byte("#!/bin/sh\n: >"+asked+"\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = os.Remove(asked)
		c := exec.Command("ssh", "-F", "none", "-p", h.port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "alice@127.0.0.1", "true")
		c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + h.Dir(), "SSH_ASKPASS=" + askpass, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0"}
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		h.d.waitFor("the prompt", func() bool {
			_, err := os.Stat(asked)
			return err == nil
		})
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	}
	h.wantIn("after three that went away", both(alicePassword, h.key.totp(t, 0)))
	for _, l := range h.d.audit() {
		if l.Outcome == "reject" {
			t.Errorf("somebody who went away counts as a failure: %+v", l)
		}
	}
	h.d.waitFor("the conversations to end", func() bool { return strings.Count(h.d.said(), "went away") >= 3 })
}

func TestSSHFiftyAtOnce(t *testing.T) {
	h := newSSHHost(t, "", "", withModule+"MaxStartups 200\n")
	tokens := map[string]*token{"alice": h.key}
	for i := range 50 {
		name := fmt.Sprintf("user%02d", i)
		h.AddUser(name, "")
		tokens[name] = newToken(name)
	}
	for name, text := range usersFile(t, tokens) {
		h.d.write(name, text)
	}
	h.d.hangUp("reloaded")
	steady(t, 25*time.Second)
	var in atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			name := fmt.Sprintf("user%02d", i)
			out, _, err := h.SSH(h.port, name, both(alicePassword, tokens[name].totp(t, 0)))
			if err == nil && strings.HasPrefix(out, "in as user") {
				in.Add(1)
			} else {
				t.Logf("%s: %q, %v", name, out, err)
			}
		})
	}
	all.Wait()
	if in.Load() != 50 {
		t.Fatalf("%d of 50 got in\n%s", in.Load(), h.d.said())
	}
}

// sudo runs sudo as alice and types the answers, a line each.
func (h *sshHost) sudo(t *testing.T, answers ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := h.Command(ctx, h.Program("setpriv", "util-linux"), "--reuid", "alice", "--regid", "nogroup", "--clear-groups", h.Program("sudo", "sudo"), "-S", "-k", "id", "-un")
	c.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestSudo(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	steady(t, 20*time.Second)
	code := h.key.totp(t, 0)
	out, err := h.sudo(t, alicePassword, code)
	if err != nil || !strings.HasSuffix(out, "root\n") {
		t.Fatalf("right: %q, %v\n%s", out, err, h.d.said())
	}
	if !strings.Contains(out, "password for alice:") || !strings.Contains(out, "Code:") { // sudo puts its own words for "Password:"
		t.Errorf("prompts: %q", out)
	}
	if out, err := h.sudo(t, alicePassword, code); err == nil {
		t.Fatalf("replayed: %q", out)
	}
	if r := h.d.lastReason(); r != "replayed-code" {
		t.Errorf("reason %s", r)
	}
	h.wantOut("a code spent by sudo", "replayed-code", both(alicePassword, code))
	h.d.kill()
	if out, err := h.sudo(t, alicePassword, h.key.totp(t, 1)); err == nil {
		t.Fatalf("without a daemon: %q", out)
	}
	h.d.start()
}

func TestPamtester(t *testing.T) {
	h := newSSHHost(t, "", "", withModule)
	h.WritePAM("demo", fmt.Sprintf("auth required %s socket=%s\naccount required pam_permit.so\n", h.so, filepath.Join(h.Dir(), "pam.sock")))
	steady(t, 15*time.Second)
	run := func(answers ...string) string {
		c := h.Command(context.Background(), h.Program("pamtester", "pamtester"), "demo", "alice", "authenticate", "setcred", "acct_mgmt")
		c.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
		out, _ := c.CombinedOutput()
		return string(out)
	}
	if out := run(alicePassword, h.key.totp(t, 0)); !strings.Contains(out, "successfully authenticated") || !strings.Contains(out, "credential info has successfully been set") {
		t.Fatalf("%s\n%s", out, h.d.said())
	}
	if out := run(alicePassword, h.key.totp(t, 0)); !strings.Contains(out, "Authentication failure") {
		t.Fatalf("replayed: %s", out)
	}
}

func TestSSHDisallowedUserSeesTheSameAndLocksNobodyOut(t *testing.T) {
	h := newSSHHost(t, "[throttle]\nsource_burst = 2\n", "", withModule+"DenyUsers alice\n")
	for range 4 { // sshd answers with junk in place of what is typed
		prompts := h.wantOut("disallowed", "", both(alicePassword, "000000"))
		if len(prompts) != 1 || !strings.HasSuffix(prompts[0], "Password:") {
			t.Errorf("prompts %q", prompts)
		}
	}
	for _, l := range h.d.audit() {
		if l.Outcome != "reject" || l.Reason != "bad-secret" {
			t.Errorf("%+v", l)
		}
	}
	steady(t, 10*time.Second)
	h.d.want(h.d.try("alice", alicePassword+h.key.totp(t, 0)), radius.CodeAccessAccept, "alice on the VPN")
}

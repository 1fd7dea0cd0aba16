// Package hosttest gives tests a host of their own to log in to: a mount namespace in which /etc/passwd,
// /etc/shadow, /etc/pam.d, /etc/sudoers and /run are the test's, while this machine's stay as they are.
//
//	h := hosttest.New(t)
//	h.AddUser("alice", "unix password")
//	h.WritePAM("sshd", "auth required /path/pam_tandem.so …")
//	addr := h.StartSSHD("PasswordAuthentication no …")
//	out, err := h.SSH(addr, "alice", hosttest.Answers{"Password:": "…", "Code:": "…"})
//
// It needs root, for mounting.
package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/test/freeport"
)

// patience bounds every wait; a loaded machine is slow.
const patience = 30 * time.Second

// Host is a folder of files that stand in for the machine's.
type Host struct {
	t   testing.TB
	dir string
	uid int

	mu  sync.Mutex
	log bytes.Buffer // what sshd said
}

// New makes a host without users but root and sshd.
func New(t testing.TB) *Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount over /etc in a namespace of its own")
	}
	// Not t.TempDir: users of the host must be able to enter, and its path may be too long for sockets.
	dir, err := os.MkdirTemp("", "tandem-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h := &Host{t: t, dir: dir, uid: 42000}
	h.write("passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nsshd:x:107:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	h.write("shadow", 0o600, "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n")
	h.write("group", 0o644, "root:x:0:\nshadow:x:42:\nnogroup:x:65534:\n")
	h.write("sudoers", 0o440, "ALL ALL=(ALL:ALL) ALL\nDefaults !lecture, !fqdn, timestamp_timeout=0\n")
	h.write("pam.d/other", 0o644, "auth required pam_deny.so\naccount required pam_permit.so\npassword required pam_deny.so\nsession required pam_permit.so\n")
	return h
}

// Dir is a folder of the host that everybody may enter: for modules, sockets, configurations.
func (h *Host) Dir() string { return h.dir }

func (h *Host) write(name string, mode os.FileMode, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *Host) add(name, line string) {
	h.t.Helper()
	f, err := os.OpenFile(filepath.Join(h.dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(line + "\n"); err != nil {
		h.t.Fatal(err)
	}
}

// AddUser makes an account with that password; "" locks the password.
func (h *Host) AddUser(name, password string) {
	h.t.Helper()
	hash := "!"
	if password != "" {
		c := exec.Command(h.Program("openssl", "openssl"), "passwd", "-6", "-stdin")
		c.Stdin = strings.NewReader(password)
		out, err := c.Output()
		if err != nil {
			h.t.Fatal(err)
		}
		hash = strings.TrimSpace(string(out))
	}
	h.uid++
	home := filepath.Join(h.dir, "home", name)
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.add("passwd", fmt.Sprintf("%s:x:%d:65534::%s:/bin/sh", name, h.uid, home))
	h.add("shadow", fmt.Sprintf("%s:%s:19000:0:99999:7:::", name, hash))
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		h.t.Fatal(err)
	}
	for _, d := range []string{home, filepath.Join(home, ".ssh")} {
		if err := os.Chown(d, h.uid, 65534); err != nil {
			h.t.Fatal(err)
		}
	}
}

// AddKey lets the user of that name in with a key, and returns the ssh option that uses it.
func (h *Host) AddKey(user string) (option string) {
	h.t.Helper()
	key := filepath.Join(h.t.TempDir(), "key")
	if out, err := exec.Command(h.Program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		h.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(filepath.Join("home", user, ".ssh", "authorized_keys"), 0o644, string(public))
	return "-oIdentityFile=" + key
}

// WritePAM makes the PAM service of that name.
func (h *Host) WritePAM(service, text string) {
	h.t.Helper()
	h.write("pam.d/"+service, 0o644, text)
}

// Program finds a program, or fails the test naming the Debian package that it comes from.
func (h *Host) Program(name, debianPackage string) string {
	h.t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if path := filepath.Join(dir, name); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	h.t.Fatalf("%s is missing: apt-get install %s", name, debianPackage)
	return ""
}

// enter mounts the host's files over the machine's, in a namespace that ends with the command.
const enter = `set -e
for f in passwd shadow group sudoers pam.d; do mount --bind "$0/$f" "/etc/$f"; done
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/sudo
exec "$@"`

// Command runs a program on the host.
func (h *Host) Command(ctx context.Context, path string, args ...string) *exec.Cmd {
	h.t.Helper()
	all := append([]string{"--mount", "--propagation", "private", "/bin/sh", "-c", enter, h.dir, path}, args...)
	c := exec.CommandContext(ctx, h.Program("unshare", "util-linux"), all...)
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = 5 * time.Second
	return c
}

// Write collects what sshd says.
func (h *Host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

// Log is what sshd has said.
func (h *Host) Log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// StartSSHD runs sshd until the end of the test and returns its port. config follows the test's own lines.
func (h *Host) StartSSHD(config string) (port string) {
	h.t.Helper()
	sshd := h.Program("sshd", "openssh-server")
	key := filepath.Join(h.dir, "hostkey")
	if out, err := exec.Command(h.Program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		h.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	number, err := freeport.Find()
	if err != nil {
		h.t.Fatal(err)
	}
	port = strconv.Itoa(number)
	h.write("sshd_config", 0o600, fmt.Sprintf(`ListenAddress 127.0.0.1
Port %s
HostKey %s
PidFile none
UsePAM yes
UseDNS no
LogLevel VERBOSE
StrictModes no
MaxStartups 100
%s`, port, key, config))
	ctx, cancel := context.WithCancel(context.Background())
	c := h.Command(ctx, sshd, "-D", "-e", "-f", filepath.Join(h.dir, "sshd_config"))
	c.Stderr = h
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cancel()
		_ = c.Wait()
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return port
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("sshd does not listen: %v\n%s", err, h.Log())
		}
	}
}

// Answers are what a user types, by what the prompt ends with.
type Answers map[string]string

// SSH logs in with the real client, runs `echo in as $USER`, and returns what it printed and the prompts
// that it saw.
func (h *Host) SSH(port, user string, answers Answers, options ...string) (out string, prompts []string, err error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dir := h.t.TempDir()
	asked := filepath.Join(dir, "asked")
	var script strings.Builder
	fmt.Fprintf(&script, "#!/bin/sh\nprintf '%%s\\n' \"$1\" >>%s\ncase \"$1\" in\n", asked)
	for _, prompt := range slices.SortedFunc(maps.Keys(answers), func(a, b string) int { return len(b) - len(a) }) {
		answer := "printf '%s\\n' " + quote(answers[prompt])
		if file, ok := strings.CutPrefix(answers[prompt], fromFile); ok {
			answer = "cat " + quote(file)
		}
		if by, ok := strings.CutPrefix(answers[prompt], fromProgram); ok {
			program, shown, _ := strings.Cut(by, "\x00")
			answer = "printf '%s' \"$1\" >" + quote(shown) + "; " + quote(program)
		}
		fmt.Fprintf(&script, "*%q*) %s;;\n", prompt, answer)
	}
	script.WriteString("*) exit 1;;\nesac\n")
	askpass := filepath.Join(dir, "askpass")
	if err := os.WriteFile(askpass, []byte(script.String()), 0o700); err != nil {
		h.t.Fatal(err)
	}
	args := append([]string{
		"-F", "none", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "NumberOfPasswordPrompts=1", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20",
	}, options...)
	c := exec.CommandContext(ctx, h.Program("ssh", "openssh-client"), append(args, user+"@127.0.0.1", "echo in as $USER")...)
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + dir, "SSH_ASKPASS=" + askpass, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	b, err := c.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	if text, readErr := os.ReadFile(asked); readErr == nil {
		for l := range strings.Lines(string(text)) {
			prompts = append(prompts, strings.TrimSpace(l))
		}
	}
	return string(b), prompts, err
}

const fromFile = "from file\x00"

// AnswerFrom is an answer that stands in a file only when it is asked for, such as a code that was sent.
func AnswerFrom(file string) string { return fromFile + file }

const fromProgram = "from program\x00"

// AnswerBy is an answer that a program prints, after what the prompt shows was written into the file shown.
func AnswerBy(program, shown string) string { return fromProgram + program + "\x00" + shown }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

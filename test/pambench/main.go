// Command pambench times one PAM login, each in a fresh process, through pam_tandem.so (socket of a real tandemd,
// HOTP, durable claims) beside pam_permit, pam_google_authenticator and pam_oath, in turn in one run, and prints
// medians and ratios. Absolute times mean little on a shared machine.
package main

import (
	_ "embed"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/internal/unixsock"
	"tandem/pamhelper/module"
	"tandem/verify/oath"
)

//go:embed login/login.c
var loginSource []byte

const key = "12345678901234567890"

func main() {
	rounds := flag.Int("n", 200, "logins through each module")
	flag.Parse()
	if err := run(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, "pambench:", err)
		os.Exit(1)
	}
}

// contender is a module whose login is timed.
type contender struct {
	service string
	line    string // of pam.d
	times   []time.Duration
}

func run(rounds int) error {
	if os.Geteuid() != 0 {
		return errors.New("run as root: pam_google_authenticator and pam_oath read files of root's")
	}
	dir, err := os.MkdirTemp("", "pambench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	so, login, err := build(dir)
	if err != nil {
		return err
	}
	stop, err := startDaemon(dir)
	if err != nil {
		return err
	}
	defer stop()

	contenders := []*contender{
		{service: "pam_permit", line: "auth required pam_permit.so"},
		{service: "pam_tandem", line: fmt.Sprintf("auth required %s socket=%s/pam.sock policy=code", so, dir)},
		{service: "pam_google_authenticator", line: fmt.Sprintf("auth required pam_google_authenticator.so secret=%s/google user=root no_strict_owner allowed_perm=0600", dir)},
		{service: "pam_oath", line: fmt.Sprintf("auth required pam_oath.so usersfile=%s/users.oath window=20 digits=6", dir)},
	}
	b32 := base32.StdEncoding.EncodeToString([]byte(key))
	files := map[string]string{
		"google":     b32 + "\n\" HOTP_COUNTER 1\n\" WINDOW_SIZE 17\n",
		"users.oath": "HOTP root - " + hex.EncodeToString([]byte(key)) + "\n",
	}
	for _, c := range contenders {
		files["pam.d/"+c.service] = c.line + "\n"
	}
	if err := os.Mkdir(filepath.Join(dir, "pam.d"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	// In turn, so that a slow moment of the machine meets all alike.
	for i := range rounds {
		code, err := hotp(uint64(i + 1))
		if err != nil {
			return err
		}
		for _, c := range contenders {
			began := time.Now()
			out, err := exec.Command(login, filepath.Join(dir, "pam.d"), c.service, "root", code).CombinedOutput()
			if err != nil {
				return fmt.Errorf("login %d through %s: %w: %s", i, c.service, err, out)
			}
			c.times = append(c.times, time.Since(began))
		}
	}
	report(contenders)
	return nil
}

func report(contenders []*contender) {
	median := func(c *contender) time.Duration {
		slices.Sort(c.times)
		return c.times[len(c.times)/2]
	}
	base := median(contenders[1])
	fmt.Printf("%-26s %10s %10s %s\n", "one login, fresh process", "median", "p95", "to pam_tandem")
	for _, c := range contenders {
		m := median(c)
		fmt.Printf("%-26s %8d µs %8d µs %.2f\n", c.service, m.Microseconds(), c.times[len(c.times)*95/100].Microseconds(), float64(m)/float64(base))
	}
}

// build compiles the module and the login program.
func build(dir string) (so, login string, err error) {
	src := filepath.Join(dir, "module")
	if err := os.CopyFS(src, module.Sources); err != nil {
		return "", "", err
	}
	login = filepath.Join(dir, "login")
	if err := os.WriteFile(login+".c", loginSource, 0o600); err != nil {
		return "", "", err
	}
	for _, c := range []*exec.Cmd{
		exec.Command("make", "-s", "-C", src),
		exec.Command("gcc", "-O2", "-o", login, login+".c", "-lpam"),
		exec.Command("go", "build", "-o", dir+"/", "tandem/cmd/tandemd"),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("%v: %w\n%s", c.Args, err, out)
		}
	}
	return filepath.Join(src, "pam_tandem.so"), login, nil
}

// startDaemon runs tandemd with one user, root, and a HOTP token.
func startDaemon(dir string) (stop func(), err error) {
	users := fmt.Sprintf("[[users]]\nname = \"root\"\n[[users.devices]]\ntype = \"HOTP\"\nsecret = %q\ncounter = 1\n",
		base32.StdEncoding.EncodeToString([]byte(key)))
	config := `[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[metrics]
listen = ""
[admin]
socket = "admin.sock"
[radius]
listen = ["127.0.0.1:18129"]
[pam]
socket = "pam.sock"
[directory]
type = "file"
[directory.file]
path = "users.toml"
[[policies]]
name = "code"
mode = "code-only"
`
	for name, text := range map[string]string{"users.toml": users, "config.toml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	d := exec.Command(filepath.Join(dir, "tandemd"), "--config", filepath.Join(dir, "config.toml"))
	d.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = d.Process.Signal(syscall.SIGTERM)
		_ = d.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := unixsock.Dial(filepath.Join(dir, "pam.sock"))
		if err == nil {
			return stop, conn.Close()
		}
		if time.Now().After(deadline) {
			stop()
			return nil, err
		}
	}
}

func hotp(counter uint64) (string, error) {
	return oath.Settings{Digits: 6, Algorithm: "SHA1"}.Code(directory.Device{Secret: secret.New(key)}, counter)
}

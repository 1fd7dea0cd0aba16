// Package local checks this host's own passwords, through PAM, in a process of its own.
//
// PAM modules may do anything to the process that loads them, and need cgo; so the daemon loads none. It
// starts `tandem-pam password SERVICE` for each password, with the name and the password on standard
// input, a clean environment and nothing else open. Its exit status is the answer.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/directory"
)

// Exit statuses of the helper.
const (
	// ExitRight: the password is the user's, and the account may be used.
	ExitRight = 0
	// ExitWrong: it is not, or the account is locked or expired.
	ExitWrong = 1
	// Any other status means that nothing is known.
)

const (
	maxRunning = 16               // helpers at once
	maxTime    = 10 * time.Second // of one helper; pam_unix delays a wrong password by 2 s
	maxStderr  = 1 << 10          // what of its complaints is kept, in bytes
)

// Checker checks local passwords.
type Checker struct {
	helper, service string
	places          chan struct{}
}

// New makes a Checker that runs the program helper and asks the PAM service. It refuses a helper that
// somebody else than root or this user could have put there.
func New(helper, service string) (*Checker, error) {
	if err := trustworthy(helper); err != nil {
		return nil, fmt.Errorf("the helper that checks local passwords: %w", err)
	}
	return &Checker{helper: helper, service: service, places: make(chan struct{}, maxRunning)}, nil
}

func trustworthy(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is no absolute path", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is no program", path)
	case owner != 0 && int(owner) != os.Geteuid():
		return fmt.Errorf("%s belongs to user id %d, who could make it say yes: chown root %s", path, owner, path)
	case info.Mode()&0o022 != 0:
		return fmt.Errorf("%s can be changed by others: chmod go-w %s", path, path)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		shared := info.Mode()&0o022 != 0 && info.Mode()&os.ModeSticky == 0
		if owner != 0 && int(owner) != os.Geteuid() || shared {
			return fmt.Errorf("others can put another program at %s, because they can change %s: chown root it, and chmod go-w it", path, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// CheckPassword implements verify.PasswordChecker.
func (c *Checker) CheckPassword(ctx context.Context, u *directory.User, password string) error {
	if password == "" || strings.ContainsRune(password, 0) || strings.ContainsRune(u.Name, 0) || u.Name == "" {
		return errors.New("local password: the name or the password is empty or holds a NUL")
	}
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return fmt.Errorf("local password of %s: wait for a helper: %w", u.Name, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()

	cmd := exec.CommandContext(ctx, c.helper, "password", c.service)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(u.Name + "\x00" + password)
	complaint := &capped{}
	cmd.Stderr = complaint
	// A group of its own, so that whatever a module starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second

	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.As(err, &exit) && exit.ExitCode() == ExitWrong:
		return fmt.Errorf("%w (PAM service %s)", directory.ErrWrongPassword, c.service)
	}
	return fmt.Errorf("local password of %s: %s password %s: %w: %s", u.Name, c.helper, c.service, errors.Join(err, ctx.Err()), complaint)
}

// capped keeps the beginning of what is written to it.
type capped struct{ b bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxStderr - c.b.Len(); room > 0 {
		c.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (c *capped) String() string { return fmt.Sprintf("%q", strings.TrimSpace(c.b.String())) }

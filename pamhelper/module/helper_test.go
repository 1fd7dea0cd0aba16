package module_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"
)

// helper builds the helper program that does what its name says.
func helper(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(folder(t), name)
	if err := compile(path, "testdata/helper.c"); err != nil {
		t.Fatal(err)
	}
	return path
}

// children are the processes that we have started and not reaped, dead ones too.
func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children") // the thread may have ended
		for _, pid := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

func TestHelper(t *testing.T) {
	needRoot(t)
	stack := []string{"auth required MODULE helper=" + helper(t, "ok")}
	code, heard := application{stack: stack, answers: []string{"right"}}.login(t)
	want(t, code, success)
	if !slices.Equal(heard, told{"?Password: "}) {
		t.Errorf("heard %q", heard)
	}
	if left := children(t); len(left) != 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// TestRow40_HelperFails: however a helper ends, without a result nobody gets in, and nothing of it is left.
func TestRow40_HelperFails(t *testing.T) {
	needRoot(t)
	for _, name := range []string{"crash", "leave", "hang", "other"} {
		t.Run(name, func(t *testing.T) {
			path := helper(t, name)
			if name == "other" { // a program that knows nothing of the protocol
				path = "/bin/true"
			}
			code, _ := application{stack: []string{"auth required MODULE timeout=1 helper=" + path}}.login(t)
			want(t, code, pam.ErrAuthinfoUnavail)
			if left := children(t); len(left) != 0 {
				t.Errorf("processes are left: %v", left)
			}
		})
	}
}

// TestHelperThatLingers gave its result, which holds; then it is killed.
func TestHelperThatLingers(t *testing.T) {
	needRoot(t)
	began := time.Now()
	code, _ := application{stack: []string{"auth required MODULE helper=" + helper(t, "linger")}}.login(t)
	want(t, code, success)
	if left := children(t); len(left) != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("after %v processes are left: %v", time.Since(began), left)
	}
}

// TestRow41_HelperOfSomebodyElse: only what root put there is run.
func TestRow41_HelperOfSomebodyElse(t *testing.T) {
	needRoot(t)
	for name, prepare := range map[string]func(path string) error{
		"another's":                func(path string) error { return os.Chown(path, 70, 70) },
		"writable by all":          func(path string) error { return os.Chmod(path, 0o777) },
		"writable by a group":      func(path string) error { return os.Chmod(path, 0o775) },
		"in another's folder":      func(path string) error { return os.Chown(filepath.Dir(path), 70, 70) },
		"in a folder like /tmp":    func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) },
		"in a folder open to all":  func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"a symbolic link":          func(path string) error { return errors.Join(os.Rename(path, path+"x"), os.Symlink(path+"x", path)) },
		"a folder":                 func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"not executable, or is it": func(path string) error { return os.Chmod(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := helper(t, "ok")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			code, heard := application{stack: []string{"auth required MODULE helper=" + path}, answers: []string{"right"}}.login(t)
			want(t, code, pam.ErrAuthinfoUnavail)
			if len(heard) != 0 {
				t.Errorf("it ran and asked %q", heard)
			}
		})
	}
}

// TestRow43_HelperInheritsNothing: neither the caller's environment nor its descriptors, signals, limits,
// terminal or folder.
func TestRow43_HelperInheritsNothing(t *testing.T) {
	needRoot(t)
	t.Setenv("LD_PRELOAD", "/nowhere/evil.so")
	t.Setenv("GODEBUG", "evil=1")
	// Descriptors that a careless application leaves open on exec.
	leak, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leak) }()
	if err := unix.Dup3(leak, 700, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(700) }()
	signal.Ignore(syscall.SIGUSR1)
	defer signal.Reset(syscall.SIGUSR1)
	path := helper(t, "report")
	code, heard := application{stack: []string{"auth required MODULE helper=" + path}}.login(t)
	want(t, code, success)
	wanted := told{"i env PATH=/usr/sbin:/usr/bin:/sbin:/bin", "i env LANG=C.UTF-8", fmt.Sprintf("i cwd /, leader 1, core 0, files %d", 1024)}
	if !slices.Equal(heard, wanted) {
		t.Errorf("it inherited %q", heard)
	}
}

// TestRow43_EffectiveUser: under sudo the real user is still the caller's; the helper is all root's.
func TestRow43_EffectiveUser(t *testing.T) {
	needRoot(t)
	path := filepath.Join(folder(t), "ids")
	script := "#!/bin/sh\nhead -c 5 >/dev/null\nids=$(grep ^Uid: /proc/self/status | tr '\\t' ' ')\nprintf '\\203\\000\\000\\000%b%s' \"\\\\0$(printf %o ${#ids})\" \"$ids\"\nprintf '\\211\\000\\000\\000\\004\\000\\000\\000\\000'\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	stack := []string{"auth required MODULE helper=" + path}
	done := make(chan told)
	go func() { // a thread whose real user is nobody, as a setuid program's
		asRealUser(t, nobody)
		_, heard := application{stack: stack}.login(t)
		done <- heard
	}()
	if heard := <-done; !slices.Equal(heard, told{"i Uid: 0 0 0 0"}) {
		t.Errorf("the helper ran as %q", heard)
	}
}

package command_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/verify/external/command"
)

// The test's own program plays two parts more, under these names. One is what sudo is to a service that is not
// root's: a set-user-ID program that becomes root, so that the service may not kill it. The other is such a service.
const (
	stubborn    = "stubborn"
	nobodysHost = "nobodys-host"
)

// nobody is the user and group id of Debian's nobody.
const nobody = 65534

func beStubborn() {
	if err := syscall.Setreuid(0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(20 * time.Second)
}

// beNobodysHost runs a stubborn program more often than is borne.
func beNobodysHost() {
	p := command.New(filepath.Join(filepath.Dir(os.Args[0]), stubborn), nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			_, err := p.Run(ctx, command.Call{})
			fmt.Println(err)
		})
	}
	runs.Wait()
	_, err := p.Run(context.Background(), command.Call{})
	fmt.Println(err)
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRow38_ProgramsThatCannotBeKilledAreFew(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a set-user-ID program")
	}
	dir := filepath.Dir(script(t, ""))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, filepath.Join(dir, stubborn), 0o755|os.ModeSetuid)
	copyFile(t, self, filepath.Join(dir, nobodysHost), 0o755)

	host := exec.CommandContext(t.Context(), filepath.Join(dir, nobodysHost))
	host.Dir, host.Env = "/", []string{"GOCOVERDIR=" + dir}
	host.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := host.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 9 {
		t.Fatalf("%s", out)
	}
	for _, line := range lines[:8] {
		_, rest, ok := strings.Cut(line, "cannot be killed (process ")
		number, _, _ := strings.Cut(rest, ":")
		pid, err := strconv.Atoi(number)
		if !ok || err != nil || !strings.HasSuffix(line, "context deadline exceeded") {
			t.Errorf("%s", line)
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("kill %d: %v", pid, err)
		}
	}
	if want := "was not started: 8 earlier runs of it cannot be killed: look for them with ps"; !strings.HasSuffix(lines[8], want) {
		t.Errorf("%s", lines[8])
	}
}

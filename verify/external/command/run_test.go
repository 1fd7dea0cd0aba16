package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/internal/secret"
	"tandem/verify/external/command"
)

func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case stubborn:
		beStubborn()
	case nobodysHost:
		beNobodysHost()
	default:
		goleak.VerifyTestMain(m)
	}
}

// script writes a shell script into a folder that everybody can enter, and returns its path.
func script(t testing.TB, lines string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "command")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "script")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a script; what it has to say it writes to standard error.
func run(t *testing.T, lines string, c command.Call) (command.Exit, error) {
	t.Helper()
	return command.New(script(t, lines), nil).Run(t.Context(), c)
}

// gone reports whether a process ends soon.
func gone(pid int) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // a zombie has only not been reaped by init
			return true
		}
	}
	return false
}

// pids reads the numbers of processes from a file that scripts write them into.
func pids(t *testing.T, path string) (all []int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

func TestExitStatus(t *testing.T) {
	for lines, want := range map[string]int{"exit 0": 0, "exit 1": 1, "exit 255": 255, "no-such-program 2>/dev/null": 127} {
		if exit, err := run(t, lines, command.Call{}); err != nil || exit.Status != want || exit.Stderr != "" {
			t.Errorf("%s: %+v, %v", lines, exit, err)
		}
	}
}

func TestNoExitStatusIsAnError(t *testing.T) {
	exit, err := run(t, "echo dying >&2; kill -SEGV $$", command.Call{})
	if err == nil || !strings.HasSuffix(err.Error(), "ended by signal: segmentation fault") || exit.Status != -1 || exit.Stderr != "dying" {
		t.Errorf("%+v, %v", exit, err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if exit, err := command.New(missing, nil).Run(t.Context(), command.Call{}); err == nil || err.Error() != "start "+missing+": no such file or directory" || exit.Status != -1 {
		t.Errorf("%+v, %v", exit, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if exit, err := command.New("/bin/true", nil).Run(ended, command.Call{}); !errors.Is(err, context.Canceled) || exit.Status != -1 {
		t.Errorf("%+v, %v", exit, err)
	}
}

func TestArgumentsArriveAsTheyAre(t *testing.T) {
	exit, err := run(t, `printf '<%s>' "$@" >&2`, command.Call{Args: []string{"", "a b", `"$HOME"`, "*", "$(id)", "é"}})
	if want := `<><a b><"$HOME"><*><$(id)><é>`; err != nil || exit.Stderr != want {
		t.Errorf("%+v, %v", exit, err)
	}
}

func TestStandardInput(t *testing.T) {
	const lines = `while read -r line; do echo "line:$line" >&2; done; pwd >&2; echo "this goes nowhere"`
	exit, err := run(t, lines, command.Call{Code: secret.New("123456")})
	if err != nil || exit.Stderr != `/` {
		t.Errorf("without a code: %+v, %v", exit, err)
	}
	exit, err = run(t, `read -r code; read -r more; echo "$((code + 1)):$more:$?" >&2`, command.Call{Code: secret.New("123456"), OnStdin: true})
	if err != nil || exit.Stderr != `123457::1` {
		t.Errorf("with a code: %+v, %v", exit, err)
	}
	// Who does not read it is not waited for.
	if exit, err := run(t, "exit 3", command.Call{Code: secret.New(strings.Repeat("x", command.MaxCode)), OnStdin: true}); err != nil || exit.Status != 3 {
		t.Errorf("%+v, %v", exit, err)
	}
}

// look has a script show everything that a program can find: arguments, environment, open files.
const look = `
for arg; do echo "arg $arg" >&2; done
tr '\0' '\n' <"/proc/$$/environ" | sed 's/^/env /' >&2
ls -l "/proc/$$/fd" >&2
tr '\0' ' ' <"/proc/$$/cmdline" | sed 's/^/cmdline /' >&2
echo >&2
`

func TestRow37_CodeIsOnStandardInputAndNowhereElse(t *testing.T) {
	t.Setenv("TANDEM_SECRET", "hunter2")
	fd, err := syscall.Open(filepath.Join(t.TempDir(), "forgotten"), syscall.O_CREAT|syscall.O_RDWR, 0o600) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()

	const code = "73519"
	exit, err := run(t, look+`read -r code; [ "$code" = $((73518 + 1)) ] && echo right >&2`,
		command.Call{Args: []string{"--to", "alice"}, Code: secret.New(code), OnStdin: true})
	if err != nil || !strings.HasSuffix(exit.Stderr, `\nright`) {
		t.Fatalf("%+v, %v", exit, err)
	}
	pipes := map[string]bool{}
	for _, line := range strings.Split(exit.Stderr, `\n`) {
		if _, file, ok := strings.Cut(line, " -> "); ok {
			if strings.HasPrefix(file, "pipe:") {
				pipes[file] = true
			} else if file != "/dev/null" && !strings.HasSuffix(file, "/script") {
				t.Errorf("the program has %s open", file)
			}
			continue
		}
		what, value, _ := strings.Cut(line, " ")
		fine := map[string]bool{
			"arg":     value == "--to" || value == "alice",
			"env":     value == "PATH=/usr/local/bin:/usr/bin:/bin" || value == "LANG=C",
			"cmdline": strings.HasSuffix(value, "/script --to alice "),
			"total":   true, // of ls
			"right":   true,
		}
		if !fine[what] {
			t.Errorf("the program sees %q", line)
		}
	}
	if len(pipes) != 2 {
		t.Errorf("the program has %d pipes beside standard input and error", len(pipes)-2)
	}
}

func TestRow37_CodeIsTakenOutOfWhatTheProgramSays(t *testing.T) {
	code := command.Call{Code: secret.New("123456")}
	for said, want := range map[string]string{
		`code=123456, 1123456;`: "code=[code], 1[code];",
		`123456123456`:          "[code][code]",
		`12345`:                 "12345",
	} {
		if exit, err := run(t, "echo '"+said+"' >&2", code); err != nil || exit.Stderr != want {
			t.Errorf("%q: %+v, %v", said, exit, err)
		}
	}
	// Where what is kept ends, no part of a code stays.
	for length := 4080; length < 4100; length++ {
		exit, err := run(t, fmt.Sprintf(`printf '%%0%dd%%s' 0 123456123456 >&2`, length), code)
		if rest := strings.Trim(exit.Stderr, "0"); err != nil || strings.ContainsAny(rest, "123456") {
			t.Errorf("%d zeros: … %q, %v", length, rest, err)
		}
	}
}

func TestWhatIsSaidStaysOnOneLine(t *testing.T) {
	exit, err := run(t, `printf 'a\nlevel=ERROR msg=forged\r\033[2Jb\302\205\342\200\256\377\303\251\n\n' >&2`, command.Call{})
	if want := `a\nlevel=ERROR msg=forged\r\x1b[2Jb\u0085\u202e\xffé`; err != nil || exit.Stderr != want {
		t.Errorf("%+v, %v", exit, err)
	}
}

func TestRow38_ProgramThatHangsIsKilledWithItsChildren(t *testing.T) {
	list := filepath.Join(t.TempDir(), "pids")
	path := script(t, `
trap '' TERM INT HUP PIPE
echo $$ >>`+list+`
for n in 1 2 3; do
	( trap '' TERM INT HUP PIPE; for s in 1 2 3 4 5 6 7 8 9; do sleep 1; done ) &
	echo $! >>`+list+`
done
echo waiting >&2
for s in 1 2 3 4 5 6 7 8 9; do sleep 1; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	exit, err := command.New(path, nil).Run(ctx, command.Call{})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || exit.Status != -1 || exit.Stderr != "waiting" || took > 3*time.Second {
		t.Errorf("%+v, %v after %s", exit, err, took)
	}
	all := pids(t, list)
	if len(all) != 4 {
		t.Fatalf("processes %v", all)
	}
	for _, pid := range all {
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func TestRow38_ChildrenThatAreLeftBehindDie(t *testing.T) {
	list := filepath.Join(t.TempDir(), "pids")
	path := script(t, `
( trap '' TERM HUP; for s in 1 2 3 4 5 6 7 8 9; do sleep 1; done ) & # holds standard output and error
echo $! >>`+list+`
exit 0`)
	began := time.Now()
	exit, err := command.New(path, nil).Run(t.Context(), command.Call{})
	if took := time.Since(began); err != nil || exit.Status != 0 || took > 3*time.Second {
		t.Errorf("%+v, %v after %s", exit, err, took)
	}
	for _, pid := range pids(t, list) {
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// TestRow38_WhoEscapesIsNotWaitedFor: a child in a session of its own lives on, and holds our pipe.
func TestRow38_WhoEscapesIsNotWaitedFor(t *testing.T) {
	list := filepath.Join(t.TempDir(), "pids")
	path := script(t, `
setsid sh -c 'echo $$ >>`+list+`; exec sleep 15' &
while [ ! -s `+list+` ]; do sleep 0.01; done
exit 0`)
	began := time.Now()
	exit, err := command.New(path, nil).Run(t.Context(), command.Call{})
	took := time.Since(began)
	for _, pid := range pids(t, list) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil || exit.Status != 0 || took > 5*time.Second {
		t.Errorf("%+v, %v after %s", exit, err, took)
	}
}

// TestRow38_FloodsAreCapped: a gigabyte on standard output and one on standard error.
func TestRow38_FloodsAreCapped(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	exit, err := run(t, `head -c 1000000000 /dev/zero; head -c 1000000000 /dev/zero >&2`, command.Call{})
	if want := strings.Repeat(`\x00`, 4096) + " …"; err != nil || exit.Status != 0 || exit.Stderr != want {
		t.Errorf("%d octets, status %d, %v", len(exit.Stderr), exit.Status, err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%d octets of memory were used", after.TotalAlloc-before.TotalAlloc)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	exit, err = command.New(script(t, `yes >&2`), nil).Run(ctx, command.Call{})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || len(exit.Stderr) > 2*4096+10 || took > 3*time.Second {
		t.Errorf("without an end: %d octets, %v after %s", len(exit.Stderr), err, took)
	}
}

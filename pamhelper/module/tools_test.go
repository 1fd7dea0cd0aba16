package module_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fuzzer builds testdata/fuzz.c with the module's sources.
func fuzzer(t *testing.T, flags ...string) string {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(built.folder, "src", "*.c"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	program := filepath.Join(folder(t), "fuzz")
	args := slices.Concat([]string{"-g", "-O1", "-I", filepath.Join(built.folder, "src")}, flags, []string{"testdata/fuzz.c"}, sources, []string{"-lpam"})
	if err := compile(program, args...); err != nil {
		t.Fatal(err)
	}
	return program
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: apt-get install valgrind clang clang-tools gcc make", err)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// TestRow42_HostileFramesAndConversations: no input of the server makes the module read or write where it must not, and
// no answer that is none is taken for one, and no result is made up.
func TestRow42_HostileFramesAndConversations(t *testing.T) {
	program := fuzzer(t, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
	dir := service(t, "auth required pam_deny.so")
	rounds := "5000"
	if r := os.Getenv("PAM_FUZZ_ROUNDS"); r != "" {
		rounds = r
	}
	for seed := range 4 {
		run(t, program, dir, fmt.Sprint(seed), rounds)
	}
}

// valgrindArgs makes valgrind fail on any error and on any leak. What libpam and glibc keep to the end
// is still reachable, and no leak.
var valgrindArgs = []string{"--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible", "--track-fds=yes"}

func TestValgrind(t *testing.T) {
	t.Run("frames", func(t *testing.T) {
		run(t, "valgrind", append(slices.Clone(valgrindArgs), fuzzer(t), service(t, "auth required pam_deny.so"), "7", "300")...)
	})
	t.Run("login", func(t *testing.T) {
		program := filepath.Join(folder(t), "secrets")
		if err := compile(program, "-g", "testdata/secrets.c", "-lpam"); err != nil {
			t.Fatal(err)
		}
		server := says(frame(0x83, "hello"), frame(0x81, "?"), result(7))
		run(t, "valgrind", append(slices.Clone(valgrindArgs), program, service(t, tandemLine(pretend(t, server), "")...), "blind")...)
	})
}

// TestAnalysers: gcc -fanalyzer and clang's scan-build have nothing to say about the module.
func TestAnalysers(t *testing.T) {
	if testing.Short() {
		t.Skip("analysers are slow")
	}
	dir := folder(t)
	if err := unpack(dir); err != nil {
		t.Fatal(err)
	}
	run(t, "make", "-C", dir, "CC=gcc", "check")
}

// TestRow43_NothingTypedStaysInMemory: after a login the application's memory holds no password, and while
// it lasts no core dump would show it.
func TestRow43_NothingTypedStaysInMemory(t *testing.T) {
	const password = "................................correct-horse-battery" // as in testdata/secrets.c
	program := filepath.Join(folder(t), "secrets")
	if err := compile(program, "-O2", "testdata/secrets.c", "-lpam"); err != nil {
		t.Fatal(err)
	}
	typed := make(chan string, 1)
	dir := service(t, tandemLine(pretend(t, func(conn net.Conn) {
		_, _, _ = readFrame(conn)
		_, _ = io.WriteString(conn, frame(0x81, "?"))
		_, answer, _ := readFrame(conn)
		typed <- string(answer)
		_, _ = io.WriteString(conn, frame(0x85, password)+frame(0x81, "?"))
		_, _, _ = readFrame(conn)
		_, _ = io.WriteString(conn, result(7))
	}), "forward_pass")...)
	run(t, program, dir)
	select {
	case got := <-typed:
		if got != password {
			t.Errorf("the server was told %q: the program looked for something else", got)
		}
	default:
		t.Error("the server was told nothing")
	}
}

// TestRow43_TheModuleAsksNothingOfItsCaller: what the module cannot call it cannot do by mistake.
func TestRow43_TheModuleAsksNothingOfItsCaller(t *testing.T) {
	out, err := exec.Command("nm", "--dynamic", built.module).Output()
	if err != nil {
		t.Fatalf("%v: apt-get install binutils", err)
	}
	var exported []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, _, _ := strings.Cut(fields[len(fields)-1], "@")
		switch kind := fields[len(fields)-2]; {
		case kind == "T":
			exported = append(exported, name)
		case kind != "U" && kind != "w":
			t.Errorf("the module has the global %s (%s)", name, kind)
		}
		for _, forbidden := range []string{"getenv", "secure_getenv", "environ", "system", "popen", "execvp", "execlp", "alarm", "setitimer", "setenv", "putenv", "longjmp", "exit", "signal"} {
			if name == forbidden {
				t.Errorf("the module uses %s", name)
			}
		}
		if strings.HasPrefix(name, "pthread_create") || strings.HasPrefix(name, "thrd_") {
			t.Errorf("the module uses %s", name)
		}
	}
	wanted := []string{"pam_sm_acct_mgmt", "pam_sm_authenticate", "pam_sm_chauthtok", "pam_sm_close_session", "pam_sm_open_session", "pam_sm_setcred"}
	if slices.Sort(exported); !slices.Equal(exported, wanted) {
		t.Errorf("the module exports %q", exported)
	}
	sections, err := exec.Command("size", "-A", built.module).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sections)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == ".data" && f[1] != "8" { // 8: the linker's __dso_handle
			t.Errorf("the module has %s octets of variables", f[1])
		}
	}
}

// TestHardened: the linker did what the Makefile asks for.
func TestHardened(t *testing.T) {
	out, err := exec.Command("readelf", "-Wld", built.module).Output()
	if err != nil {
		t.Fatalf("%v: apt-get install binutils", err)
	}
	text := string(out)
	for _, wanted := range []string{"GNU_RELRO", "BIND_NOW", "Shared library: [libpam.so.0]"} {
		if !strings.Contains(text, wanted) {
			t.Errorf("no %s", wanted)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "GNU_STACK") && strings.Contains(line, "E") && strings.Contains(line, "RWE") {
			t.Error("the stack is executable")
		}
	}
}

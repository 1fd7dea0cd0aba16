package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/test/freeport"
)

// TestPolicies asks one daemon, with testdata/policy/config.toml and users.toml, about each line of cases.txt.
// `go test ./cmd/tandem -update` rewrites golden.txt.
func TestPolicies(t *testing.T) {
	const folder = "testdata/policy"
	path := startDaemon(t, folder)
	for range 6 {
		tandem(t, "wrong\n", "-c", path, "try", "tired", "--source", "203.0.113.66")
	}
	if code, out := tandem(t, "", "-c", path, "recovery", "paper"); code != exitDone {
		t.Fatalf("recovery codes: %s", out)
	}
	file, err := os.ReadFile(filepath.Join(folder, "cases.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// A throttle ends some time after now.
	now := regexp.MustCompile(`(refused until |"until":"|"time":")[0-9T:.Z+-]+`)
	var got strings.Builder
	cases := 0
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cases++
		code, out := tandem(t, "", append([]string{"-c", path, "policy", "test"}, strings.Fields(line)...)...)
		fmt.Fprintf(&got, "$ tandem policy test %s\n%sexit status %d\n\n", line, now.ReplaceAllString(out, "${1}TIME"), code)
	}
	if cases < 40 {
		t.Errorf("only %d cases were found", cases)
	}
	golden := filepath.Join(folder, "golden.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("not what stands in %s (-update rewrites it): %s", golden, firstDifference(got.String(), string(want)))
	}
	audit, err := os.ReadFile(filepath.Join(filepath.Dir(path), "audit.jsonl"))
	if err != nil || strings.Contains(string(audit), `"alice"`) {
		t.Errorf("the audit knows of attempts that nobody made: %v", err)
	}
}

// startDaemon runs tandemd with a copy of the configuration and the users of that folder, and returns the copy's path.
func startDaemon(t *testing.T, folder string) (path string) {
	t.Helper()
	dir := t.TempDir()
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.toml", "users.toml"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("$ADDR"), []byte(address))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "tandemd")
	if out, err := exec.Command("go", "build", "-o", bin, "tandem/cmd/tandemd").CombinedOutput(); err != nil {
		t.Fatalf("build tandemd: %v\n%s", err, out)
	}
	path = filepath.Join(dir, "config.toml")
	var log bytes.Buffer
	daemon := exec.Command(bin, "--config", path)
	daemon.Env, daemon.Stderr = append(os.Environ(), "TZ=UTC"), &log // rules go by the host's time zone
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		if err := daemon.Wait(); err != nil || t.Failed() {
			t.Logf("tandemd ended: %v\n%s", err, &log)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "admin.sock")); err == nil {
			return path
		}
		if time.Now().After(deadline) {
			t.Fatal("tandemd does not listen")
		}
	}
}

// tandem runs the command and returns its exit status and all that it printed.
func tandem(t *testing.T, typed string, args ...string) (code int, out string) {
	t.Helper()
	var printed bytes.Buffer
	code = run(context.WithoutCancel(t.Context()), args, strings.NewReader(typed), &printed, &printed)
	return code, printed.String()
}

func firstDifference(got, want string) string {
	theirs := strings.Split(want, "\n")
	asked := ""
	for i, line := range strings.Split(got, "\n") {
		if strings.HasPrefix(line, "$ ") {
			asked = line
		}
		if i >= len(theirs) || line != theirs[i] {
			return fmt.Sprintf("line %d, %s\ngot  %q\nwant %q", i+1, asked, line, strings.Join(theirs[min(i, len(theirs)):min(i+1, len(theirs))], ""))
		}
	}
	return "it ends too early"
}

package module_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAsAnOrdinaryUser runs these tests once more as somebody else than root, as a screen locker would load the
// module.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is that run, or one by an ordinary user from the start")
	}
	const nobody = 65534
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.MkdirTemp(built.folder, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(built.folder, "tests")
	if err := os.WriteFile(copied, text, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(copied, "-test.v", "-test.timeout=5m")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + own, "TMPDIR=" + own}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if passed := bytes.Count(out, []byte("\n--- PASS")); err != nil || passed < 20 {
		t.Fatalf("%d tests passed, %v\n%s", passed, err, out)
	}
}

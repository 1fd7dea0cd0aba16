// Package apart gives the tests of a package a mount namespace of their own.
//
// Tests that mount disks, and break them, must not do so where all of this machine's programs look: another test that makes
// a mount namespace meanwhile, for an sshd or a VPN, would take a copy of the mount along, and in it a broken disk
// stays as broken as it is, for everybody. In a namespace of their own the mounts also end with the tests, whatever
// happens.
//
//	func TestMain(m *testing.M) { apart.Main(); os.Exit(m.Run()) }
package apart

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const inside = "TANDEM_TEST_APART"

// Main runs the tests once more in a process with a mount namespace of its own, and ends this one with their status. It returns
// at once in that process, and where there can be none: without root, see [Is].
func Main() {
	if os.Geteuid() != 0 || Is() {
		return
	}
	c := exec.Command(os.Args[0], os.Args[1:]...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "no mount namespace for the tests with disks:", err)
		return
	}
	_ = c.Wait() // its status says it all
	os.Exit(c.ProcessState.ExitCode())
}

// Is reports whether this process has a mount namespace of its own. Tests that mount are skipped where it has none.
func Is() bool { return os.Getenv(inside) != "" }

// LoopDevice makes a block device of an image, until the end of the test. However often it is mounted anew, it is the same
// device, as a disk is; `mount -o loop` would take another one each time, if other tests do so too.
func LoopDevice(t testing.TB, image string) (device string) {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Fatalf("losetup %s: %v", image, err)
	}
	device = strings.TrimSpace(string(out))
	t.Cleanup(func() { // after the disk's own cleanup, which unmounts
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach %s: %v\n%s", device, err, out)
		}
	})
	return device
}

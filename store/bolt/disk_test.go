package bolt

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"tandem/test/apart"
)

// A disk is a file system of a test's own, which the test may fill, cut off and break. It is
// mounted, so tests with one need root.
type disk struct {
	dir    string
	remake []string // the mount command
}

// newExt4 returns a disk with a journal, in a file mounted through a loop device.
func newExt4(t *testing.T) *disk {
	t.Helper()
	needRoot(t)
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-F", image) // of the package e2fsprogs
	dir := t.TempDir()
	return mount(t, dir, "mount", apart.LoopDevice(t, image), dir)
}

// newTmpfs returns a disk of so many bytes.
func newTmpfs(t *testing.T, size string) *disk {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	return mount(t, dir, "mount", "-t", "tmpfs", "-o", "size="+size, "tandem-test", dir)
}

func needRoot(t *testing.T) {
	t.Helper()
	if !apart.Is() {
		t.Skip("needs root to mount a file system")
	}
}

func mount(t *testing.T, dir string, args ...string) *disk {
	t.Helper()
	command(t, args...)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &disk{dir: dir, remake: args}
}

// cut ends the file system as a power cut does: what is not on the disk now never will be.
// Writes and syncs fail from here on.
func (d *disk) cut(t *testing.T) {
	t.Helper()
	dir, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	const (
		shutdown   = 0x8004587d // EXT4_IOC_SHUTDOWN
		noLogFlush = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), shutdown, noLogFlush); err != nil {
		t.Fatalf("shut %s down: %v", d.dir, err)
	}
}

// restore mounts the disk afresh, from what is on it. No file on it may be open.
func (d *disk) restore(t *testing.T) {
	t.Helper()
	if err := unix.Unmount(d.dir, 0); err != nil {
		t.Fatalf("unmount %s: %v", d.dir, err)
	}
	command(t, d.remake...)
}

// fill leaves no free space on the disk, until the returned function is called.
func (d *disk) fill(t *testing.T) (free func()) {
	t.Helper()
	ballast := filepath.Join(d.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

func command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

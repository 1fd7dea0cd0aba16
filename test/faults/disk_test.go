package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/test/apart"
)

// A disk is a file system of a test's own. It is mounted, so tests with one need root.
type disk struct {
	t     testing.TB
	dir   string
	mount []string // the command
}

// newExt4 returns a disk with a journal, in a file mounted through a loop device.
func newExt4(t testing.TB) *disk {
	t.Helper()
	needRoot(t)
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-F", image) // of the package e2fsprogs
	dir := t.TempDir()
	return newDisk(t, dir, "mount", apart.LoopDevice(t, image), dir)
}

// newTmpfs returns a disk of so many bytes.
func newTmpfs(t testing.TB, size string) *disk {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	return newDisk(t, dir, "mount", "-t", "tmpfs", "-o", "size="+size, "tandem-test", dir)
}

func needRoot(t testing.TB) {
	t.Helper()
	if !apart.Is() {
		t.Skip("needs root, who may mount a file system")
	}
}

func newDisk(t testing.TB, dir string, mount ...string) *disk {
	t.Helper()
	command(t, mount...)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &disk{t: t, dir: dir, mount: mount}
}

// cut ends the file system as a power cut does: what is not on the disk now never will be. Whoever reads or writes
// it from here on gets an I/O error.
func (d *disk) cut() {
	d.t.Helper()
	dir, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	const (
		shutdown   = 0x8004587d // EXT4_IOC_SHUTDOWN
		noLogFlush = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), shutdown, noLogFlush); err != nil {
		d.t.Fatalf("shut %s down: %v", d.dir, err)
	}
}

// freeze makes the file system read-only under those who have files open on it, as ext4 does itself when it finds
// an error on the disk.
func (d *disk) freeze() {
	d.t.Helper()
	command(d.t, "mount", "-o", "remount,abort", d.dir)
}

// restore mounts the disk afresh, from what is on it, as soon as nobody has a file open there.
func (d *disk) restore() {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Unmount(d.dir, 0)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("unmount %s: %v: is a file still open on it?", d.dir, err)
		}
	}
	command(d.t, d.mount...)
}

// fill leaves no free space, until the returned function is called.
func (d *disk) fill() (free func()) {
	d.t.Helper()
	ballast := filepath.Join(d.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			d.t.Fatal(err)
		}
	}
}

func command(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// onDisk is one host with its state on a disk that something happens to, again and again, while people log in.
// happen returns when the disk is whole again.
func onDisk(t *testing.T, d *disk, times int, happen func(n *node)) {
	t.Helper()
	e := newEstate(t, 1, inFile(d.dir), 60, 2, 4)
	l := startLoad(t, e)
	for i := range times {
		accepts := l.summary().accepts
		for l.summary().accepts < accepts+300 {
			select {
			case <-l.failed:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if time.Since(l.began) > playTime {
				t.Fatalf("too few logins in %v: %v\n%s", playTime, l.summary(), e.nodes[0].said())
			}
		}
		happen(e.nodes[0])
		if err := e.nodes[0].waitReady(); err != nil {
			t.Fatalf("after time %d: %v", i+1, err)
		}
	}
	e.wantEverybodyIn(l)
	sum := l.summary()
	t.Logf("%d times; %v", times, sum)
	sum.judge(t, 0, int64(300*times))
}

// down waits until the node says that it cannot decide.
func down(t testing.TB, n *node) {
	t.Helper()
	if err := n.wait("/healthz to say that nobody can decide", func() bool { return !n.healthy() }); err != nil {
		t.Fatal(err)
	}
}

// The power fails, host and all: what was acknowledged must have been on the disk.
func TestRow44_PowerCutUnderLoad(t *testing.T) {
	t.Parallel()
	d := newExt4(t)
	onDisk(t, d, 5, func(n *node) {
		d.cut()
		n.kill()
		d.restore()
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
	})
}

// The disk fails under the running daemon, and is repaired. Nobody restarts anything.
func TestRow45_IOErrorUnderLoad(t *testing.T) {
	t.Parallel()
	d := newExt4(t)
	onDisk(t, d, 2, func(n *node) {
		d.cut()
		down(t, n)
		d.restore()
	})
}

func TestRow45_ReadOnlyUnderLoad(t *testing.T) {
	t.Parallel()
	d := newExt4(t)
	onDisk(t, d, 2, func(n *node) {
		d.freeze()
		down(t, n)
		d.restore()
	})
}

func TestRow45_DiskFullUnderLoad(t *testing.T) {
	t.Parallel()
	d := newTmpfs(t, "2m")
	onDisk(t, d, 3, func(n *node) {
		free := d.fill()
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				for n.healthy() { // until there is no room for one challenge more
					openChallenge(n, fmt.Sprintf("user%03d", i))
				}
			})
		}
		all.Wait()
		free()
	})
}

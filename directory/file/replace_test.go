package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/directory"
)

// adder is the environment variable that makes this program add devices to a users file: "PATH PREFIX COUNT" gives
// so many to alice and so many to bob, at the same time, and "PATH PREFIX 0" alice one that comes and goes for ever.
const adder = "TANDEM_TEST_ADD_DEVICES"

func TestMain(m *testing.M) {
	order := os.Getenv(adder)
	if order == "" {
		os.Exit(m.Run())
	}
	if err := addDevices(order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func addDevices(order string) error {
	var path, prefix string
	var count int
	if _, err := fmt.Sscan(order, &path, &prefix, &count); err != nil {
		return err
	}
	d, err := Open(Options{Path: path, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ctx := context.Background()
	alice, errAlice := d.Lookup(ctx, "alice")
	bob, errBob := d.Lookup(ctx, "bob")
	if err := errors.Join(errAlice, errBob); err != nil {
		return err
	}
	for count == 0 {
		name := fmt.Sprintf("%s %d", prefix, rand.N(1_000_000))
		if err := d.ChangeDevices(ctx, alice, add(name)); err != nil {
			return err
		}
		if err := d.ChangeDevices(ctx, alice, directory.Change{Remove: []string{newDevice(name).ID()}}); err != nil {
			return err
		}
	}
	results := make(chan error)
	for i := range count {
		for _, u := range []*directory.User{alice, bob} {
			go func() { results <- d.ChangeDevices(ctx, u, add(fmt.Sprintf("%s %d", prefix, i))) }()
		}
	}
	for range 2 * count {
		err = errors.Join(err, <-results)
	}
	return err
}

// child starts this program as an adder.
func child(t testing.TB, path, prefix string, count int) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", adder, path, prefix, count))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRow44_ConcurrentChangesLoseNothing lets four processes add 13 devices each to two users, all at the same time.
func TestRow44_ConcurrentChangesLoseNothing(t *testing.T) {
	const processes, each = 4, 13
	f := mustOpen(t, head+"\n# bob's\n"+bob+"# the end\n")
	var children []*exec.Cmd
	for i := range processes {
		children = append(children, child(t, f.path, fmt.Sprintf("p%d", i), each))
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	f.clock.advance(lookEvery)
	for _, name := range []string{"alice", "bob"} {
		u, err := f.Lookup(t.Context(), name)
		if err != nil || len(u.Devices) != processes*each {
			t.Errorf("%d devices of %d are there, %v", len(u.Devices), processes*each, err)
		}
	}
	f.wantAlone(t)
}

func TestRow44_KilledInTheMiddleOfAWrite(t *testing.T) {
	const kills = 60
	filler := strings.Repeat("# a comment that makes the file longer than one write of the disk\n", 2000)
	f := mustOpen(t, head+"\n"+filler+bob)
	for i := range kills {
		c := child(t, f.path, fmt.Sprintf("k%d", i), 0)
		before := versionOf(f.path)
		deadline := time.Now().Add(10 * time.Second)
		for versionOf(f.path) == before { // it has begun to write
			if time.Now().After(deadline) {
				t.Fatal("the child does not write")
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(rand.N(10 * time.Millisecond))
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()

		text, err := os.ReadFile(f.path)
		if err != nil || !strings.HasPrefix(string(text), head) || !strings.HasSuffix(string(text), filler+bob) {
			t.Fatalf("kill %d: the file is damaged: %d octets, %v", i, len(text), err)
		}
		if _, err := load(f.path, directory.DeviceOptions{}); err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		entries, err := os.ReadDir(filepath.Dir(f.path))
		if err != nil || len(entries) > 2 {
			t.Fatalf("kill %d: left behind: %v, %v", i, entries, err)
		}
	}
	if _, err := f.change(t, add("one")); err != nil {
		t.Fatal(err)
	}
	f.wantAlone(t)
}

// TestRow44_OnDiskBeforeItCounts watches the order: all of the new file is synced before it has the old one's name,
// and the folder afterwards.
func TestRow44_OnDiskBeforeItCounts(t *testing.T) {
	f := mustOpen(t, head)
	old := versionOf(f.path)
	wanted := head + "\n" + written("one")
	var synced []string
	f.sync = func(file *os.File) error {
		if file.Name() == filepath.Dir(f.path) {
			if versionOf(f.path).inode == old.inode {
				t.Error("the folder was synced before the file was replaced")
			}
			synced = append(synced, "folder")
			return file.Sync()
		}
		text, err := os.ReadFile(file.Name())
		if err != nil || string(text) != wanted {
			t.Errorf("synced with %q, %v", text, err)
		}
		if versionOf(f.path) != old {
			t.Error("the old file was gone before the new one was on disk")
		}
		synced = append(synced, "file")
		return file.Sync()
	}
	if _, err := f.change(t, add("one")); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(synced) != "[file folder]" {
		t.Errorf("synced: %v", synced)
	}
}

// TestRow45_AFullOrBrokenDiskLeavesTheOldFile also lets the disk fail without being full.
func TestRow45_AFullOrBrokenDiskLeavesTheOldFile(t *testing.T) {
	f := mustOpen(t, head)
	broken := errors.New("input/output error")
	f.sync = func(*os.File) error { return broken }
	if got, err := f.change(t, add("one")); !errors.Is(err, broken) || got != head {
		t.Errorf("%q, %v", got, err)
	}
	f.wantAlone(t)

	needRoot(t)
	dir := t.TempDir()
	mount(t, dir, "size=64k")
	f = mustOpen(t, head)
	f.o.Path = filepath.Join(dir, "users.toml")
	f.path = f.o.Path
	big := head + strings.Repeat("# filler\n", 5000)
	write(t, f.path, big)
	if got, err := f.change(t, add("one")); !errors.Is(err, unix.ENOSPC) || got != big {
		t.Errorf("the file has %d octets, %v", len(got), err)
	}
	f.wantAlone(t)
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, who may mount a file system and act as other users")
	}
}

func mount(t testing.TB, dir, options string) {
	t.Helper()
	if err := unix.Mount("tandem-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestRow50_OwnerModeAndAccessListAreKept wants that nobody can read the new file who could not read the old one.
func TestRow50_OwnerModeAndAccessListAreKept(t *testing.T) {
	needRoot(t)
	list := accessListOf(54321)
	for name, c := range map[string]struct {
		mode       os.FileMode
		attributes map[string][]byte
		folder     []byte
	}{
		"0600":                      {mode: 0o600},
		"0640":                      {mode: 0o640},
		"0400":                      {mode: 0o400},
		"a list":                    {mode: 0o640, attributes: map[string][]byte{accessList: list}},
		"a label":                   {mode: 0o600, attributes: map[string][]byte{"user.label": []byte("x")}},
		"a list of the folder only": {mode: 0o640, folder: list},
	} {
		t.Run(name, func(t *testing.T) {
			f := mustOpen(t, head)
			if err := errors.Join(os.Chown(f.path, 12345, 23456), os.Chmod(f.path, c.mode)); err != nil {
				t.Fatal(err)
			}
			for name, value := range c.attributes {
				if err := unix.Setxattr(f.path, name, value, 0); err != nil {
					t.Skipf("the file system of %s has no such attributes: %v", f.path, err)
				}
			}
			if c.folder != nil {
				if err := unix.Setxattr(filepath.Dir(f.path), "system.posix_acl_default", c.folder, 0); err != nil {
					t.Skipf("the file system of %s has no such lists: %v", f.path, err)
				}
			}
			before := access(t, f.path)
			if _, err := f.change(t, add("one")); err != nil {
				t.Fatal(err)
			}
			if after := access(t, f.path); after != before {
				t.Errorf("before %s\nafter  %s", before, after)
			}
			if f.log.Len() > 0 && strings.Contains(f.log.String(), "WARN") && !strings.Contains(f.log.String(), "128 bits") {
				t.Error(f.log)
			}
		})
	}
}

// accessListOf lets one more user read: the binary form of user::rw-,user:UID:r--,group::---,mask::r--,other::---.
func accessListOf(uid uint32) []byte {
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, permissions uint16
		id               uint32
	}{{0x01, 6, 1<<32 - 1}, {0x02, 4, uid}, {0x04, 0, 1<<32 - 1}, {0x10, 4, 1<<32 - 1}, {0x20, 0, 1<<32 - 1}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.permissions)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

// access is everything that says who may do what with the file.
func access(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("owner %d group %d mode %s", stat.Uid, stat.Gid, info.Mode())
	names, err := attributeNames(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		value, err := attribute(file, name)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %s=%x", name, value)
	}
	return text
}

// TestWithoutTheRightsNothingIsWritten has the rights of another user, and a read-only file system.
func TestWithoutTheRightsNothingIsWritten(t *testing.T) {
	needRoot(t)
	const daemon = 12345
	for name, prepare := range map[string]func(t *testing.T, path string) error{
		"a folder that others own": func(_ *testing.T, path string) error { return os.Chown(path, daemon, daemon) },
		"a folder that cannot be opened": func(_ *testing.T, path string) error {
			return errors.Join(os.Chown(path, daemon, daemon), os.Chmod(filepath.Dir(path), 0o711))
		},
		"a file that others own": func(_ *testing.T, path string) error {
			return errors.Join(os.Chown(path, 0, daemon), os.Chmod(path, 0o640), os.Chown(filepath.Dir(path), daemon, daemon))
		},
		"a read-only file system": func(t *testing.T, path string) error {
			mount(t, filepath.Dir(path), "size=64k,mode=777")
			write(t, path, head)
			return errors.Join(os.Chown(path, daemon, daemon), unix.Mount("", filepath.Dir(path), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		},
		"a file that is a mount point": func(t *testing.T, path string) error {
			real := filepath.Join(t.TempDir(), "real.toml")
			write(t, real, head)
			if err := unix.Mount(real, path, "", unix.MS_BIND, ""); err != nil {
				return err
			}
			t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
			return errors.Join(os.Chown(path, daemon, daemon), os.Chown(filepath.Dir(path), daemon, daemon))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := mustOpen(t, head)
			if err := os.Chmod(filepath.Join(filepath.Dir(f.path), ".."), 0o711); err != nil {
				t.Fatal(err)
			}
			if err := prepare(t, f.path); err != nil {
				t.Fatal(err)
			}
			u, err := f.Lookup(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			as(daemon, func() { err = f.ChangeDevices(t.Context(), u, add("one")) })
			if !errors.Is(err, directory.ErrReadOnly) || !strings.Contains(err.Error(), f.path) || !strings.Contains(err.Error(), "/var/lib/tandem/users/") {
				t.Errorf("%v", err)
			}
			if got, err := os.ReadFile(f.path); string(got) != head {
				t.Errorf("%q, %v", got, err)
			}
			f.wantAlone(t)
		})
	}
}

// as runs f with another user's rights to files. The thread is never used again.
func as(uid uintptr, f func()) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		_, _, _ = syscall.RawSyscall(unix.SYS_SETFSGID, uid, 0, 0)
		_, _, _ = syscall.RawSyscall(unix.SYS_SETFSUID, uid, 0, 0)
		f()
	})
	done.Wait()
}

func TestTheLockIsWaitedForNotForEver(t *testing.T) {
	f := mustOpen(t, head)
	holder, err := lockTarget(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.ChangeDevices(ctx, u, add("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	holder.unlock()
	if _, err := f.change(t, add("one")); err != nil {
		t.Error(err)
	}
}

// TestRow49_AnEditorsSaveIsNotLost lets somebody without a lock save the file in the last moment.
func TestRow49_AnEditorsSaveIsNotLost(t *testing.T) {
	f := mustOpen(t, head)
	var once sync.Once
	f.sync = func(file *os.File) error {
		once.Do(func() { write(t, f.path, bob+head) })
		return file.Sync()
	}
	if got, err := f.change(t, add("one")); err != nil || got != bob+head+"\n"+written("one") {
		t.Errorf("%q, %v", got, err)
	}
}

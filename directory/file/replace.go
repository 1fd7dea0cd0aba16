package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/directory"
)

const (
	// longestWait is how long a change waits for those of other processes, if its context does not end before.
	longestWait = 30 * time.Second
	// tryLockEvery is a fraction of the time that a change takes.
	tryLockEvery = 2 * time.Millisecond
)

// target is the file that is to be replaced. Its folder is locked as long as it is open.
type target struct {
	// named is the configured path, and path that of the file itself, behind all symbolic links.
	named, path string
	folder      *os.File
	// found is the file's version before it was read.
	found version
}

// lockTarget waits for its turn to change the file. The lock is on the folder, because the file itself is another
// one after each change. The kernel gives it back when the process ends, however it ends.
func lockTarget(ctx context.Context, named string) (*target, error) {
	path, err := filepath.EvalSymlinks(named)
	if err != nil {
		return nil, readOnly(named, err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, readOnly(path, err)
	}
	t := &target{named: named, path: path, folder: folder}
	if err := t.lock(ctx); err != nil {
		t.unlock()
		return nil, fmt.Errorf("locking the folder %s: %w", folder.Name(), readOnly(path, err))
	}
	t.found = versionOf(named)
	return t, nil
}

// stands reports whether the file is still the one that was found, and the path still leads to it.
func (t *target) stands() bool { return versionOf(t.named) == t.found && versionOf(t.path) == t.found }

func (t *target) lock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	for {
		err := unix.Flock(int(t.folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("%w: keep the users file on a local file system", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process has been changing the file all the time: try again: %w", ctx.Err())
		case <-time.After(tryLockEvery):
		}
	}
}

func (t *target) unlock() { _ = t.folder.Close() }

// replace makes text the file's content, and returns the version that it wrote. What a process that was killed has
// left behind has always the same name, and goes with the next change.
func (d *Directory) replace(t *target, text []byte) (written version, err error) {
	old, err := os.Open(t.path)
	if err != nil {
		return version{}, err
	}
	defer func() { _ = old.Close() }()

	temporary := filepath.Join(filepath.Dir(t.path), "."+filepath.Base(t.path)+".tandem-new")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return version{}, readOnly(t.path, err)
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return version{}, readOnly(t.path, err)
	}
	defer func() { _ = f.Close() }()
	if err := d.fill(f, old, text); err != nil {
		_ = os.Remove(temporary)
		return version{}, readOnly(t.path, err)
	}
	// Editors take no lock. What one of them has saved since the file was read must not be lost.
	if !t.stands() {
		_ = os.Remove(temporary)
		return version{}, errReplaced
	}
	if err := os.Rename(temporary, t.path); err != nil {
		_ = os.Remove(temporary)
		return version{}, readOnly(t.path, err)
	}
	if err := d.sync(t.folder); err != nil {
		return version{}, fmt.Errorf("the change was made, but a power cut may still undo it: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return version{}, fmt.Errorf("the change was made: %w", err)
	}
	return versionIn(info), nil
}

// fill writes text into the new file f, on disk, with all that old has besides its content.
func (d *Directory) fill(f, old *os.File, text []byte) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if stat.Nlink > 1 {
			d.o.Logger.Warn("the users file has other names (hard links), which keep the old content: use symbolic links",
				"path", d.o.Path, "names", stat.Nlink)
		}
		if err := keepOwner(f, stat); err != nil {
			return err
		}
	}
	// The secrets are written only now that the file is its owner's.
	if _, err := f.Write(text); err != nil {
		return err
	}
	// A list that the folder gives its new files goes before the mode, whose group bits would be that list's mask, and
	// let in whom it names.
	if err := d.keepAttributes(f, old); err != nil {
		return err
	}
	if err := f.Chmod(info.Mode()); err != nil {
		return err
	}
	return d.sync(f)
}

func keepOwner(f *os.File, of *syscall.Stat_t) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == of.Uid && stat.Gid == of.Gid {
		return nil
	}
	if err := f.Chown(int(of.Uid), int(of.Gid)); err != nil {
		return fmt.Errorf("giving the new file to its owner, user id %d, group id %d: %w", of.Uid, of.Gid, err)
	}
	return nil
}

// readOnly names the remedy if err is about rights.
func readOnly(path string, err error) error {
	for _, rights := range []error{unix.EACCES, unix.EPERM, unix.EROFS, unix.EBUSY} { // busy: the file itself is a mount point
		if errors.Is(err, rights) {
			return fmt.Errorf("%w: %w: %s is replaced by a new file in its folder, which user id %d may not do: run the command as root; "+
				"where devices are enrolled at login, keep the file in a folder that belongs to the daemon, such as /var/lib/tandem/users/",
				directory.ErrReadOnly, err, path, os.Geteuid())
		}
	}
	return err
}

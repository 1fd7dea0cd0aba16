package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CheckProgram reports why the program at path must not, or cannot, be run. It has to be a file that can be
// executed, and only root or this process's user may be able to change it, or to put another one in its place:
// who can, runs what they like in the service's name.
func CheckProgram(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("%s: %w: install the program, or name another one", path, bare(err))
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, bare(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no file: name a program", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: cannot be executed (mode %04o): chmod 0755 %s", path, info.Mode().Perm(), real)
	}
	for _, of := range append(withFolders(real), withFolders(filepath.Dir(path))...) { // a link can be replaced too
		if err := checkOwner(of); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// withFolders is path and all folders above it.
func withFolders(path string) []string {
	all := []string{path}
	for above := filepath.Dir(path); above != path; path, above = above, filepath.Dir(above) {
		all = append(all, above)
	}
	return all
}

// checkOwner refuses a file or folder that others can change. In a folder with the sticky bit, such as /tmp,
// nobody can replace what is not theirs.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, bare(err))
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	switch {
	case owner != 0 && int(owner) != os.Geteuid():
		return fmt.Errorf("%s belongs to user id %d, who could put anything there: chown root %s", path, owner, path)
	case info.Mode().Perm()&0o022 != 0 && !sticky:
		return fmt.Errorf("others can change %s (mode %04o): chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// bare strips the path from err, because our own message begins with it.
func bare(err error) error {
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		return inPath.Err
	}
	return err
}

// Package tomlfile reads a TOML file that a person wrote, and answers mistakes the way that person
// needs: all of them at once, each with file, line, key, what is wrong and what to do.
//
//	f, err := tomlfile.Read("users.toml", tomlfile.Options{Private: true, MaxBytes: 64 << 20})
//	if err != nil {
//		return err // no such file, not a file, too large, readable by others
//	}
//	var list struct {
//		Users []User `toml:"users"`
//	}
//	if f.Decode(&list) {
//		for i, u := range list.Users {
//			if u.Name == "" {
//				f.Errorf(fmt.Sprintf("users[%d].name", i), "is missing")
//			}
//		}
//	}
//	return f.Err()
//
// github.com/BurntSushi/toml parses the text. What stands here is what it leaves out: it stops at
// the first wrong type, ignores the case of keys, turns integers into nanoseconds or texts without
// a word, forgets on which lines keys stand, and repeats values in its messages, which in such a
// file may be secrets.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"syscall"
)

// othersAccess are the permission bits that a private file must not have: read, write or execute for
// others, write for the group. The group may read, so that root can own what the daemon reads (0640).
const othersAccess fs.FileMode = 0o027

// Options say which files Read accepts.
type Options struct {
	// Private refuses a file that others can read, or that its group or others can write.
	Private bool
	// MaxBytes is the largest file that is read.
	MaxBytes int64
}

// File is the text of one file, and what has been found wrong with it so far. It is not safe for
// concurrent use.
type File struct {
	path     string
	data     []byte
	problems []problem
	warnings []problem
	// unlisted counts the problems beyond maxProblems.
	unlisted int
	// fields are those of the struct types that were decoded into.
	fields map[reflect.Type][]fieldOf
}

// Read reads the file at path. The error names the path, the cause and the remedy.
func Read(path string, o Options) (*File, error) {
	data, err := ReadBytes(path, o)
	if err != nil {
		return nil, err
	}
	return &File{path: path, data: data}, nil
}

// ReadBytes reads a file that is not TOML, such as one that holds a single secret, with the checks
// of [Read].
func ReadBytes(path string, o Options) ([]byte, error) {
	// Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer func() { _ = f.Close() }()

	// What is checked is the file that is open, not what the path means a moment later.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, bare(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file but %s: name a file", path, kind(info.Mode()))
	}
	if o.Private {
		if err := checkPrivate(path, info.Mode()); err != nil {
			return nil, err
		}
	}
	tooLarge := fmt.Errorf("%s: larger than the %d bytes that are read: is it the right file? If so, make it shorter", path, o.MaxBytes)
	if info.Size() > o.MaxBytes {
		return nil, tooLarge
	}
	var read bytes.Buffer
	read.Grow(int(info.Size()) + bytes.MinRead) // once, and not by doubling
	if _, err := read.ReadFrom(io.LimitReader(f, o.MaxBytes+1)); err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", path, bare(err))
	}
	data := read.Bytes()
	if int64(len(data)) > o.MaxBytes { // it grew since Stat, or it is one of those in /proc without a size
		return nil, tooLarge
	}
	return data, nil
}

func checkPrivate(path string, mode fs.FileMode) error {
	wrong := mode.Perm() & othersAccess
	if wrong == 0 {
		return nil
	}
	who := "its group"
	if wrong&0o007 != 0 {
		who = "everybody on this host"
	}
	can := "read"
	if wrong&0o022 != 0 {
		can = "change"
	}
	return fmt.Errorf("%s: %s can %s it (mode %04o), and it may hold secrets: chmod 0600 %s, or 0640 if its group is to read it", path, who, can, mode.Perm(), path)
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: create it, or name another file", path, bare(err))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: let user id %d read it (chown, chmod 0640), and enter the folders above it", path, bare(err), os.Geteuid())
	}
	return fmt.Errorf("%s: cannot be opened: %w", path, bare(err))
}

// bare strips "open PATH:" from err, because our own message begins with the path.
func bare(err error) error {
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		return inPath.Err
	}
	return err
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a folder"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	default:
		return "a device"
	}
}

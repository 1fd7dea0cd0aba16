// Package witness remembers, outside of a state, how far the state had come.
//
// Nothing in a state can tell that the state is an old one: a copy that was put back, or a disk that was rolled back,
// is as sound as it ever was, and has forgotten which codes were used since. So each node keeps a small file of its
// own, the witness, which says up to which commit it has seen the state. A state that is found to be short of that
// went back in time.
//
// What a witness cannot notice: that it went back together with the state (a snapshot of the whole host), or that it
// is missing where there never was one. Whoever keeps both in one backup has to say so himself.
//
// The witness is written after a commit was acknowledged, so it never knows more than the state does. It is not synced:
// a power cut can leave it some seconds behind, and a kill a moment, which may hide a copy made in that time, and never
// accuses a state that is sound. It is a few lines of text, of one length, in one sector, so that it is written whole or not at all.
package witness

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Memory is what a witness knows.
type Memory struct {
	// State is the identifier of the state, 32 hexadecimal digits.
	State string
	// Node is the identifier of this node among those that share the state, 32 hexadecimal digits; empty if none do.
	Node string
	// Position is that of the last commit that was acknowledged; 0: none.
	Position uint64
}

// layout is the whole file but for its checksum.
const layout = "This file notices when Tandem's state went back in time. Do not copy it, do not restore it.\n" +
	"state %-32.32s\nnode %-32.32s\nposition %020d\n"

// size is the length of the file in bytes.
var size = len(render(Memory{}))

// nobody stands for an empty identifier.
const nobody = "-"

func render(m Memory) string {
	text := fmt.Sprintf(layout, cmp.Or(m.State, nobody), cmp.Or(m.Node, nobody), m.Position)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

func parse(text string) (m Memory, ok bool) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		value = strings.TrimRight(value, " ")
		if value == nobody {
			value = ""
		}
		switch name {
		case "state":
			m.State = value
		case "node":
			m.Node = value
		case "position":
			m.Position, _ = strconv.ParseUint(value, 10, 64) // what is no number is not what is written for it
		}
	}
	// This is what checks every octet, those of the checksum too.
	if text != render(m) {
		return Memory{}, false
	}
	return m, true
}

// A File is a witness on disk. Its methods may be called by many goroutines at once. It is opened for each use, so that
// it does not keep a failed disk from being unmounted.
type File struct {
	path string
	mu   sync.Mutex // held while the file is open
}

// At returns the witness at path. Nothing is made yet.
func At(path string) *File { return &File{path: path} }

// Path is where the witness is.
func (f *File) Path() string { return f.path }

// Last returns what the witness knows; ok is false if it knows nothing: there is none, or it is damaged.
func (f *File) Last() (m Memory, ok bool, err error) {
	err = f.with(0, func(file *os.File) error {
		m, ok, err = read(file)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return m, ok, err
}

// Set makes the witness know m and nothing else, and puts that on stable storage. It makes the file if there is none;
// what root makes is given to the folder's owner, as whom the daemon runs. Without a folder it is [fs.ErrNotExist].
func (f *File) Set(m Memory) error {
	return f.with(os.O_CREATE, func(file *os.File) error {
		if err := adopt(file); err != nil {
			return err
		}
		return errors.Join(write(file, m), file.Sync())
	})
}

// Raise makes the witness know m, unless it knows of a later commit of the same state already. There must be one.
func (f *File) Raise(m Memory) error {
	return f.with(0, func(file *os.File) error {
		// Other processes of this node may use the same witness, so it is read each time.
		if known, ok, err := read(file); err == nil && ok && known.State == m.State && known.Position >= m.Position {
			return nil
		}
		return write(file, m)
	})
}

// Remove makes the witness forget everything.
func (f *File) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the witness of a state that is gone: %w", err)
	}
	return nil
}

// with opens the file for do.
func (f *File) with(flags int, do func(*os.File) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(f.path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|flags, 0o600)
	if err != nil {
		return fmt.Errorf("open the witness of the state: %w", err)
	}
	err = safe(file)
	if err == nil {
		err = do(file)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("the witness of the state %s: %w", f.path, err)
	}
	return nil
}

// safe checks that nobody else can change the file.
func safe(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file but %s: move it away", info.Mode())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("it has mode %04o, and others could change it: chmod 0600 %s", info.Mode().Perm(), file.Name())
	}
	return nil
}

// adopt gives file, if it was just made, its owner, and makes its name durable.
func adopt(file *os.File) error {
	if info, err := file.Stat(); err != nil || info.Size() > 0 {
		return err
	}
	dir, err := os.Open(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	owner, err := dir.Stat()
	if err != nil {
		return err
	}
	if to, ok := owner.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := file.Chown(int(to.Uid), int(to.Gid)); err != nil {
			return err
		}
	}
	return dir.Sync()
}

func read(file *os.File) (m Memory, ok bool, err error) {
	b := make([]byte, size)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Memory{}, false, err
	}
	m, ok = parse(string(b[:n]))
	return m, ok, nil
}

func write(file *os.File, m Memory) error {
	_, err := file.WriteAt([]byte(render(m)), 0)
	return err
}

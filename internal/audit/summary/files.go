package summary

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// rotated is what logrotate puts behind the name of a file: a number, or a date with dateext; and how it was
// compressed.
var rotated = regexp.MustCompile(`^[.-][0-9][0-9.-]*?(\.gz|\.bz2|\.xz|\.zst)?$`)

// files are an audit file and what it was rotated to, open, oldest first.
type files struct {
	open []*os.File
	// names are all that were there, whether or not they were opened.
	names []string
	// skipped are those that are compressed in a way that is not read here.
	skipped []string
}

// openFiles opens the audit file at path and its rotated ones that were written since then. A rotation between the
// listing and the opening would hide a file, so that the folder is looked at again afterwards.
func openFiles(path string, since time.Time) (files, error) {
	const tries = 5
	for range tries {
		f, err := tryOpen(path, since)
		if err != nil {
			return files{}, err
		}
		if f.stillThere(path) {
			return f, nil
		}
		f.close()
	}
	return files{}, fmt.Errorf("%s was rotated %d times while it was opened: try again", path, tries)
}

func tryOpen(path string, since time.Time) (f files, err error) {
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.names, err = list(path); err != nil {
		return f, err
	}
	written := map[*os.File]time.Time{}
	for _, name := range f.names {
		if ext := filepath.Ext(name); ext == ".bz2" || ext == ".xz" || ext == ".zst" {
			f.skipped = append(f.skipped, name)
			continue
		}
		file, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // it was moved since; stillThere will say so
		}
		if err != nil {
			return f, fmt.Errorf("read the audit: %w", err)
		}
		info, err := file.Stat()
		if err != nil {
			_ = file.Close()
			return f, fmt.Errorf("read the audit: %w", err)
		}
		if name != path && info.ModTime().Before(since) {
			_ = file.Close()
			continue
		}
		f.open = append(f.open, file)
		written[file] = info.ModTime()
	}
	slices.SortStableFunc(f.open, func(a, b *os.File) int {
		switch path { // the one in use is the newest, whatever its clock says
		case a.Name():
			return 1
		case b.Name():
			return -1
		}
		return written[a].Compare(written[b])
	})
	return f, nil
}

// list names the audit file and its rotated ones; of a file and what it is being compressed to, the file.
func list(path string) ([]string, error) {
	folder, base := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return nil, fmt.Errorf("read the audit: %w", err)
	}
	var names []string
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), base)
		if ok && (rest == "" || rotated.MatchString(rest)) {
			names = append(names, folder+e.Name())
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		whole, packed := strings.CutSuffix(name, ".gz")
		return packed && slices.Contains(names, whole)
	})
	if len(names) == 0 {
		return nil, fmt.Errorf("read the audit: there is neither %s nor a rotated one: %w", path, os.ErrNotExist)
	}
	return names, nil
}

// stillThere reports whether there are the same names as before, and each still leads to the file that was opened.
func (f files) stillThere(path string) bool {
	if names, err := list(path); err != nil || !slices.Equal(names, f.names) {
		return false
	}
	for _, file := range f.open {
		ours, err := file.Stat()
		if err != nil {
			return false
		}
		there, err := os.Stat(file.Name())
		if err != nil || !os.SameFile(ours, there) {
			return false
		}
	}
	return true
}

func (f files) close() {
	for _, file := range f.open {
		_ = file.Close()
	}
}

// unpacked is what the file holds, whether or not it is compressed.
func unpacked(file *os.File) (io.Reader, error) {
	if !strings.HasSuffix(file.Name(), ".gz") {
		return file, nil
	}
	r, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", file.Name(), err)
	}
	return r, nil
}

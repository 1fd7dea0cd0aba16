package peer

import (
	"bufio"
	"os"
	"path/filepath"
)

// cached returns a file of that name in the cache, which fill writes if it is not there yet.
func (p Place) cached(name string, fill func(*bufio.Writer) error) (string, error) {
	path := filepath.Join(p.Cache, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return "", err
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The disk is full in the middle of a group of lines. Those that are whole may be acknowledged only if they are on the
// disk too, where that was asked for: of what cannot be synced nobody may hear that it is.
func TestRow45_LinesBeforeACutAreSyncedToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo") // fdatasync refuses it; and its reader decides how much is written
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	time.AfterFunc(100*time.Millisecond, func() { _ = reader.Close() })

	line := append(bytes.Repeat([]byte{'x'}, 40<<10), '\n')
	lines := []*waitingLine{{text: line}, {text: line}, {text: line}}
	l := &Log{path: path, file: writer, sync: true}
	written, err := l.write(lines)
	if err == nil || written != 0 {
		t.Errorf("%d lines are said to be on the disk, which nobody has synced: %v", written, err)
	}
}

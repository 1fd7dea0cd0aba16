// Package audit writes the audit file: one JSON object a line, one line a decision.
//
// The record of a decision is written before its answer is sent, and a decision whose record
// cannot be written is a reject. So [Log.Append] tells the truth: nil means that the line is in
// the file, whole, and with Options.Sync that it is on the disk.
//
// # One record is one line
//
// Names and addresses in records come from strangers. No byte of them begins a new line or
// reaches a terminal as a control sequence: everything that some program takes for a line's end
// or a control character is escaped as JSON allows (\n, \r, but also \u0085, \u2028 and DEL).
// Two lines of the file are two calls of Append, whatever was in them.
//
// If the disk fills up in the middle of a line, Append fails and the line stays cut off. The next
// one that fits begins on a line of its own, so a cut-off line is what does not parse.
//
// # Rotation
//
// Each Append looks whether the path still leads to the open file, and opens it again if not. So
// logrotate needs neither a signal nor copytruncate (which loses lines):
//
//	/var/log/tandem/audit.log {
//	    weekly
//	    create 0600 tandem tandem
//	    compress
//	}
//
// A line goes to the old file or to the new one, never to both or none. [Log.Reopen] does the
// same on demand.
package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/internal/plainjson"
)

// Stdout is the path that means standard output. It is neither rotated, synced nor closed.
const Stdout = "-"

// MaxRecord bounds a line, in bytes.
const MaxRecord = 64 << 10

// mostKept is how much memory is kept for putting lines together, in bytes.
const mostKept = 64 << 10

// ErrClosed is the error of using a log after its Close.
var ErrClosed = errors.New("audit log closed")

// Options of a [Log].
type Options struct {
	// Sync has each line on the disk before Append returns (fdatasync). It costs some
	// milliseconds a line, and lines wait for each other.
	Sync bool
	// Logger hears of rotations and cut-off lines; nil is slog.Default().
	Logger *slog.Logger
}

// A Log appends records to a file. Its methods may be called by many goroutines at once.
type Log struct {
	path string
	sync bool
	log  *slog.Logger

	// gathering guards the lines that wait to be written; it is held for moments only.
	gathering sync.Mutex
	lines     []*waitingLine

	mu   sync.Mutex // guards what follows; held while writing
	file *os.File
	// text is the memory that lines are put together in, spare that of the list of those that wait next.
	text  []byte
	spare []*waitingLine
	// torn: the file ends in the middle of a line.
	torn bool
	// failure is the error of the last Append, failedAt its time.
	failure  error
	failedAt time.Time
	closed   bool
}

// Open opens the file at path for appending, and makes it with mode 0600 if there is none. It
// refuses what is not a regular file, and a file that others can read or change: group may
// read, nobody else may anything. [Stdout] is standard output.
func Open(path string, options Options) (*Log, error) {
	l := &Log{path: path, sync: options.Sync, log: options.Logger}
	if l.log == nil {
		l.log = slog.Default()
	}
	if path == Stdout {
		l.file, l.sync = os.Stdout, false
		return l, nil
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// open opens the path and closes the file that was open before.
func (l *Log) open() error {
	// Reading is needed to see how the file ends; O_NONBLOCK so that a FIFO does not hold us up.
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE | unix.O_NONBLOCK
	f, err := os.OpenFile(l.path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("open audit file: %w; its folder must exist and be writable by user %d", err, os.Geteuid())
	}
	torn, err := inspect(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	if torn {
		l.log.Warn("the audit file ends in the middle of a line, which was never acknowledged", "path", l.path)
	}
	old := l.file
	l.file, l.torn = f, torn
	if old != nil {
		if err := release(old); err != nil {
			return fmt.Errorf("the audit file that %s was before: %w", l.path, err)
		}
	}
	return nil
}

// inspect checks that f is fit to hold the audit, and tells whether it ends within a line.
func inspect(f *os.File) (torn bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("audit file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("audit file %s is not a regular file but %s", f.Name(), info.Mode())
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return false, fmt.Errorf("audit file %s has mode %04o: others could read who logs in, or change it; "+
			"chmod 0600 %[1]s, and have logrotate create it so", f.Name(), mode)
	}
	if info.Size() == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("audit file: %w", err)
	}
	return last[0] != '\n', nil
}

// Append writes record, encoded as JSON, as one line. An error means that the line is not there,
// or not whole.
func (l *Log) Append(record any) error {
	return l.AppendJSON(func(b []byte) ([]byte, error) { return plainjson.Append(b, record) })
}

// AppendJSON is [Log.Append] of what encode appends to b, which is one JSON value without a line's end.
//
// Lines that come together are written together: the first to come writes, when the others that are about to come
// have come, and each learns what became of its own line.
func (l *Log) AppendJSON(encode func(b []byte) ([]byte, error)) error {
	w := waitingLines.Get().(*waitingLine) //nolint:forcetypeassert // nothing else is in there
	defer waitingLines.Put(w)
	if err := w.put(encode); err != nil {
		return err
	}
	l.gathering.Lock()
	first := len(l.lines) == 0
	l.lines = append(l.lines, w)
	l.gathering.Unlock()
	if first {
		runtime.Gosched()
		l.writeLines()
	}
	return <-w.done
}

// waitingLine is a line on its way into the file, and where to say what became of it.
type waitingLine struct {
	text []byte
	done chan error
}

// put makes w's text of what encode appends to it.
func (w *waitingLine) put(encode func(b []byte) ([]byte, error)) error {
	text, err := encode(w.text[:0])
	if err != nil {
		return fmt.Errorf("encode audit record: %w", err)
	}
	w.text = append(escape(text), '\n')
	if len(w.text) > MaxRecord {
		return fmt.Errorf("audit record of %d bytes, want at most %d", len(w.text), MaxRecord)
	}
	return nil
}

// waitingLines are used again, once it was said what became of them.
var waitingLines = sync.Pool{New: func() any { return &waitingLine{done: make(chan error, 1)} }}

// writeLines writes all lines that wait, and answers for each.
func (l *Log) writeLines() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gathering.Lock()
	lines := l.lines
	l.lines = l.spare // from here on, the next to come is the first of others
	l.gathering.Unlock()
	defer func() {
		clear(lines)
		l.spare = lines[:0]
	}()

	if l.closed {
		for _, w := range lines {
			w.done <- ErrClosed
		}
		return
	}
	written, err := l.write(lines)
	if l.failure = err; err != nil {
		l.failedAt = time.Now()
	}
	for i, w := range lines {
		if i < written {
			w.done <- nil
		} else {
			w.done <- err
		}
	}
}

// write returns how many of lines are in the file, and on the disk if they must be; if not all are, err says why.
func (l *Log) write(lines []*waitingLine) (written int, err error) {
	if err := l.follow(); err != nil {
		return 0, err
	}
	text := l.text[:0]
	before := 0 // newlines that end none of lines
	if l.torn {
		text, before = append(text, '\n'), 1
	}
	for _, w := range lines {
		text = append(text, w.text...)
	}
	if cap(text) <= mostKept {
		l.text = text
	}
	n, err := l.file.Write(text)
	if n > 0 {
		l.torn = text[n-1] != '\n'
	}
	written = len(lines)
	if err != nil {
		written = max(bytes.Count(text[:n], []byte{'\n'})-before, 0)
		err = fmt.Errorf("write audit file: %w", err)
	}
	if l.sync && written > 0 {
		if failed := unix.Fdatasync(int(l.file.Fd())); failed != nil {
			return 0, errors.Join(err, fmt.Errorf("sync audit file %s: %w", l.path, failed))
		}
	}
	return written, err
}

// follow opens the path again if it no longer leads to the open file. That costs a system call a
// line; looking less often would put lines into a file that logrotate may be compressing already.
func (l *Log) follow() error {
	moved, err := l.moved()
	if err != nil || !moved {
		return err
	}
	l.log.Info("the audit file was rotated", "path", l.path)
	return l.open()
}

func (l *Log) moved() (bool, error) {
	if l.path == Stdout {
		return false, nil
	}
	ours, err := l.file.Stat()
	if err != nil {
		return false, fmt.Errorf("audit file: %w", err)
	}
	there, err := os.Stat(l.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("audit file: %w", err)
	}
	return !os.SameFile(ours, there), nil
}

// Reopen opens the path again, for a rotation that asks for it.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.path == Stdout:
		return nil
	}
	return l.open()
}

// failureCounts is how long after a failed Append Check calls the log broken. Then only the next Append
// can tell, and it must get its chance: who is told that we are broken sends us nothing.
const failureCounts = 15 * time.Second

// Check returns an error if a line could not be written just now, or the next could not.
func (l *Log) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.failure != nil && time.Since(l.failedAt) < failureCounts:
		return fmt.Errorf("the last record was lost: %w", l.failure)
	case l.path == Stdout:
		return nil
	}
	if err := l.follow(); err != nil {
		return err
	}
	_, err := inspect(l.file)
	return err
}

// Close puts what was written on the disk and closes the file. Closing again does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.path == Stdout {
		return nil
	}
	if err := release(l.file); err != nil {
		return fmt.Errorf("close audit file %s: %w", l.path, err)
	}
	return nil
}

func release(f *os.File) error { return errors.Join(f.Sync(), f.Close()) }

// escape writes as \uXXXX what JSON lets stand but line readers and terminals act upon: DEL, the
// C1 control characters (U+0085 is a line's end to some, U+009B begins a control sequence), and
// the separators U+2028 and U+2029. They can only be inside strings, so the JSON stays the same.
func escape(line []byte) []byte {
	acts := func(r rune) bool { return r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 }
	if plain(line) || !bytes.ContainsFunc(line, acts) {
		return line
	}
	escaped := make([]byte, 0, len(line)+64)
	for _, r := range string(line) {
		if acts(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
			continue
		}
		escaped = append(escaped, string(r)...)
	}
	return escaped
}

// plain reports whether line is of ASCII without DEL, as nearly all lines are.
func plain(line []byte) bool {
	for _, c := range line {
		if c >= 0x7f {
			return false
		}
	}
	return true
}

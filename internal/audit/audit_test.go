package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tandem/internal/plainjson"
)

type entry struct {
	User string `json:"user"`
	N    int    `json:"n"`
}

func mustOpen(t *testing.T, path string, options Options) *Log {
	t.Helper()
	options.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	l, err := Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) == 0 {
		return nil
	}
	whole, ended := strings.CutSuffix(string(content), "\n")
	if !ended {
		t.Errorf("%s ends within a line", path)
	}
	return strings.Split(whole, "\n")
}

func TestAppend(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			l := mustOpen(t, path, Options{Sync: sync})
			for n := range 2 {
				if err := l.Append(entry{"Zoë <zoe@example.org> & co", n}); err != nil {
					t.Fatal(err)
				}
			}
			want := `{"user":"Zoë <zoe@example.org> & co","n":0}` + "\n" + `{"user":"Zoë <zoe@example.org> & co","n":1}`
			if got := strings.Join(lines(t, path), "\n"); got != want {
				t.Errorf("the file holds\n%s\nwant\n%s", got, want)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %s (%v), want 0600", info.Mode(), err)
			}
			if err := l.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// forgeries are names that want to be more than one line, or more than text.
var forgeries = []string{
	"alice\n{\"user\":\"root\",\"outcome\":\"accept\"}",
	"alice\r\n{}",
	"alice\rroot",
	"alice\x00\x1b[2J\x7f",
	"alice\u0085{}",
	"alice\u2028{}\u2029{}",
	"alice\u009b31m",
	"alice\v\f\x1c\x1d\x1e",
	"alice\xff\xc2\n",
	`alice"},{"user":"root`,
}

func TestRow50_NamesCannotForgeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path, Options{})
	for n, name := range forgeries {
		if err := errors.Join(l.Append(entry{name, n}), l.Append(map[string]any{name: n})); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, path)
	if len(got) != 2*len(forgeries) {
		t.Fatalf("%d lines of %d records", len(got), 2*len(forgeries))
	}
	for i, line := range got {
		checkLine(t, []byte(line))
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || i%2 == 0 && e != (entry{string([]rune(forgeries[i/2])), i / 2}) {
			t.Errorf("line %q reads as %+v, %v", line, e, err)
		}
	}
}

// checkLine checks that nobody who reads line by line, or shows the line, sees more than text.
func checkLine(t *testing.T, line []byte) {
	t.Helper()
	for _, r := range string(line) {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
			t.Errorf("line %q holds the control character %U", line, r)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, name := range forgeries {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var w waitingLine
		if w.put(func(b []byte) ([]byte, error) { return plainjson.Append(b, entry{name, 1}) }) != nil {
			return // too long
		}
		line := w.text
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if !ended {
			t.Fatalf("%q does not end its line", line)
		}
		checkLine(t, text)
		var got, want entry
		plain, err := json.Marshal(entry{name, 1})
		if err := errors.Join(err, json.Unmarshal(line, &got), json.Unmarshal(plain, &want)); err != nil || got != want {
			t.Errorf("%q reads as %+v, want %+v (%v)", line, got, want, err)
		}
	})
}

func TestRow50_FilesOpenToOthersAreRefused(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"others may read", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o644)) }, "chmod 0600"},
		{"group may write", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o660)) }, "chmod 0600"},
		{"FIFO", func(p string) error { return unix.Mkfifo(p, 0o600) }, "not a regular file"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory"},
		{"device", func(p string) error { return os.Symlink("/dev/null", p) }, "not a regular file"},
		{"no folder", func(p string) error { return os.Remove(filepath.Dir(p)) }, "folder must exist"},
		{"group may read", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o640)) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "logs", "audit.log")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), tt.make(path)); err != nil {
				t.Fatal(err)
			}
			l, err := Open(path, Options{})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				err = l.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)) {
				t.Errorf("error %v, want one with %q and the path", err, tt.want)
			}
		})
	}
}

// What logrotate does, in its two ways, while many write.
func TestRotationLosesNothing(t *testing.T) {
	const writers, each, rotations = 8, 500, 20
	for _, tt := range []struct {
		name   string
		rotate func(l *Log, path string) error
	}{
		{"create", func(_ *Log, path string) error {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if errors.Is(err, os.ErrExist) {
				return nil // the log was faster
			}
			return errors.Join(err, f.Close())
		}},
		{"nocreate", func(*Log, string) error { return nil }},
		{"signal", func(l *Log, _ string) error { return l.Reopen() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.log")
			l := mustOpen(t, path, Options{})
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for n := range each {
						if err := l.Append(entry{fmt.Sprint(w), n}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for r := range rotations {
				if err := os.Rename(path, fmt.Sprintf("%s.%d", path, r)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
				if err := tt.rotate(l, path); err != nil {
					t.Error(err)
				}
			}
			all.Wait()
			if err := l.Append(entry{"last", 0}); err != nil {
				t.Error(err)
			}
			if got := lines(t, path); len(got) == 0 || got[len(got)-1] != `{"user":"last","n":0}` {
				t.Errorf("the last line is not in the present file")
			}
			files, err := filepath.Glob(path + "*")
			if err != nil {
				t.Fatal(err)
			}
			seen := map[entry]int{}
			for _, file := range files {
				for _, line := range lines(t, file) {
					var e entry
					if err := json.Unmarshal([]byte(line), &e); err != nil {
						t.Errorf("%s: torn line %q", file, line)
					}
					seen[e]++
				}
			}
			if len(seen) != writers*each+1 {
				t.Errorf("%d different lines in %d files, want %d", len(seen), len(files), writers*each+1)
			}
			for e, n := range seen {
				if n != 1 {
					t.Errorf("%+v is there %d times", e, n)
				}
			}
		})
	}
}

func TestRotatedFileOpenToOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path, Options{})
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); err == nil || !strings.Contains(err.Error(), "chmod 0600") {
		t.Errorf("Check: %v", err)
	}
	if err := l.Append(entry{}); err == nil || !strings.Contains(err.Error(), "chmod 0600") {
		t.Errorf("Append: %v", err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), l.Append(entry{}), l.Check()); err != nil {
		t.Errorf("after chmod: %v", err)
	}
}

// smallDisk is a folder on a disk of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a file system")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tandem-test", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	path, ballast := filepath.Join(dir, "audit.log"), filepath.Join(dir, "ballast")
	l := mustOpen(t, path, Options{})
	if err := os.WriteFile(ballast, make([]byte, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	written := 0
	var err error
	for ; err == nil; written++ {
		err = l.Append(entry{strings.Repeat("x", 1000), written})
	}
	written--
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("full disk: %v, want ENOSPC", err)
	}
	if err := l.Check(); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Check: %v, want ENOSPC", err)
	}
	if err := errors.Join(os.Remove(ballast), l.Append(entry{"after", -1}), l.Check()); err != nil {
		t.Fatalf("there is space again: %v", err)
	}
	whole, torn, got := 0, 0, lines(t, path)
	for _, line := range got {
		if json.Valid([]byte(line)) {
			whole++
		} else {
			torn++
		}
	}
	if whole != written+1 || torn != 1 || got[len(got)-1] != `{"user":"after","n":-1}` {
		t.Errorf("%d whole and %d torn lines, want %d acknowledged and 1 torn; the last is %.60s", whole, torn, written+1, got[len(got)-1])
	}
}

// Lines that are written together fail apart: on a disk that fills up, those who are told yes are in the file, and
// those who are told no are not.
func TestFullDiskUnderManyAtOnce(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "audit.log")
	l := mustOpen(t, path, Options{})
	const at, each = 32, 8
	said := make([]error, at*each)
	var all sync.WaitGroup
	for g := range at {
		all.Go(func() {
			for i := range each {
				n := g*each + i
				said[n] = l.Append(entry{strings.Repeat("x", 700), n})
			}
		})
	}
	all.Wait()
	there := map[int]bool{}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(whole)) {
		var e struct{ N int }
		if json.Unmarshal([]byte(line), &e) == nil {
			there[e.N] = true
		}
	}
	kept := 0
	for n, err := range said {
		if (err == nil) != there[n] {
			t.Errorf("line %d: told %v, and in the file: %v", n, err, there[n])
		}
		if err == nil {
			kept++
		}
	}
	if kept == 0 || kept == len(said) {
		t.Fatalf("%d of %d lines fit: the disk is of the wrong size for this test", kept, len(said))
	}
}

// A crash of the machine may leave a line cut off, too.
func TestOpenAfterATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte(`{"user":"al`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, path, Options{})
	if err := l.Append(entry{"bob", 1}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines(t, path), "\n"), `{"user":"al`+"\n"+`{"user":"bob","n":1}`; got != want {
		t.Errorf("the file holds\n%s\nwant\n%s", got, want)
	}
}

func TestRecordsThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path, Options{})
	for name, record := range map[string]any{
		"too long":    entry{strings.Repeat("x", MaxRecord), 1},
		"not JSON":    make(chan int),
		"raw newline": json.RawMessage("\"a\nb\""),
	} {
		if err := l.Append(record); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := lines(t, path); got != nil {
		t.Errorf("the file holds %q", got)
	}
}

func TestClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path, Options{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Append": l.Append(entry{}), "Reopen": l.Reopen(), "Check": l.Check()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	t.Cleanup(func() { os.Stdout = stdout })
	l := mustOpen(t, Stdout, Options{Sync: true})
	if err := errors.Join(l.Append(entry{"alice", 1}), l.Reopen(), l.Check(), l.Append(entry{"bob", 2}), l.Close(), w.Close()); err != nil {
		t.Fatalf("(closing again would mean that Close closed standard output) %v", err)
	}
	got, err := io.ReadAll(bufio.NewReader(r))
	if want := `{"user":"alice","n":1}` + "\n" + `{"user":"bob","n":2}` + "\n"; string(got) != want || err != nil {
		t.Errorf("standard output got %q, %v", got, err)
	}
}

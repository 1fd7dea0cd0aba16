package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// restored returns what the file says of a time when it went back.
func restored(t *testing.T, s store.Store) (r store.Restored) {
	t.Helper()
	if err := s.View(t.Context(), func(tx store.Reader) (err error) {
		r, err = store.ReadRestored(tx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// used opens the file, claims keys and closes it.
func (o *opener) used(t *testing.T, keys ...string) {
	t.Helper()
	s, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if err := claim(t.Context(), s, key); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRow26_FileThatWentBackIsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		happen func(t *testing.T, o *opener, copied []byte)
		want   string // in why; empty: nothing is noticed
	}{
		{"nothing", func(*testing.T, *opener, []byte) {}, ""},
		{"used further", func(t *testing.T, o *opener, _ []byte) { o.used(t, "c") }, ""},
		{"killed", func(t *testing.T, o *opener, _ []byte) {
			s := o.mustOpen(t)
			if err := claim(t.Context(), s, "c"); err != nil {
				t.Fatal(err)
			}
			// What a process that is killed leaves behind.
			other := newOpener(t, t.TempDir())
			writeFile(t, other.path, readFile(t, o.path))
			writeFile(t, witnessPath(other.path), readFile(t, witnessPath(o.path)))
			o.path = other.path
		}, ""},
		{"power cut before the witness was on disk", func(t *testing.T, o *opener, _ []byte) {
			old := readFile(t, witnessPath(o.path))
			o.used(t, "c")
			writeFile(t, witnessPath(o.path), old)
		}, ""},
		{"moved together with its witness", func(t *testing.T, o *opener, _ []byte) {
			dir := t.TempDir()
			to := filepath.Join(dir, "other.db")
			if err := errors.Join(os.Rename(o.path, to), os.Rename(witnessPath(o.path), witnessPath(to))); err != nil {
				t.Fatal(err)
			}
			o.path = to
		}, ""},
		{"an old copy put back", func(t *testing.T, o *opener, copied []byte) { writeFile(t, o.path, copied) }, "was acknowledged"},
		{"an old copy put back, and nobody was let in since", func(t *testing.T, o *opener, _ []byte) {
			copied := readFile(t, o.path)
			o.used(t, "c")
			writeFile(t, o.path, copied)
		}, "was acknowledged"},
		{"copied to where it never was", func(t *testing.T, o *opener, copied []byte) {
			o.path = filepath.Join(t.TempDir(), "state.db")
			writeFile(t, o.path, copied)
		}, "copied here"},
		{"the witness lost", func(t *testing.T, o *opener, _ []byte) {
			if err := os.Remove(witnessPath(o.path)); err != nil {
				t.Fatal(err)
			}
		}, "missing or damaged"},
		{"the witness damaged", func(t *testing.T, o *opener, _ []byte) { writeFile(t, witnessPath(o.path), []byte("x")) }, "missing or damaged"},
		{"the file lost", func(t *testing.T, o *opener, _ []byte) {
			if err := os.Remove(o.path); err != nil {
				t.Fatal(err)
			}
		}, "another state file"},
		{"another file put there", func(t *testing.T, o *opener, _ []byte) {
			other := newOpener(t, t.TempDir())
			other.used(t, "a", "b", "c", "d", "e", "f")
			writeFile(t, o.path, readFile(t, other.path))
		}, "another state file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			o := newOpener(t, t.TempDir())
			o.used(t, "a")
			copied := readFile(t, o.path)
			o.used(t, "b")
			o.log = textLogger(&log)
			tt.happen(t, o, copied)
			for range 2 { // at the first start, and it stays
				s, err := o.open()
				if err != nil {
					t.Fatal(err)
				}
				r := restored(t, s)
				if r.Pending != (tt.want != "") || !strings.Contains(r.Why, tt.want) || r.Pending && !r.Since.Equal(o.clock.Now()) {
					t.Errorf("%+v, want %q", r, tt.want)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if n := strings.Count(log.String(), "accept-restore"); n != map[bool]int{true: 1}[tt.want != ""] {
				t.Errorf("said %d times: %s", n, &log)
			}
		})
	}
}

// Who kills the daemon does not let it tell the witness at its end.
func TestRow26_TheWitnessIsToldSoon(t *testing.T) {
	o := newOpener(t, t.TempDir())
	s := o.mustOpen(t)
	for _, key := range []string{"a", "b"} {
		if err := claim(t.Context(), s, key); err != nil {
			t.Fatal(err)
		}
		committed := uint64(s.committed)
		waitFor(t, func() bool {
			known, ok, err := s.witness.Last()
			return err == nil && ok && known.Position == committed
		})
	}
}

// A start that fails leaves the witness as it was.
func TestRow26_NoticingSurvivesAFailedStart(t *testing.T) {
	o := newOpener(t, t.TempDir())
	o.used(t, "a")
	copied := readFile(t, o.path)
	o.used(t, "b")
	knows := readFile(t, witnessPath(o.path))
	writeFile(t, o.path, copied)
	if err := os.Chmod(witnessPath(o.path), 0o666); err != nil { // the witness cannot be opened
		t.Fatal(err)
	}
	if _, err := o.open(); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Fatalf("opened beside a witness that others can change: %v", err)
	}
	if string(readFile(t, witnessPath(o.path))) != string(knows) {
		t.Error("the witness has forgotten")
	}
	if err := os.Chmod(witnessPath(o.path), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := restored(t, o.mustOpen(t)); !r.Pending {
		t.Errorf("%+v", r)
	}
}

func TestBriefKeepsTheWitness(t *testing.T) {
	o := newOpener(t, t.TempDir())
	b := NewBrief(o.options())
	for _, key := range []string{"a", "b"} {
		if err := claim(t.Context(), b, key); err != nil {
			t.Fatal(err)
		}
	}
	copied := readFile(t, o.path)
	if err := claim(t.Context(), b, "c"); err != nil {
		t.Fatal(err)
	}
	if r := restored(t, b); r.Pending {
		t.Errorf("%+v", r)
	}
	writeFile(t, o.path, copied)
	if r := restored(t, b); !r.Pending {
		t.Errorf("%+v", r)
	}
}

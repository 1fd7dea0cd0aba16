package witness

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	state = "0123456789abcdef0123456789abcdef"
	other = "fedcba9876543210fedcba9876543210"
)

func want(t *testing.T, f *File, m Memory, ok bool) {
	t.Helper()
	got, found, err := f.Last()
	if err != nil || found != ok || got != m {
		t.Errorf("%+v, %t, %v; want %+v, %t", got, found, err, m, ok)
	}
}

func TestWhatItKnows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db.witness")
	f := At(path)
	want(t, f, Memory{}, false)
	m := Memory{State: state, Node: other, Position: 7}
	if err := f.Set(m); err != nil {
		t.Fatal(err)
	}
	want(t, f, m, true)
	second := At(path) // another process of the node
	for _, step := range []struct{ raise, want uint64 }{{9, 9}, {8, 9}, {18446744073709551615, 18446744073709551615}} {
		m.Position = step.raise
		if err := second.Raise(m); err != nil {
			t.Fatal(err)
		}
		m.Position = step.want
		want(t, f, m, true)
	}
	m = Memory{State: other, Node: other, Position: 1}
	if err := f.Raise(m); err != nil {
		t.Fatal(err)
	}
	want(t, second, m, true)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() > 512 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestDamagedKnowsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	f := At(path)
	if err := f.Set(Memory{State: state, Node: other, Position: 7}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "x", string(whole[:40]), strings.Replace(string(whole), "7", "3", 1), strings.Repeat("%s", 200)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, f, Memory{}, false)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	loose, link := filepath.Join(dir, "loose"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(loose, nil, 0o600), os.Chmod(loose, 0o666), os.Symlink("x", link)); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{loose: "chmod", link: "symbolic", dir: "directory", filepath.Join(dir, "none", "w"): "no such"} {
		if err := At(path).Set(Memory{}); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want one with %q", path, err, says)
		}
	}
	if err := At(filepath.Join(dir, "none", "w")).Set(Memory{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := At(filepath.Join(dir, "none")).Raise(Memory{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("raised without a file: %v", err)
	}
}

package tomlfile_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tandem/internal/tomlfile"
)

// write makes a file of the given mode and returns its path.
func write(t *testing.T, mode fs.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // WriteFile's mode is subject to the umask
		t.Fatal(err)
	}
	return path
}

func TestRow50_PrivateFileThatOthersCanReadIsRefused(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o400: "", 0o600: "", 0o640: "", 0o440: "", 0o700: "",
		0o644: "everybody on this host can read it (mode 0644)",
		0o604: "everybody on this host can read it (mode 0604)",
		0o602: "everybody on this host can change it (mode 0602)",
		0o601: "everybody on this host can read it (mode 0601)",
		0o660: "its group can change it (mode 0660)",
		0o620: "its group can change it (mode 0620)",
		0o777: "everybody on this host can change it (mode 0777)",
	} {
		t.Run(fmt.Sprintf("%04o", mode), func(t *testing.T) {
			path := write(t, mode, "secret = 'hunter2'\n")
			_, err := tomlfile.Read(path, tomlfile.Options{Private: true, MaxBytes: 100})
			if want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range []string{path, want, "chmod 0600 " + path} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if _, err := tomlfile.Read(path, tomlfile.Options{MaxBytes: 100}); err != nil {
				t.Errorf("a file that need not be private is refused: %v", err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"nothing":  {filepath.Join(dir, "none"), "no such file or directory: create it"},
		"a folder": {dir, "not a regular file but a folder"},
		"a pipe":   {pipe, "not a regular file but a named pipe"},
		"a device": {os.DevNull, "not a regular file but a device"},
		"too much": {write(t, 0o600, strings.Repeat("#", 101)), "larger than the 100 bytes"},
		// /proc says that its files are empty.
		"too much, with no size": {"/proc/self/status", "larger than the 100 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tomlfile.Read(c.path, tomlfile.Options{MaxBytes: 100})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.path+": ") {
				t.Fatalf("error %v, want one that begins with the path and says %q", err, c.want)
			}
			if strings.Count(err.Error(), c.path) > 1 {
				t.Errorf("the path is named twice: %v", err)
			}
		})
	}
	if _, err := tomlfile.Read(write(t, 0o600, strings.Repeat("#", 100)), tomlfile.Options{MaxBytes: 100}); err != nil {
		t.Errorf("a file of exactly the largest size is refused: %v", err)
	}
}

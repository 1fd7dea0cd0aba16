package file

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A folder may give each new file an access control list. Were the mode set before that list is taken off, its group bits
// would be the list's mask: whom it names could read the secrets for a moment.
func TestRow50_TheModeComesAfterTheAccessList(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "users.toml")
	if err := os.WriteFile(path, []byte("# none\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	// Of such a descriptor the kernel gives the mode and no attributes: so much is done before these, and no more.
	fd, err := unix.Open(path, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	old := os.NewFile(uintptr(fd), path)
	defer func() { _ = old.Close() }()
	f, err := os.OpenFile(filepath.Join(folder, "new"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	d := &Directory{sync: func(*os.File) error { return nil }}
	if err := d.fill(f, old, []byte("secrets")); err == nil {
		t.Fatal("the attributes of such a descriptor were read")
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v before the access control list is the old one's", info.Mode())
	}
}

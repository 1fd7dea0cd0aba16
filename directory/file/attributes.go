package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// accessList is the extended attribute that holds a POSIX access control list. Where there is one, the group's
// bits of the mode are its mask: a file without it would be open to others than the old one was.
const accessList = "system.posix_acl_access"

// keepAttributes gives f the extended attributes of old. The access control list must be the same one; of others
// (labels of SELinux, a checksum of IMA) a warning says which cannot be kept.
func (d *Directory) keepAttributes(f, old *os.File) error {
	names, err := attributeNames(old)
	if err != nil {
		return err
	}
	given, err := attributeNames(f)
	if err != nil {
		return err
	}
	// A folder gives its default list to each new file.
	if slices.Contains(given, accessList) && !slices.Contains(names, accessList) {
		if err := unix.Fremovexattr(int(f.Fd()), accessList); err != nil {
			return fmt.Errorf("taking the folder's access control list off the new file: %w", err)
		}
	}
	for _, name := range names {
		err := keepAttribute(f, old, name)
		switch {
		case err != nil && name == accessList:
			return fmt.Errorf("keeping the access control list: %w", err)
		case err != nil:
			d.o.Logger.Warn("the users file was changed, and this extended attribute is not on the new one",
				"path", d.o.Path, "attribute", name, "error", err)
		}
	}
	return nil
}

func keepAttribute(f, old *os.File, name string) error {
	wanted, err := attribute(old, name)
	if err != nil {
		return err
	}
	if has, err := attribute(f, name); err == nil && bytes.Equal(has, wanted) {
		return nil
	}
	return unix.Fsetxattr(int(f.Fd()), name, wanted, 0)
}

// longestAttribute is the kernel's bound on a value, and on the list of names.
const longestAttribute = 64 << 10

func attribute(f *os.File, name string) ([]byte, error) {
	value := make([]byte, longestAttribute)
	n, err := unix.Fgetxattr(int(f.Fd()), name, value)
	if err != nil {
		return nil, err
	}
	return value[:n], nil
}

func attributeNames(f *os.File) ([]string, error) {
	list := make([]byte, longestAttribute)
	n, err := unix.Flistxattr(int(f.Fd()), list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the names of the file's extended attributes: %w", err)
	}
	var names []string
	for name := range bytes.SplitSeq(list[:n], []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names, nil
}

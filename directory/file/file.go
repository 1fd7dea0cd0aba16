// Package file is a directory in one TOML file, for sites without LDAP and for trying Tandem out.
//
//	[[users]]
//	name     = "alice"                  # the login name
//	id       = "9f1c2ab0"               # what state is kept under; default: the name, folded
//	password = "$argon2id$v=19$m=…"     # made by "tandem passwd"; without one every password is wrong
//	mail     = "alice@example.org"
//	phone    = "+33 1 23 45 67 89"
//	groups   = ["vpn", "admins"]
//	attributes = { vlan = ["42"] }
//
//	[[users.devices]]
//	type   = "TOTP"                     # or "HOTP"
//	name   = "phone"
//	secret = "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"   # base32
//	digits = 6                          # and period, algorithm; HOTP: counter; all optional
//
//	[[users.devices]]
//	type       = "UBK"
//	public_id  = "dteffujehknh"
//	private_id = "8792ebfe26cc"         # hexadecimal; with aes_key where codes are checked here,
//	aes_key    = "ecde18dbe76fbd0c33330f1c354871db"   # without both where a validation server does
//
// Login names are folded once, here, by the UsernameCaseMapped profile of RFC 8265: "Alice", "ALICE"
// and "ａｌｉｃｅ" are the user alice, and "alice " is nobody, because nothing is trimmed and no name holds
// a space. All state is kept under the user's id, however the name was typed.
//
// The file is read anew when it has changed. A file with a mistake is refused as a whole: at the
// start nothing starts, later the users read before stay. Replace it by renaming a complete file
// onto it ("mv users.toml.new users.toml"), so that none is ever read half written.
// [Directory.ChangeDevices] does so, and edits the text itself: what people wrote around it stays.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tandem/directory"
	"tandem/directory/password"
)

// Options of a [Directory]. Path, Now and Logger are required.
type Options struct {
	// Path of the users file.
	Path string
	// Devices says how device secrets are read.
	Devices directory.DeviceOptions
	// Now is the clock by which the file is looked at again.
	Now func() time.Time
	// Logger is told when the file was read anew, and when it could not be.
	Logger *slog.Logger
}

// Directory answers from the users file. It may be used by many goroutines at once.
type Directory struct {
	o     Options
	users atomic.Pointer[table]
	// sync puts a file on disk; tests watch it.
	sync func(*os.File) error

	// refreshing guards what follows; whoever holds it looks at the file.
	refreshing sync.Mutex
	// looked is when the file was last looked at.
	looked time.Time
	// seen is the file's version that was last read, whether it was good or not.
	seen version
}

// Open reads the users file. Its error has all mistakes, each with file, line and remedy.
func Open(o Options) (*Directory, error) {
	d := &Directory{o: o, sync: (*os.File).Sync, looked: o.Now(), seen: versionOf(o.Path)}
	users, err := load(o.Path, o.Devices)
	if err != nil {
		return nil, err
	}
	d.publish(users)
	return d, nil
}

// Lookup finds the user who logs in as name, or returns [directory.ErrNoUser]. The User is the caller's own.
func (d *Directory) Lookup(_ context.Context, name string) (*directory.User, error) {
	d.refresh()
	folded, err := fold(name)
	if err != nil {
		return nil, directory.ErrNoUser
	}
	user, known := d.users.Load().find(folded)
	if !known {
		return nil, directory.ErrNoUser
	}
	return user, nil
}

// CheckPassword returns nil if typed is the password of u, a User of [Directory.Lookup]'s, and
// [directory.ErrWrongPassword] if it is not. An empty password is wrong, whatever the hash was made of.
func (d *Directory) CheckPassword(ctx context.Context, u *directory.User, typed string) error {
	if typed == "" || u.Credential.Empty() {
		return directory.ErrWrongPassword
	}
	err := password.Verify(ctx, u.Credential, typed)
	switch {
	case errors.Is(err, password.ErrMismatch):
		return directory.ErrWrongPassword
	case err != nil:
		return fmt.Errorf("checking the password of user %s of %s: %w", u.ID, d.o.Path, err)
	}
	return nil
}

package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tandem/store"
	"tandem/store/witness"
)

// A Place is a state file as its administrator sees it. Writing to it needs the file's lock, so that no daemon runs.
type Place struct{ Options }

// String names the place in messages and in other states.
func (p Place) String() string { return "bolt " + p.Path }

// Snapshot is [Read].
func (p Place) Snapshot(ctx context.Context) (store.Snapshot, error) { return Read(ctx, p.Options) }

// Open opens the file for maintenance.
func (p Place) Open(context.Context) (store.Store, error) { return p.open() }

func (p Place) open() (*DB, error) {
	if err := p.own(); err != nil {
		return nil, err
	}
	o := p.Options
	o.Maintenance, o.brief = true, true
	d, err := Open(o)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w; stop it first (systemctl stop tandemd)", err)
	}
	return d, err
}

// Describe changes what the state says of itself, and begins a new state if there is no file. The witness of a file
// that is gone is told to forget: whoever calls this knows that it is.
func (p Place) Describe(_ context.Context, change func(*store.About)) error {
	if err := p.own(); err != nil {
		return err
	}
	o := p.Options
	o.setDefaults()
	switch err := createFile(o); {
	case err == nil:
		if err := witness.At(witnessPath(p.Path)).Remove(); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	d, err := p.open()
	if err != nil {
		return err
	}
	return errors.Join(d.alone(func() error { return d.describe(func(a *about) { change(&a.About) }) }), d.Close())
}

// alone runs fn while the committer waits.
func (d *DB) alone(fn func() error) error {
	d.gate.Lock()
	defer d.gate.Unlock()
	return fn()
}

// own refuses to work as another user than the daemon's, to whom the folder belongs: it could not open what is made here.
func (p Place) own() error {
	info, err := os.Stat(filepath.Dir(p.Path))
	if err != nil {
		return fmt.Errorf("state file %s: %w; make the folder, owned by the user that tandemd runs as, with mode 0700", p.Path, err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		return fmt.Errorf("state file %s: its folder belongs to user %d, and this runs as user %d: run it as that user (runuser -u NAME -- tandem …)",
			p.Path, owner, os.Geteuid())
	}
	return nil
}

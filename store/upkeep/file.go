package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tandem/store"
)

// Backup writes a backup of the state in from to the file path, which others cannot read: whole, or not at all; and
// on stable storage when it returns. It replaces a backup that is there. It returns the number of records.
func Backup(ctx context.Context, from Place, path, program string, now time.Time) (records int, err error) {
	s, err := from.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return 0, fmt.Errorf("write the backup %s: %w; this user must be able to write in the folder", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	records, err = Write(ctx, temp, s, Header{Program: program, From: from.String(), Taken: now.UTC()})
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err == nil {
		err = syncFolder(path)
	}
	if err != nil {
		return 0, fmt.Errorf("write the backup %s: %w", path, err)
	}
	return records, nil
}

func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Restore makes the state in to that of the backup in the file path, but for marks, of which the higher ones win, and
// marks it as one that went back. A state in to that the backup is not later than is only replaced by force.
func Restore(ctx context.Context, path string, to Place, force bool, now time.Time) (h Header, records int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return h, 0, fmt.Errorf("read the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	from := func(ctx context.Context, visit func(store.Kept) error) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read the backup %s: %w", path, err)
		}
		if h, err = Read(ctx, f, now, visit); err != nil {
			return fmt.Errorf("the backup %s: %w", path, err)
		}
		return nil
	}
	// Once to see that it is whole, before anything is changed.
	if err := from(ctx, func(store.Kept) error { return nil }); err != nil {
		return h, 0, err
	}
	if !force {
		same := func(s store.Snapshot) bool { return s.About().ID == h.State.ID && s.Position() <= h.Position }
		if err := occupied(ctx, to, same); err != nil {
			return h, 0, err
		}
	}
	name, err := filepath.Abs(path)
	if err != nil {
		return h, 0, err
	}
	if err := describe(ctx, to, func(a *store.About) { a.FilledFrom, a.MovedTo = "the backup "+name, "" }); err != nil {
		return h, 0, err
	}
	why := fmt.Sprintf("restored from a backup taken at %s of %s", h.Taken.UTC().Format(time.RFC3339), h.From)
	records, err = fill(ctx, to, from, func(tx store.Tx) error { return store.NoteRestored(tx, now, why) })
	if err != nil {
		return h, records, err
	}
	return h, records, describe(ctx, to, func(a *store.About) { a.FilledFrom = "" })
}

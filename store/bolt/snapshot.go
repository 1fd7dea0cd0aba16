package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"tandem/store"
)

// A Snapshot is a copy of a state file, in memory, as it was at one moment.
//
// It is taken without the file's lock, so also while a daemon has the file: bbolt never overwrites a page that the
// newest meta page leads to, so what was read between two commits is one state. Whether it was is not a matter of
// luck: the copy passes the same checks as a file that is opened, every page, every record, and the sum of them all, or
// it is taken again.
type Snapshot struct {
	copy *stateFile
	now  time.Time
}

var _ store.Snapshot = (*Snapshot)(nil)

// snapshotTime bounds the tries to read the file between two commits.
const snapshotTime = time.Minute

// Read takes a snapshot of the state file that o names. It changes nothing and makes no file.
func Read(ctx context.Context, o Options) (*Snapshot, error) {
	o.setDefaults()
	ctx, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	f, err := os.OpenFile(o.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read state file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil {
		err = private(o.Path, info)
	}
	if err != nil {
		return nil, err
	}
	for {
		before, err := rawMetas(f)
		if err != nil {
			return nil, fmt.Errorf("read state file %s: %w", o.Path, err)
		}
		s, err := readOnce(f, o)
		if err == nil {
			return s, nil
		}
		after, again := rawMetas(f)
		switch {
		case !errors.Is(err, store.ErrCorrupt):
			return nil, err
		case again == nil && bytes.Equal(before, after): // nobody wrote meanwhile: that is how it is
			if s, torn := readTorn(f, o); torn == nil {
				return s, nil
			}
			return nil, err
		case ctx.Err() != nil:
			return nil, fmt.Errorf("read state file %s: it changes faster than it can be read; try again when fewer people log in, or stop tandemd", o.Path)
		}
	}
}

// readTorn takes a snapshot of the state before the last commit, if that is torn.
func readTorn(f *os.File, o Options) (*Snapshot, error) {
	s, err := copied(f, o.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.close() }()
	// Of this copy, because somebody may have mended the file meanwhile.
	if whole, err := readOnce(s.file, o); err == nil {
		return whole, nil
	}
	return beforeTorn(s.file, o)
}

// rawMetas returns the beginnings of both meta pages, wherever a page ends.
func rawMetas(f *os.File) ([]byte, error) {
	const one = pageHeader + metaSize
	both := make([]byte, 2*one)
	if _, err := f.ReadAt(both[:one], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	pageSize := int64(order.Uint32(both[pageHeader+8:]))
	if _, err := f.ReadAt(both[one:], pageSize); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return both, nil
}

// readOnce copies f and does the steps to the copy before it is looked at.
func readOnce(f *os.File, o Options, steps ...func(*stateFile) error) (_ *Snapshot, err error) {
	s, err := copied(f, o.Path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	for _, step := range append(steps, (*stateFile).load) {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	return &Snapshot{copy: s, now: o.Now()}, nil
}

// copied returns a copy of f, the file at path, in memory.
func copied(f *os.File, path string) (*stateFile, error) {
	descriptor, err := unix.MemfdCreate("tandem-snapshot", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("copy state file %s into memory: %w", path, err)
	}
	s := &stateFile{path: path, file: os.NewFile(uintptr(descriptor), path)}
	if _, err := io.Copy(s.file, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("copy state file %s into memory: %w", path, err)
	}
	return s, nil
}

// About implements [store.Snapshot].
func (s *Snapshot) About() store.About { return s.copy.about.About }

// Position implements [store.Snapshot]: the number of the last transaction.
func (s *Snapshot) Position() uint64 { return uint64(s.copy.committed) }

// Size is that of the file, in bytes.
func (s *Snapshot) Size() int64 { return s.copy.size.Load() }

// Walk implements [store.Snapshot].
func (s *Snapshot) Walk(ctx context.Context, visit func(store.Kept) error) error {
	return guard(func() error {
		return s.copy.bolt.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(recordsBucket).ForEach(func(key, record []byte) error {
				value, expiry, err := decode(key, record)
				if err != nil {
					return err
				}
				kept := store.Kept{Key: string(key), Value: bytes.Clone(value)}
				switch {
				case expired(expiry, s.now):
					return ctx.Err()
				case expiry != 0:
					kept.Left = time.Unix(0, expiry).Sub(s.now)
				}
				return errors.Join(ctx.Err(), visit(kept))
			})
		})
	})
}

// Close implements [store.Snapshot].
func (s *Snapshot) Close() error { return s.copy.close() }

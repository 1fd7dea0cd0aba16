package bolt

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"

	"tandem/store"
	"tandem/store/witness"
)

// errNotTorn means that a file is not what a power cut in the middle of a commit leaves.
var errNotTorn = errors.New("its last commit is not torn")

// takeBack undoes the last commit of the file that o names, if it is torn. The file is not touched unless the state before
// passes all checks, is that of commit floor or a later one, and the witness does not know of the last commit.
func takeBack(o Options, floor int) error {
	s, err := openLocked(o.Path)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	// Not what was seen before the lock: another process may have mended it, and committed to it.
	whole, err := readOnce(s.file, o)
	switch {
	case err == nil:
		return whole.Close()
	case !errors.Is(err, store.ErrCorrupt):
		return err
	}
	before, err := beforeTorn(s.file, o)
	if err != nil {
		return err
	}
	if err := before.Close(); err != nil {
		return err
	}
	if before.Position() < uint64(floor) {
		return errNotTorn
	}
	if err := undo(s); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	o.Logger.Warn("the last commit of the state file is not there whole, as after a power cut, and the witness knows of nobody who was told of it: "+
		"the state is that of the commit before", "path", o.Path, "commit", before.Position())
	return nil
}

// beforeTorn returns the state of f, whose last commit is not whole, before that commit.
func beforeTorn(f *os.File, o Options) (*Snapshot, error) {
	newest, _, err := readMetas(f)
	if err != nil {
		return nil, err
	}
	before, err := readOnce(f, o, undo)
	if err != nil {
		return nil, err
	}
	known, ok, err := witness.At(witnessPath(o.Path)).Last()
	switch {
	case err != nil:
	case before.About().Schema < singleSync:
		err = errNotTorn // the next commit was one of two syncs
	case ok && known.State == before.About().ID && known.Position == newest.transaction:
		err = fmt.Errorf("%w: it was acknowledged", errNotTorn)
	}
	if err != nil {
		return nil, errors.Join(err, before.Close())
	}
	return before, nil
}

// undo makes the older meta page the newest. Whether it leads to a whole state is not looked at.
func undo(s *stateFile) error {
	newest, older, err := readMetas(s.file)
	switch {
	case err != nil:
		return err
	case newest.transaction != older.transaction+1 || older.transaction == 0:
		return errNotTorn
	}
	page := make([]byte, pageHeader+metaSize)
	at := func(m meta) int64 { return int64(m.transaction%2) * int64(m.pageSize) }
	if _, err := s.file.ReadAt(page, at(older)); err != nil {
		return err
	}
	// Of the newest one's place, and older than the other.
	body := page[pageHeader:]
	order.PutUint64(page, newest.transaction%2)
	order.PutUint64(body[48:], older.transaction-1)
	sum := fnv.New64a()
	_, _ = sum.Write(body[:metaSize-8])
	order.PutUint64(body[metaSize-8:], sum.Sum64())
	_, err = s.file.WriteAt(page, at(newest))
	return err
}

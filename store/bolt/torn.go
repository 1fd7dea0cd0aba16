package bolt

import (
	"errors"
	"fmt"
	"hash/fnv"

	"tandem/store/witness"
)

// errNotTorn means that a file is not what a power cut in the middle of a commit leaves.
var errNotTorn = errors.New("its last commit is not torn")

// takeBack undoes the last commit of the file that o names, if only parts of it are there and nobody was told of it. The file
// is not touched unless all checks pass on the commit before.
func takeBack(o Options) error {
	s, err := openLocked(o.Path)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	before, err := readOnce(s.file, o, undoTorn)
	if err != nil {
		return err
	}
	if err := errors.Join(before.Close(), undoTorn(s), s.file.Sync()); err != nil {
		return err
	}
	o.Logger.Warn("the last commit of the state file was not written whole, as after a power cut; nobody was told of it, and the state is that of the commit before",
		"path", o.Path, "commit", before.Position())
	return nil
}

// undoTorn makes the older meta page the newest, in place of one that the witness does not know of. Whether it leads to a whole
// state is not looked at.
func undoTorn(s *stateFile) error {
	newest, older, err := readMetas(s.file)
	if err != nil {
		return err
	}
	known, ok, err := witness.At(witnessPath(s.path)).Last()
	switch {
	case err != nil:
		return err
	case newest.transaction != older.transaction+1 || older.transaction == 0:
		return errNotTorn
	case ok && known.Position >= newest.transaction:
		return fmt.Errorf("%w: it was acknowledged", errNotTorn)
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

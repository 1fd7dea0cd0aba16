package bolt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"tandem/store"
)

var (
	aboutBucket   = []byte("about")
	recordsBucket = []byte("records")
	expiryBucket  = []byte("expiry")
)

// lockWait is how long to wait for another process to let go of the file: a daemon that is being
// restarted may overlap with its predecessor's end.
const (
	lockWait  = time.Second
	lockRetry = 20 * time.Millisecond
)

const remedy = "move it away and restore a backup (`tandem store restore`); or only move it away, and a new one is made, " +
	"in which used codes, HOTP counters, throttles and open challenges are forgotten: " + store.RestoredRemedy

// A stateFile is the open file, locked and mapped by bbolt.
type stateFile struct {
	path string
	file *os.File
	bolt *bbolt.DB
	// reads are those of bolt.
	reads reads
	// info says which file it is.
	info os.FileInfo
	// size is the largest that the file was seen at, in bytes.
	size atomic.Int64
	// committed is the number of the last transaction when it was opened, or described.
	committed int
	// about is what the state says of itself.
	about about
	// poisoned: a panic went through bbolt, whose locks may be held for ever.
	poisoned atomic.Bool
}

// openFile opens the existing file that o names with all checks, and migrates it if it is of an older schema. If the last
// commit is torn, the file becomes that of the commit before, unless that is before floor.
func openFile(o Options, floor int) (_ *stateFile, err error) {
	s, err := openLoaded(o)
	if errors.Is(err, store.ErrCorrupt) {
		switch torn := takeBack(o, floor); {
		case torn == nil:
			s, err = openLoaded(o)
		case !errors.Is(torn, errNotTorn) && !errors.Is(torn, store.ErrCorrupt):
			err = fmt.Errorf("%w; whether a power cut has done that cannot be told: %w", err, torn)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.migrate(o); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// openLoaded opens the file with all checks.
func openLoaded(o Options) (*stateFile, error) {
	s, err := openLocked(o.Path)
	if err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// openLocked opens the file at path for this process alone, and looks at nothing in it.
func openLocked(path string) (*stateFile, error) {
	f, info, err := openOwn(path)
	if err != nil {
		return nil, err
	}
	s := &stateFile{path: path, file: f, info: info}
	// unmoved only now: who held the lock may have replaced or written the file.
	if err := cmp.Or(lock(f), s.unmoved()); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// load checks all pages, has bbolt map the file, and checks the contents.
func (s *stateFile) load() (err error) {
	if err := s.checkStructure(); err != nil {
		return err
	}
	if s.bolt, err = openBolt(s.file); err != nil {
		s.poisoned.Store(true)
		return fmt.Errorf("state file %s: %w; %s", s.path, err, remedy)
	}
	return s.checkContent()
}

// openOwn opens path for reading and writing if it is a regular file that is ours alone.
func openOwn(path string) (*os.File, os.FileInfo, error) {
	// O_NONBLOCK so that a FIFO does not hold us up; it means nothing for a regular file.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, nil, fmt.Errorf("state file %s is a symbolic link: name the file itself, so that nobody can point it elsewhere", path)
	case errors.Is(err, unix.EROFS):
		return nil, nil, fmt.Errorf("open state file: %w: mount the file system for writing", err)
	case err != nil:
		return nil, nil, fmt.Errorf("open state file: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = errors.Join(private(path, info), own(path, info))
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// private checks that the file is one that others cannot read, and not empty.
func private(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("state file %s is not a regular file but %s", path, info.Mode())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("state file %s has mode %04o: others could read or change it; chmod 0600 %[1]s", path, mode)
	}
	if info.Size() == 0 {
		return fmt.Errorf("state file %s: %w: it is empty; %s", path, store.ErrCorrupt, remedy)
	}
	return nil
}

func own(path string, info os.FileInfo) error {
	if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != os.Geteuid() {
		return fmt.Errorf("state file %s belongs to user %d, and this runs as user %d; chown %[3]d %[1]s", path, uid, os.Geteuid())
	}
	return nil
}

// ErrLocked means that another process has the state file open.
var ErrLocked = errors.New("the state file is locked")

func lock(f *os.File) error {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(lockRetry) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock state file %s: %w", f.Name(), err)
		case time.Now().After(deadline):
			return fmt.Errorf("%w by another process: %s: is another tandemd running? (fuser -v %[2]s names it)", ErrLocked, f.Name())
		}
	}
}

// unmoved checks that path still leads to the open file.
func (s *stateFile) unmoved() error {
	info, err := os.Lstat(s.path)
	if err != nil {
		return fmt.Errorf("the state file is gone while in use: %w; stop tandemd, then %s", err, remedy)
	}
	if !os.SameFile(s.info, info) {
		return fmt.Errorf("state file %s was replaced while in use: "+
			"put the old one back, or restart tandemd to take up the new one", s.path)
	}
	return nil
}

// whole checks that nobody has cut the file off, because reading the map beyond its end is a fault.
// It costs a system call, a microsecond.
func (s *stateFile) whole() error {
	// The size is loaded first: another goroutine may see the file grow before this one does.
	size := s.size.Load()
	var now unix.Stat_t // os.File.Stat would allocate, at every read
	if err := unix.Fstat(int(s.file.Fd()), &now); err != nil {
		return fmt.Errorf("state file %s: ask for its size: %w", s.path, err)
	}
	if now.Size < size {
		return fmt.Errorf("state file %s: %w: cut off from %d to %d bytes while in use; stop tandemd, then %s",
			s.path, store.ErrCorrupt, size, now.Size, remedy)
	}
	s.size.CompareAndSwap(size, now.Size)
	return nil
}

// checkStructure checks all pages, and puts the state they show on stable storage (see the
// package's text on failures).
func (s *stateFile) checkStructure() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	s.size.Store(info.Size())
	newest, written, err := checkPages(s.file, info.Size())
	if err != nil {
		return fmt.Errorf("state file %s: %w; %s", s.path, err, remedy)
	}
	if err := s.writeAgain(newest.pageSize, append(written, 0, 1)); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync state file: %w: its disk must be writable and sound", err)
	}
	return nil
}

// writeAgain writes pages as they are.
func (s *stateFile) writeAgain(size uint32, pages []uint64) error {
	page := make([]byte, size)
	for _, id := range pages {
		if _, err := s.file.ReadAt(page, int64(id)*int64(size)); err != nil {
			return fmt.Errorf("read state file: %w", err)
		}
		if _, err := s.file.WriteAt(page, int64(id)*int64(size)); err != nil {
			return fmt.Errorf("write state file: %w: make it writable and its disk sound", err)
		}
	}
	return nil
}

// openBolt maps f, which is locked and checked.
func openBolt(f *os.File) (db *bbolt.DB, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(f.Name(), 0o600, &bbolt.Options{
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			Timeout:  lockWait,
			NoSync:   true, // whoever commits syncs: see transact
		})
		return err
	})
	return db, err
}

// checkContent checks the schema, every record, and the expiry index.
func (s *stateFile) checkContent() error {
	err := guard(func() error {
		return s.bolt.View(func(tx *bbolt.Tx) (err error) {
			s.committed = tx.ID()
			s.about, err = checkBuckets(tx)
			return err
		})
	})
	if panicIn(err) != nil {
		s.poisoned.Store(true)
	}
	switch {
	case errors.Is(err, store.ErrSchema):
		return fmt.Errorf("state file %s: %w; install that version again, or a later one; to go back, "+
			"move the file away and restore a backup that was made before the upgrade (`tandem store restore`)", s.path, err)
	case err != nil:
		return fmt.Errorf("state file %s: %w; %s", s.path, err, remedy)
	}
	return nil
}

func checkBuckets(tx *bbolt.Tx) (about, error) {
	of, records, index := tx.Bucket(aboutBucket), tx.Bucket(recordsBucket), tx.Bucket(expiryBucket)
	if of == nil {
		return about{}, corrupt("it is not a state file of Tandem")
	}
	is, err := readAbout(of)
	switch {
	case err != nil:
		return about{}, err
	case records == nil || index == nil:
		return about{}, corrupt("a bucket is missing")
	}
	if err := checkRecords(of, records, index); err != nil || is.Schema < singleSync {
		return is, err
	}
	return is, checkCommit(of)
}

func checkRecords(of, records, index *bbolt.Bucket) error {
	written, err := loadContents(of)
	if err != nil {
		return err
	}
	var found contents
	expiring := 0
	if err := records.ForEach(func(key, record []byte) error {
		_, is, err := traced(key, record)
		if err != nil {
			return err
		}
		if is.expiry != 0 {
			expiring++
		}
		found.add(is.hash)
		return nil
	}); err != nil {
		return err
	}
	if err := index.ForEach(func(entry, _ []byte) error {
		key, expiry, err := splitIndexKey(entry)
		if err != nil {
			return err
		}
		record := records.Get(key)
		if record == nil || !bytes.Equal(record[expiryAt:valueAt], entry[:8]) {
			return corrupt("expiry entry of %q at %s has no record", key, time.Unix(0, expiry).UTC())
		}
		expiring--
		return nil
	}); err != nil {
		return err
	}
	if expiring != 0 {
		return corrupt("%d records are missing in the expiry index", expiring)
	}
	if found != written {
		return corrupt("records are missing or not the latest: %d with sum %016x, and %d with sum %016x were written",
			found.records, found.sum, written.records, written.sum)
	}
	return nil
}

// close waits for transactions that are running and lets go of the file. If bbolt is poisoned it
// does not wait, and the map stays, because nobody can tell who still reads it.
func (s *stateFile) close() error {
	if s.bolt != nil && !s.poisoned.Load() {
		if err := guard(func() error { return errors.Join(s.reads.hold(), s.bolt.Close()) }); err != nil {
			return fmt.Errorf("close state file %s: %w", s.path, err)
		}
		return nil
	}
	// The map would keep the lock beyond the file's closing.
	_ = unix.Flock(int(s.file.Fd()), unix.LOCK_UN)
	_ = s.file.Close()
	return nil
}

// createFile makes an empty state file at path, whole or not at all. It returns an error that
// wraps fs.ErrExist if somebody else was faster.
func createFile(o Options) (err error) {
	path, dir := o.Path, filepath.Dir(o.Path)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return fmt.Errorf("make state file %s: there is no folder %s; "+
			"mkdir %[2]s, owned by user %d, with mode 0700", path, dir, os.Geteuid())
	}
	// CreateTemp gives mode 0600.
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("make state file %s: %w; user %d must be able to write in the folder", path, err, os.Geteuid())
	}
	defer func() {
		if removed := os.Remove(temp.Name()); err == nil && removed != nil {
			err = fmt.Errorf("make state file %s: %w", path, removed)
		}
	}()
	if err := initialise(temp, o); err != nil {
		return fmt.Errorf("make state file %s: %w", path, err)
	}
	// A link, unlike a rename, never replaces a file that appeared meanwhile.
	if err := os.Link(temp.Name(), path); err != nil {
		return fmt.Errorf("make state file: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("make state file %s: %w", path, err)
	}
	return nil
}

// initialise writes an empty store into f, which is empty, syncs and closes it.
func initialise(f *os.File, o Options) error {
	defer f.Close() //nolint:errcheck // bbolt has closed it; this is for the case that it could not
	db, err := openBolt(f)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{recordsBucket, expiryBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		of, err := tx.CreateBucket(aboutBucket)
		if err != nil {
			return err
		}
		if err := new(contents).save(of); err != nil {
			return err
		}
		return errors.Join(newAbout(o, o.Now()).save(of), saveCommit(of))
	})
	return errors.Join(err, db.Sync(), db.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package bolt

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// sweepAtLeast is how many expired records a commit removes at least, if there are as many. It
// removes twice as many as it writes, so that removing keeps up with writing.
const sweepAtLeast = 64

// A writingTx is the bbolt transaction of one group. It keeps the expiry index and the sum of the
// contents in step with the records.
type writingTx struct {
	*bbolt.Tx
	about, records, index *bbolt.Bucket
	// lookUp is what the functions of the group read records with.
	lookUp   *bbolt.Cursor
	contents contents
	// entry is the memory that keys of the index are put together in; key and touched are the transactions', one after
	// the other.
	entry, key []byte
	touched    []touched
}

func beginWriting(db *bbolt.DB) (*writingTx, error) {
	tx := &writingTx{}
	err := guard(func() (err error) {
		if tx.Tx, err = db.Begin(true); err != nil {
			return err
		}
		tx.about, tx.records, tx.index = tx.Bucket(aboutBucket), tx.Bucket(recordsBucket), tx.Bucket(expiryBucket)
		tx.lookUp = tx.records.Cursor()
		tx.contents, err = loadContents(tx.about)
		return err
	})
	if err != nil {
		tx.end()
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// end lets go of bbolt's lock. It does nothing after a commit.
func (tx *writingTx) end() {
	if tx.Tx != nil {
		// If it fails after a panic, bbolt is not used any more, and otherwise it cannot.
		_ = guard(tx.Rollback)
	}
}

// replace puts record, which expires at expiry, in the place of what was under key; nil: it puts nothing there.
func (tx *writingTx) replace(key []byte, was trace, record []byte, expiry int64) error {
	if was.there {
		tx.contents.remove(was.hash)
		if was.expiry != 0 {
			if err := tx.index.Delete(tx.indexKey(key, was.expiry)); err != nil {
				return err
			}
		}
	}
	if record == nil {
		if !was.there {
			return nil
		}
		return tx.records.Delete(key)
	}
	tx.contents.add(recordHash(key, record))
	if expiry != 0 {
		if err := tx.index.Put(tx.indexKey(key, expiry), nil); err != nil {
			return err
		}
	}
	return tx.records.Put(key, record)
}

// indexKey is [appendIndexKey] in memory that is used again: bbolt keeps none of it.
func (tx *writingTx) indexKey(key []byte, expiry int64) []byte {
	tx.entry = appendIndexKey(tx.entry[:0], key, expiry)
	return tx.entry
}

// sweep removes up to limit records that have expired.
func (tx *writingTx) sweep(now time.Time, limit int) error {
	// First find, then delete: deleting moves the cursor.
	var keys [][]byte
	cursor := tx.index.Cursor()
	for entry, _ := cursor.First(); entry != nil && len(keys) < limit; entry, _ = cursor.Next() {
		key, expiry, err := splitIndexKey(entry)
		if err != nil {
			return err
		}
		if !expired(expiry, now) {
			break
		}
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		// The record decides, not the index; a broken one stays, for its reader to find.
		_, was, err := traced(key, tx.records.Get(key))
		if err != nil || !expired(was.expiry, now) {
			continue
		}
		if err := tx.replace(key, was, nil, 0); err != nil {
			return fmt.Errorf("remove an expired record: %w", err)
		}
	}
	return nil
}

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

// delete removes the record under key, which is sound, if there is one.
func (tx *writingTx) delete(key []byte) error {
	record := tx.records.Get(key)
	if record == nil {
		return nil
	}
	_, expiry, err := decode(key, record)
	if err != nil {
		return err
	}
	tx.contents.remove(key, record)
	if expiry != 0 {
		if err := tx.index.Delete(indexKey(key, expiry)); err != nil {
			return err
		}
	}
	return tx.records.Delete(key)
}

// put writes record under key, where there is none.
func (tx *writingTx) put(key, record []byte) error {
	_, expiry, err := decode(key, record)
	if err != nil {
		return err
	}
	tx.contents.add(key, record)
	if expiry != 0 {
		if err := tx.index.Put(indexKey(key, expiry), nil); err != nil {
			return err
		}
	}
	return tx.records.Put(key, record)
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
		if _, expiry, err := decode(key, tx.records.Get(key)); err != nil || !expired(expiry, now) {
			continue
		}
		if err := tx.delete(key); err != nil {
			return fmt.Errorf("remove an expired record: %w", err)
		}
	}
	return nil
}

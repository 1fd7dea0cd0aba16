package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc64"

	"go.etcd.io/bbolt"
)

// contents sums up all records: their number, and the sum of a hash of each, modulo 2^64. It
// changes with every write and is kept in the same transaction. A record's own checksum says that
// it is as it was written; this says that none is missing and none is of yesterday, which is what
// a damaged page header, or a page that the disk never wrote, looks like.
type contents struct{ records, sum uint64 }

var (
	contentsKey = []byte("contents")
	commitKey   = []byte("commit")
	crc64Table  = crc64.MakeTable(crc64.ECMA)
)

// add and remove take a record's hash; see [recordHash].
func (c *contents) add(hash uint64) {
	c.records++
	c.sum += hash
}

func (c *contents) remove(hash uint64) {
	c.records--
	c.sum -= hash
}

func recordHash(key, record []byte) uint64 {
	return crc64.Update(crc64.Checksum(key, crc64Table), crc64Table, record)
}

func loadContents(about *bbolt.Bucket) (contents, error) {
	value, _, err := decode(contentsKey, about.Get(contentsKey))
	if err != nil {
		return contents{}, err
	}
	if len(value) != 16 {
		return contents{}, corrupt("the sum of the contents has %d bytes", len(value))
	}
	return contents{binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])}, nil
}

func (c *contents) save(about *bbolt.Bucket) error {
	value := binary.BigEndian.AppendUint64(nil, c.records)
	value = binary.BigEndian.AppendUint64(value, c.sum)
	return about.Put(contentsKey, encode(contentsKey, value, 0))
}

// saveCommit notes which transaction this is. A page that the disk never wrote may hold an older state, whole and sound
// in itself; it says so.
func saveCommit(about *bbolt.Bucket) error {
	return about.Put(commitKey, encode(commitKey, binary.BigEndian.AppendUint64(nil, uint64(about.Tx().ID())), 0))
}

// checkCommit checks that what can be read is what the transaction has written.
func checkCommit(about *bbolt.Bucket) error {
	value, _, err := decode(commitKey, about.Get(commitKey))
	if err != nil {
		return err
	}
	if want := binary.BigEndian.AppendUint64(nil, uint64(about.Tx().ID())); !bytes.Equal(value, want) {
		return corrupt("it says that it is of commit %x, and it is of %x", value, want)
	}
	return nil
}

package bolt

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A record is laid out as
//
//	version  1 byte   recordVersion
//	checksum 4 bytes  CRC-32C, big-endian, over everything else and the key
//	expiry   8 bytes  Unix nanoseconds, big-endian; 0: never
//	value    the rest
//
// The key is in the checksum because a record found under another key is as wrong as a changed one.
const (
	recordVersion = 1
	checksumAt    = 1
	expiryAt      = checksumAt + 4
	valueAt       = expiryAt + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the record of value under key.
func encode(key, value []byte, expiry int64) []byte {
	record := make([]byte, valueAt, valueAt+len(value))
	record[0] = recordVersion
	binary.BigEndian.PutUint64(record[expiryAt:], uint64(expiry))
	record = append(record, value...)
	binary.BigEndian.PutUint32(record[checksumAt:], checksum(key, record))
	return record
}

// decode returns what [encode] was given. The value is a part of record. The error wraps [store.ErrCorrupt].
func decode(key, record []byte) (value []byte, expiry int64, err error) {
	if len(record) < valueAt {
		return nil, 0, corrupt("record %q is cut off", key)
	}
	if got, want := binary.BigEndian.Uint32(record[checksumAt:]), checksum(key, record); got != want {
		return nil, 0, corrupt("record %q has checksum %08x, want %08x", key, got, want)
	}
	if record[0] != recordVersion {
		return nil, 0, corrupt("record %q has format %d, want %d", key, record[0], recordVersion)
	}
	return record[valueAt:], int64(binary.BigEndian.Uint64(record[expiryAt:])), nil
}

func checksum(key, record []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, record[:checksumAt])
	return crc32.Update(sum, castagnoli, record[expiryAt:])
}

// expiryAfter returns the expiry of a record written now that lives for ttl.
func expiryAfter(now time.Time, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return now.Add(ttl).UnixNano()
}

func expired(expiry int64, now time.Time) bool { return expiry != 0 && now.UnixNano() >= expiry }

// appendIndexKey appends to b where the expiry bucket says that key expires. Its order is that of time.
func appendIndexKey(b, key []byte, expiry int64) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(expiry)), key...)
}

// splitIndexKey is the reverse of [appendIndexKey].
func splitIndexKey(entry []byte) (key []byte, expiry int64, err error) {
	if len(entry) < 8 {
		return nil, 0, corrupt("expiry entry %x is cut off", entry)
	}
	return entry[8:], int64(binary.BigEndian.Uint64(entry)), nil
}

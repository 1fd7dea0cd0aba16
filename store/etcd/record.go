package etcd

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"tandem/store"
)

// A record is laid out as
//
//	version  1 byte   recordVersion
//	checksum 4 bytes  CRC-32C, big-endian, over the key, the version and the value
//	value    the rest
//
// The key, without the prefix, is in the checksum because a record found under another key is as wrong as a
// changed one. When the record expires is not in it: only etcd knows, see leases.
const (
	recordVersion = 1
	checksumAt    = 1
	valueAt       = checksumAt + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the record of value under key.
func encode(key string, value []byte) []byte {
	record := make([]byte, valueAt, valueAt+len(value))
	record[0] = recordVersion
	record = append(record, value...)
	binary.BigEndian.PutUint32(record[checksumAt:], checksum(key, record))
	return record
}

// decode returns what [encode] was given. The value is a part of record, and not nil. The error wraps
// [store.ErrCorrupt].
func decode(key string, record []byte) (value []byte, err error) {
	if len(record) < valueAt {
		return nil, fmt.Errorf("%w: record %q is cut off, or somebody else wrote it", store.ErrCorrupt, key)
	}
	if got, want := binary.BigEndian.Uint32(record[checksumAt:]), checksum(key, record); got != want {
		return nil, fmt.Errorf("%w: record %q has checksum %08x, want %08x", store.ErrCorrupt, key, got, want)
	}
	if record[0] != recordVersion {
		return nil, fmt.Errorf("%w: record %q has format %d, want %d", store.ErrCorrupt, key, record[0], recordVersion)
	}
	return record[valueAt:], nil
}

func checksum(key string, record []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(key))
	sum = crc32.Update(sum, castagnoli, record[:checksumAt])
	return crc32.Update(sum, castagnoli, record[valueAt:])
}

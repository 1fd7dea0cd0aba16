package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"

	"tandem/store"
)

var errEnded = errors.New("transaction used after its function returned")

// A reader reads records as of one moment.
type reader struct {
	// records begins anew at each Seek, so that one cursor will do for all reads of a transaction.
	records *bbolt.Cursor
	now     time.Time
	log     *slog.Logger
	// key is the memory that keys are looked up in.
	key []byte
	// err is the first read that failed.
	err   error
	ended bool
}

// Get implements [store.Reader].
func (r *reader) Get(key string) ([]byte, error) {
	if r.ended {
		return nil, errEnded
	}
	value, was, err := r.look(key)
	if err != nil {
		r.err = errors.Join(r.err, err)
		return nil, err
	}
	return valid(value, was.expiry, r.now), nil
}

// valid returns a copy of a record's value that is the caller's to keep, or nil if there is none or it has expired.
func valid(value []byte, expiry int64, now time.Time) []byte {
	if value == nil || expired(expiry, now) {
		return nil
	}
	return append([]byte{}, value...)
}

// A trace is what must be known of a record to write another in its place: of none, nothing.
type trace struct {
	there  bool
	expiry int64
	hash   uint64 // see recordHash
}

// traced is [decode], with what else must be known of a record: to check it, or to write another one in its place.
func traced(key, record []byte) (value []byte, was trace, err error) {
	value, expiry, err := decode(key, record)
	if err != nil {
		return nil, trace{}, err
	}
	return value, trace{there: true, expiry: expiry, hash: recordHash(key, record)}, nil
}

// look reads the record under key, expired or not. The value is bbolt's and is valid for as long as nothing is written;
// it is nil if there is none.
func (r *reader) look(key string) (value []byte, was trace, err error) {
	r.key = append(r.key[:0], key...)
	err = guard(func() error {
		found, record := r.records.Seek(r.key)
		if !bytes.Equal(found, r.key) {
			return nil
		}
		value, was, err = traced(r.key, record)
		return err
	})
	if err != nil {
		r.log.Error("a record of the state file cannot be read", "key", key, "error", err)
		return nil, trace{}, fmt.Errorf("%w: read %q: %w; %s", store.ErrUnavailable, key, err, remedy)
	}
	return value, was, nil
}

// A transaction reads records and buffers what is to be written.
type transaction struct {
	reader
	// touched are the records that were read or are to be written. They are looked through one by one: a login has some
	// six, and the most, by an administrator's command, are some sixty.
	touched []touched
}

// touched is a record in a transaction.
type touched struct {
	key string
	// was is what the state has under the key, if looked.
	was    trace
	looked bool
	// written: record is to stand there instead, or nothing if it is nil; expiry is its own.
	written bool
	record  []byte
	expiry  int64
}

// touch returns what t knows of key.
func (t *transaction) touch(key string) *touched {
	for i := range t.touched {
		if t.touched[i].key == key {
			return &t.touched[i]
		}
	}
	t.touched = append(t.touched, touched{key: key})
	return &t.touched[len(t.touched)-1]
}

// Get implements [store.Reader].
func (t *transaction) Get(key string) ([]byte, error) {
	if t.ended {
		return nil, errEnded
	}
	k := t.touch(key)
	if k.written {
		if k.record == nil {
			return nil, nil
		}
		return valid(k.record[valueAt:], k.expiry, t.now), nil
	}
	value, was, err := t.look(key)
	if err != nil {
		t.err = errors.Join(t.err, err)
		return nil, err
	}
	k.was, k.looked = was, true
	return valid(value, was.expiry, t.now), nil
}

// Put implements [store.Tx].
func (t *transaction) Put(key string, value []byte, ttl time.Duration) {
	if t.ended {
		return
	}
	k := t.touch(key)
	k.written, k.expiry = true, expiryAfter(t.now, ttl)
	t.key = append(t.key[:0], key...)
	k.record = encode(t.key, value, k.expiry)
}

// Delete implements [store.Tx].
func (t *transaction) Delete(key string) {
	if t.ended {
		return
	}
	k := t.touch(key)
	k.written, k.record = true, nil
}

// prepare checks everything that can be wrong with what the function did, so that the writes of
// one function are applied whole or not at all, and counts them.
func (t *transaction) prepare() (writes int, err error) {
	for i := range t.touched {
		k := &t.touched[i]
		if !k.written {
			continue
		}
		writes++
		if k.key == "" || len(k.key) > store.MaxKey {
			return 0, fmt.Errorf("put %.40q: a key of %d bytes, want 1 to %d", k.key, len(k.key), store.MaxKey)
		}
		if size := len(k.record) - valueAt; size > store.MaxValue {
			return 0, fmt.Errorf("put %q: a value of %d bytes, want at most %d", k.key, size, store.MaxValue)
		}
		if k.looked {
			continue
		}
		if _, k.was, err = t.look(k.key); err != nil {
			t.err = errors.Join(t.err, err)
			break
		}
	}
	// A function that went on after a failed read did not know what it decided.
	return writes, t.err
}

// apply writes what was prepared into tx.
func (t *transaction) apply(tx *writingTx) error {
	for i := range t.touched {
		k := &t.touched[i]
		if !k.written {
			continue
		}
		t.key = append(t.key[:0], k.key...)
		if err := tx.replace(t.key, k.was, k.record, k.expiry); err != nil {
			return err
		}
	}
	return nil
}

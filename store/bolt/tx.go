package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
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
	// err is the first read that failed.
	err   error
	ended bool
}

// Get implements [store.Reader].
func (r *reader) Get(key string) ([]byte, error) {
	if r.ended {
		return nil, errEnded
	}
	value, expiry, err := r.look([]byte(key))
	if err != nil {
		r.err = errors.Join(r.err, err)
		return nil, err
	}
	if expired(expiry, r.now) {
		return nil, nil
	}
	return value, nil
}

// look reads the record under key, expired or not. The value is the caller's, nil if there is none.
func (r *reader) look(key []byte) (value []byte, expiry int64, err error) {
	err = guard(func() error {
		found, record := r.records.Seek(key)
		if !bytes.Equal(found, key) {
			return nil
		}
		value, expiry, err = decode(key, record)
		value = append([]byte{}, value...)
		return err
	})
	if err != nil {
		r.log.Error("a record of the state file cannot be read", "key", string(key), "error", err)
		return nil, 0, fmt.Errorf("%w: read %q: %w; %s", store.ErrUnavailable, key, err, remedy)
	}
	return value, expiry, nil
}

// A transaction reads records and buffers what is to be written.
type transaction struct {
	reader
	writes map[string]write
}

// A write puts value under a key, or deletes the key if value is nil.
type write struct {
	value  []byte
	expiry int64
}

// Get implements [store.Reader].
func (t *transaction) Get(key string) ([]byte, error) {
	if w, written := t.writes[key]; written && !t.ended {
		if expired(w.expiry, t.now) {
			return nil, nil
		}
		return bytes.Clone(w.value), nil
	}
	return t.reader.Get(key)
}

// Put implements [store.Tx].
func (t *transaction) Put(key string, value []byte, ttl time.Duration) {
	t.writes[key] = write{value: append([]byte{}, value...), expiry: expiryAfter(t.now, ttl)}
}

// Delete implements [store.Tx].
func (t *transaction) Delete(key string) { t.writes[key] = write{} }

// prepare checks everything that can be wrong with what the function did, so that the writes of
// one function are applied whole or not at all.
func (t *transaction) prepare() error {
	for key, w := range t.writes {
		if key == "" || len(key) > store.MaxKey {
			return fmt.Errorf("put %.40q: a key of %d bytes, want 1 to %d", key, len(key), store.MaxKey)
		}
		if len(w.value) > store.MaxValue {
			return fmt.Errorf("put %q: a value of %d bytes, want at most %d", key, len(w.value), store.MaxValue)
		}
		if _, _, err := t.look([]byte(key)); err != nil {
			t.err = errors.Join(t.err, err)
			break
		}
	}
	// A function that went on after a failed read did not know what it decided.
	return t.err
}

// apply writes what was prepared into tx.
func (t *transaction) apply(tx *writingTx) error {
	for _, name := range slices.Sorted(maps.Keys(t.writes)) {
		key, w := []byte(name), t.writes[name]
		if err := tx.delete(key); err != nil {
			return err
		}
		if w.value == nil {
			continue
		}
		if err := tx.put(key, encode(key, w.value, w.expiry)); err != nil {
			return err
		}
	}
	return nil
}

package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

// recordsPrefix is below the store's prefix, and before each record's key.
const recordsPrefix = "records/"

var errEnded = errors.New("transaction used after its function returned")

// A reader reads one consistent state: that of its first Get.
type reader struct {
	store *Store
	// ctx ends with the try, at deadline at the latest, and with the caller's.
	ctx, caller context.Context //nolint:containedctx // Get takes none
	deadline    time.Time
	// revision is that of the state, 0 before the first Get. member answered then, and so has it.
	revision int64
	member   *member
	reads    map[string]read
	// err is the first read that failed. again: the state is no longer kept, a new try is to read a newer one.
	err   error
	again bool
	ended bool
}

// A read is what was found under a key.
type read struct {
	value []byte // nil: nothing
	// revision is that of the key's last change, 0 if there is nothing.
	revision int64
}

func (s *Store) newReader(ctx, caller context.Context) reader {
	return reader{store: s, ctx: ctx, caller: caller, deadline: time.Now().Add(s.timeout), reads: map[string]read{}}
}

// Get implements [store.Reader].
func (r *reader) Get(key string) ([]byte, error) {
	if r.ended {
		return nil, errEnded
	}
	if r.err != nil {
		return nil, r.err
	}
	found, known := r.reads[key]
	if !known {
		if found, r.err = r.fetch(key); r.err != nil {
			return nil, r.err
		}
		r.reads[key] = found
	}
	return bytes.Clone(found.value), nil
}

func (r *reader) fetch(key string) (read, error) {
	if key == "" {
		return read{}, nil // etcd knows no empty key, and none is ever put
	}
	kvs, err := r.ask(r.store.prefix + recordsPrefix + key)
	switch {
	case err != nil && r.caller.Err() != nil:
		return read{}, fmt.Errorf("read %q: %w", key, r.caller.Err())
	case errors.Is(err, rpctypes.ErrCompacted), errors.Is(err, rpctypes.ErrFutureRev):
		r.again = true
		return read{}, fmt.Errorf("%w: read %q: the state of revision %d is not kept: %w", store.ErrUnavailable, key, r.revision, err)
	case err != nil:
		return read{}, r.store.cluster.unavailable(fmt.Sprintf("read %q", key), err)
	case len(kvs) == 0:
		return read{}, nil
	}
	value, err := decode(key, kvs[0].Value)
	if err != nil {
		r.store.log.Error("a record in etcd cannot be read", "key", key, "error", err)
		return read{}, fmt.Errorf("%w: read %q: %w; restore the state from a backup, or delete the record if it is known what it held",
			store.ErrUnavailable, key, err)
	}
	return read{value: value, revision: kvs[0].ModRevision}, nil
}

// ask reads a key of etcd's.
func (r *reader) ask(key string) (kvs []*mvccpb.KeyValue, err error) {
	err = r.store.cluster.ask(r.ctx, func(ctx context.Context, m *member) error {
		var options []clientv3.OpOption
		if r.revision != 0 {
			options = append(options, clientv3.WithRev(r.revision))
			if m == r.member { // it has that revision, so it need not ask the others
				options = append(options, clientv3.WithSerializable())
			}
		}
		reply, err := m.kv.Get(ctx, key, options...)
		if err != nil {
			return err
		}
		if r.revision == 0 {
			r.revision = reply.Header.Revision
		}
		r.member, kvs = m, reply.Kvs
		return nil
	})
	return kvs, err
}

// A transaction reads one state and buffers what is to be written.
type transaction struct {
	reader
	// began is when the function began, by the clock of leases.
	began  time.Time
	writes map[string]write
	// written is the revision of the commit, once there is one.
	written int64
}

// A write puts value under a key, or deletes the key if value is nil. It lives for ttl, for ever if that is 0.
type write struct {
	value []byte
	ttl   time.Duration
}

// Get implements [store.Reader].
func (t *transaction) Get(key string) ([]byte, error) {
	if w, written := t.writes[key]; written && !t.ended {
		return bytes.Clone(w.value), nil
	}
	return t.reader.Get(key)
}

// Put implements [store.Tx].
func (t *transaction) Put(key string, value []byte, ttl time.Duration) {
	if ttl < 0 { // expired already
		t.Delete(key)
		return
	}
	t.writes[key] = write{value: append([]byte{}, value...), ttl: ttl}
}

// Delete implements [store.Tx].
func (t *transaction) Delete(key string) { t.writes[key] = write{} }

package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

// schemaVersion is the layout that this package reads and writes.
const schemaVersion = 1

// schemaKey is below the prefix.
const schemaKey = "meta/schema"

// A schema is what is kept under schemaKey, as a record with JSON in it.
type schema struct {
	Version int       `json:"version"`
	Created time.Time `json:"created"`
}

// enter reads the schema, or writes it if the prefix is empty, and returns the revision at which it was
// written. Two nodes may come first at once, and one may come twice: only one schema is written.
func (s *Store) enter(ctx context.Context) (revision int64, err error) {
	value, err := json.Marshal(schema{Version: schemaVersion, Created: time.Now().UTC()})
	if err != nil {
		return 0, err
	}
	key := s.prefix + schemaKey
	var reply *clientv3.TxnResponse
	if err := s.cluster.ask(ctx, func(ctx context.Context, m *member) (err error) {
		reply, err = m.kv.Txn(ctx).If(
			clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
			clientv3.Compare(clientv3.CreateRevision(s.prefix+recordsPrefix), "=", 0).WithPrefix(),
		).Then(
			clientv3.OpPut(key, string(encode(schemaKey, value))),
		).Else(
			clientv3.OpGet(key),
		).Commit()
		return err
	}); err != nil {
		return 0, s.cluster.unavailable("open the state", err)
	}
	if reply.Succeeded {
		s.log.Warn("made a new state in etcd: codes that were used before are not known, "+
			"and one of the last minutes could be used once more", "prefix", s.prefix, "endpoints", s.cluster.endpoints())
		return reply.Header.Revision, nil
	}
	found := reply.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		return 0, fmt.Errorf("%w: there are records below %q in etcd but no %s: restore the state from a backup; "+
			"deleting everything below that prefix begins anew, with every code of the last minutes usable again",
			store.ErrCorrupt, s.prefix, schemaKey)
	}
	kept, err := decode(schemaKey, found[0].Value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w; restore the state from a backup", key, err)
	}
	var is schema
	if err := json.Unmarshal(kept, &is); err != nil {
		return 0, fmt.Errorf("%w: %s: %w; restore the state from a backup", store.ErrCorrupt, key, err)
	}
	if is.Version != schemaVersion {
		return 0, fmt.Errorf("%w: %s has version %d, this Tandem knows version %d: upgrade this node",
			store.ErrSchema, key, is.Version, schemaVersion)
	}
	return found[0].ModRevision, nil
}

// sameSchema returns an error unless what is found under the schema's key is what was found when opening.
func (s *Store) sameSchema(found []*mvccpb.KeyValue) error {
	if len(found) == 1 && found[0].ModRevision == s.schema {
		return nil
	}
	return fmt.Errorf("%w: %s%s in etcd was removed or replaced since this node started: the state is another; "+
		"restart this node if that was meant", store.ErrUnavailable, s.prefix, schemaKey)
}

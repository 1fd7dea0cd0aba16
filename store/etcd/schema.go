package etcd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

// schemaVersion is the layout that this package reads and writes:
//
//	1  meta/schema holds the version and when the state was made
//	2  meta/schema holds all of [store.About]; each node with a witness has a key below meta/nodes/
const schemaVersion = 2

// schemaKey is below the prefix.
const schemaKey = "meta/schema"

// migrations lead from one schema to the next: the first from 1 to 2.
var migrations = [schemaVersion - 1]func(is *schema, o Options){
	func(is *schema, o Options) {
		is.About = store.About{ID: newID(), Created: is.Created, Program: o.Program}
	},
}

// A schema is what is kept under schemaKey, as a record with JSON in it.
type schema struct {
	Version int `json:"version"`
	store.About
}

// newID returns 32 random hexadecimal digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

func (is schema) record() (string, error) {
	is.Schema = is.Version
	value, err := json.Marshal(is)
	return string(encode(schemaKey, value)), err
}

// enterSchema reads the schema, having migrated it if it is an older one, or writes it if the prefix is empty. Two nodes
// may come first at once, and one may come twice: only one schema is written.
func (s *Store) enterSchema(ctx context.Context) error {
	for {
		found, err := s.getSchema(ctx, !s.options.Maintenance)
		if err != nil {
			return err
		}
		is, err := readSchema(s.prefix, found.Value)
		if err != nil {
			return err
		}
		if is.Version == schemaVersion {
			s.about, s.schema = is.About, found.ModRevision
			return nil
		}
		if err := s.migrate(ctx, is, found.ModRevision); err != nil {
			return err
		}
	}
}

// getSchema returns what is kept under schemaKey. If the prefix is empty it begins a state, or says [fs.ErrNotExist].
func (s *Store) getSchema(ctx context.Context, begin bool) (*mvccpb.KeyValue, error) {
	key := s.prefix + schemaKey
	fresh, err := schema{Version: schemaVersion, About: store.About{ID: newID(), Created: time.Now().UTC(), Program: s.options.Program}}.record()
	if err != nil {
		return nil, err
	}
	var ifEmpty []clientv3.Op
	if begin {
		ifEmpty = append(ifEmpty, clientv3.OpPut(key, fresh))
	}
	var reply *clientv3.TxnResponse
	if err := s.cluster.ask(ctx, func(ctx context.Context, m *member) (err error) {
		reply, err = m.kv.Txn(ctx).If(
			clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
			clientv3.Compare(clientv3.CreateRevision(s.prefix+recordsPrefix), "=", 0).WithPrefix(),
		).Then(ifEmpty...).Else(clientv3.OpGet(key)).Commit()
		return err
	}); err != nil {
		return nil, s.cluster.unavailable("open the state", err)
	}
	switch {
	case reply.Succeeded && begin:
		s.log.Warn("made a new state in etcd: codes that were used before are not known, "+
			"and one of the last minutes could be used once more", "prefix", s.prefix, "endpoints", s.cluster.endpoints())
		return &mvccpb.KeyValue{Value: []byte(fresh), ModRevision: reply.Header.Revision}, nil
	case reply.Succeeded:
		return nil, fmt.Errorf("there is no state below %q in etcd at %s: %w", s.prefix, s.cluster.endpoints(), fs.ErrNotExist)
	}
	if found := reply.Responses[0].GetResponseRange().Kvs; len(found) > 0 {
		return found[0], nil
	}
	return nil, fmt.Errorf("%w: there are records below %q in etcd but no %s: delete everything below that prefix and restore a backup "+
		"(`tandem store restore`), or begin anew, in which all used codes and HOTP counters are forgotten",
		store.ErrCorrupt, s.prefix, schemaKey)
}

// readSchema reads what was found under schemaKey. Of a newer schema it says who wrote it.
func readSchema(prefix string, record []byte) (is schema, err error) {
	kept, err := decode(schemaKey, record)
	if err != nil {
		return is, fmt.Errorf("%s%s: %w; restore the state from a backup", prefix, schemaKey, err)
	}
	err = json.Unmarshal(kept, &is)
	switch {
	case is.Version > schemaVersion:
		program := is.Program
		if program == "" {
			program = "an unknown version"
		}
		return is, fmt.Errorf("%w: %s%s has version %d, written by %s; this Tandem knows up to %d: upgrade this node; to go back, "+
			"restore a backup that was made before the upgrade (`tandem store restore`) below another prefix",
			store.ErrSchema, prefix, schemaKey, is.Version, program, schemaVersion)
	case err != nil:
		return is, fmt.Errorf("%w: %s%s: %w; restore the state from a backup", store.ErrCorrupt, prefix, schemaKey, err)
	case is.Version < 1:
		return is, fmt.Errorf("%w: %s%s: %d is not a version; restore the state from a backup", store.ErrCorrupt, prefix, schemaKey, is.Version)
	}
	is.Schema = is.Version
	return is, nil
}

// migrate brings the schema to the present version, in one transaction. If another node was faster, nothing happens.
func (s *Store) migrate(ctx context.Context, is schema, revision int64) error {
	from := is.Version
	for _, step := range migrations[from-1:] {
		step(&is, s.options)
	}
	is.Version = schemaVersion
	done, err := s.putSchema(ctx, is, revision)
	if err != nil {
		return err
	}
	if done != 0 {
		s.log.Info("migrated the state in etcd; nodes with older versions of Tandem stop now, and refuse to start",
			"prefix", s.prefix, "from", from, "to", schemaVersion)
	}
	return nil
}

// putSchema writes the schema if it is still the one of that revision, and returns its new one, 0 if it is not.
func (s *Store) putSchema(ctx context.Context, is schema, revision int64) (written int64, err error) {
	value, err := is.record()
	if err != nil {
		return 0, err
	}
	key := s.prefix + schemaKey
	if err := s.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).Then(clientv3.OpPut(key, value)).Commit()
		if err == nil && reply.Succeeded {
			written = reply.Header.Revision
		}
		return err
	}); err != nil {
		return 0, s.cluster.unavailable("write the schema", err)
	}
	return written, nil
}

// served returns an error if no daemon may serve the state.
func (s *Store) served() error {
	where := fmt.Sprintf("the state below %q in etcd at %s", s.prefix, s.cluster.endpoints())
	switch {
	case s.options.Maintenance:
		return nil
	case s.about.MovedTo != "":
		return fmt.Errorf("%s: %w: it goes on in %s; set [store] to that, or bring it back with `tandem store migrate`",
			where, store.ErrMoved, s.about.MovedTo)
	case s.about.FilledFrom != "":
		return fmt.Errorf("%s: %w: it is being filled from %s; run that command again, it goes on where it was interrupted",
			where, store.ErrPartial, s.about.FilledFrom)
	}
	return nil
}

// sameSchema returns an error unless what is found under the schema's key is what was found when opening.
func (s *Store) sameSchema(found []*mvccpb.KeyValue) error {
	if len(found) == 1 && found[0].ModRevision == s.schema {
		return nil
	}
	return fmt.Errorf("%w: %s%s in etcd was removed or replaced since this node started: the state is another, was moved or restored; "+
		"restart this node if that was meant", store.ErrUnavailable, s.prefix, schemaKey)
}

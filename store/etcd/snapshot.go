package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

// A Snapshot is the state as it was at one revision of etcd's.
type Snapshot struct {
	store    *Store
	revision int64
	nodes    []Node
}

var _ store.Snapshot = (*Snapshot)(nil)

// A Node is one that has a witness of the state.
type Node struct {
	Host string `json:"host"`
	// Revision is that of its last commit.
	Revision int64 `json:"revision"`
}

// page is how many records are fetched at once.
const page = 500

// Read takes a snapshot of the state that o names. It changes nothing, and begins no state.
func Read(ctx context.Context, o Options) (*Snapshot, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	snapshot := &Snapshot{store: s}
	if err := snapshot.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return snapshot, nil
}

func (s *Snapshot) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.store.timeout)
	defer cancel()
	found, err := s.store.getSchema(ctx, false)
	if err != nil {
		return err
	}
	is, err := readSchema(s.store.prefix, found.Value)
	if err != nil {
		return err
	}
	s.store.about = is.About
	var nodes []*mvccpb.KeyValue
	if err := s.store.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.kv.Get(ctx, s.store.prefix+nodesPrefix, clientv3.WithPrefix())
		if err == nil {
			s.revision, nodes = reply.Header.Revision, reply.Kvs
		}
		return err
	}); err != nil {
		return s.store.cluster.unavailable("read the nodes", err)
	}
	for _, kv := range nodes {
		host, err := decode(strings.TrimPrefix(string(kv.Key), s.store.prefix), kv.Value)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, Node{Host: string(host), Revision: kv.ModRevision})
	}
	return nil
}

// About implements [store.Snapshot].
func (s *Snapshot) About() store.About { return s.store.about }

// Position implements [store.Snapshot]: etcd's revision.
func (s *Snapshot) Position() uint64 { return uint64(s.revision) }

// Nodes are those that have a witness of the state.
func (s *Snapshot) Nodes() []Node { return slices.Clone(s.nodes) }

// Walk implements [store.Snapshot].
func (s *Snapshot) Walk(ctx context.Context, visit func(store.Kept) error) error {
	prefix := s.store.prefix + recordsPrefix
	left := map[int64]time.Duration{} // by lease
	for from := prefix; ; {
		kvs, more, err := s.fetch(ctx, from, clientv3.GetPrefixRangeEnd(prefix))
		if err != nil {
			return err
		}
		for _, kv := range kvs {
			kept, err := s.kept(ctx, strings.TrimPrefix(string(kv.Key), prefix), kv, left)
			if err == nil && kept.Left >= 0 {
				err = visit(kept)
			}
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		from = string(kvs[len(kvs)-1].Key) + "\x00"
	}
}

func (s *Snapshot) fetch(ctx context.Context, from, end string) (kvs []*mvccpb.KeyValue, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.store.timeout)
	defer cancel()
	if err := s.store.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.kv.Get(ctx, from, clientv3.WithRange(end), clientv3.WithRev(s.revision), clientv3.WithLimit(page))
		if err == nil {
			kvs, more = reply.Kvs, reply.More
		}
		return err
	}); err != nil {
		return nil, false, s.store.cluster.unavailable(fmt.Sprintf("read the records of revision %d", s.revision), err)
	}
	return kvs, more, nil
}

// kept makes a record of what etcd has. Left is negative if its lease has run out since.
func (s *Snapshot) kept(ctx context.Context, key string, kv *mvccpb.KeyValue, left map[int64]time.Duration) (store.Kept, error) {
	value, err := decode(key, kv.Value)
	if err != nil {
		return store.Kept{}, err
	}
	kept := store.Kept{Key: key, Value: value}
	if kv.Lease == 0 {
		return kept, nil
	}
	ttl, known := left[kv.Lease]
	if !known {
		if ttl, err = s.timeLeft(ctx, kv.Lease); err != nil {
			return store.Kept{}, err
		}
		left[kv.Lease] = ttl
	}
	kept.Left = ttl
	return kept, nil
}

func (s *Snapshot) timeLeft(ctx context.Context, lease int64) (left time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.store.timeout)
	defer cancel()
	if err := s.store.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.leases.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: lease})
		if err == nil {
			left = time.Duration(reply.TTL) * time.Second // -1: it is gone
		}
		return err
	}); err != nil {
		return 0, s.store.cluster.unavailable("ask how long a record is kept", err)
	}
	if left == 0 {
		left = -1
	}
	return left, nil
}

// Close implements [store.Snapshot].
func (s *Snapshot) Close() error { return s.store.Close() }

// A Member is what one member of the cluster says of itself.
type Member struct {
	Endpoint string `json:"endpoint"`
	Version  string `json:"version,omitempty"`
	Leader   bool   `json:"leader,omitempty"`
	// Size is that of its database in bytes, Used the part that is not free.
	Size int64 `json:"size,omitempty"`
	Used int64 `json:"used,omitempty"`
	// Alarms are the cluster's, as this member knows them.
	Alarms []string `json:"alarms,omitempty"`
	// Error says why it said nothing.
	Error string `json:"error,omitempty"`
}

// Members asks each configured member.
func (s *Snapshot) Members(ctx context.Context) []Member {
	all := make([]Member, 0, len(s.store.cluster.members))
	for _, m := range s.store.cluster.members {
		is := Member{Endpoint: m.endpoint}
		err := s.store.cluster.askOne(ctx, m, func(ctx context.Context, m *member) error {
			reply, err := m.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
			if err != nil {
				return err
			}
			is.Version, is.Leader = reply.Version, reply.Leader == reply.Header.MemberId
			is.Size, is.Used, is.Alarms = reply.DbSize, reply.DbSizeInUse, alarmsOf(reply)
			return nil
		})
		if err != nil {
			is.Error = err.Error()
		}
		all = append(all, is)
	}
	return all
}

package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
)

// maxKeys bounds what one transaction may read, and what it may write: etcd's --max-txn-ops, less the schema and the
// node's key.
const maxKeys = 126

// errAgain: nothing was written, and the function is to run again.
var errAgain = errors.New("try again")

// commit writes what t holds if all that t read still stands, and the state still has this node's commit of the
// revision floor.
func (s *Store) commit(t *transaction, floor int64) error {
	if len(t.writes) == 0 {
		return nil // what was read was one state, and so true at one moment
	}
	if err := t.check(); err != nil {
		return err
	}
	puts, err := s.operations(t)
	switch {
	case err == nil:
	case t.caller.Err() != nil:
		return t.caller.Err()
	default:
		return s.cluster.unavailable("prepare a commit", err)
	}
	m, err := s.ready(t)
	if err != nil {
		return err
	}
	if err := t.caller.Err(); err != nil {
		return err
	}
	return s.send(t, m, floor, puts)
}

// check finds what is wrong with the writes themselves.
func (t *transaction) check() error {
	for key, w := range t.writes {
		if key == "" || len(key) > store.MaxKey {
			return fmt.Errorf("put %.40q: a key of %d bytes, want 1 to %d", key, len(key), store.MaxKey)
		}
		if len(w.value) > store.MaxValue {
			return fmt.Errorf("put %q: a value of %d bytes, want at most %d", key, len(w.value), store.MaxValue)
		}
	}
	if len(t.reads) > maxKeys || len(t.writes) > maxKeys {
		return fmt.Errorf("a transaction that reads %d keys and writes %d, want at most %d of either",
			len(t.reads), len(t.writes), maxKeys)
	}
	return nil
}

// operations are the puts and deletes.
func (s *Store) operations(t *transaction) ([]clientv3.Op, error) {
	var all []clientv3.Op
	for _, key := range slices.Sorted(maps.Keys(t.writes)) {
		w, at := t.writes[key], s.prefix+recordsPrefix+key
		if w.value == nil {
			all = append(all, clientv3.OpDelete(at))
			continue
		}
		var options []clientv3.OpOption
		if w.ttl != 0 {
			lease, err := s.leases.lasting(t.ctx, w.ttl, t.began)
			if err != nil {
				return nil, err
			}
			options = append(options, clientv3.WithLease(lease))
		}
		all = append(all, clientv3.OpPut(at, string(encode(key, w.value)), options...))
	}
	if s.node.id != "" {
		all = append(all, clientv3.OpPut(s.nodeKey(), string(encode(nodesPrefix+s.node.id, []byte(s.node.host)))))
	}
	return all, nil
}

// comparisons say that every key that was read is as it was, that the state is the one that was opened, and that it
// did not go back. A key that was absent, came, and went again is as it was.
func (s *Store) comparisons(t *transaction, floor int64) []clientv3.Cmp {
	all := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(s.prefix+schemaKey), "=", s.schema)}
	if s.node.id != "" {
		all = append(all, clientv3.Compare(clientv3.ModRevision(s.nodeKey()), ">", floor-1))
	}
	for key, found := range t.reads {
		if key != "" {
			all = append(all, clientv3.Compare(clientv3.ModRevision(s.prefix+recordsPrefix+key), "=", found.revision))
		}
	}
	return all
}

// ready returns a member that answered within this try, for one that is silent makes the result unknown.
func (s *Store) ready(t *transaction) (*member, error) {
	if t.member == nil { // nothing was read
		if _, err := t.ask(s.prefix + schemaKey); err != nil {
			if t.caller.Err() != nil {
				return nil, t.caller.Err()
			}
			return nil, s.cluster.unavailable("prepare a commit", err)
		}
	}
	return t.member, nil
}

// send commits, once. From here on the caller's context has no say: only the outcome can be told.
func (s *Store) send(t *transaction, m *member, floor int64, puts []clientv3.Op) error {
	if time.Until(t.deadline) < s.cluster.patience {
		return s.cluster.unavailable("commit", fmt.Errorf("nothing was sent: reading took most of %v", s.timeout))
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(t.ctx), t.deadline)
	defer cancel()
	otherwise := []clientv3.Op{clientv3.OpGet(s.prefix + schemaKey)}
	if s.node.id != "" {
		otherwise = append(otherwise, clientv3.OpGet(s.nodeKey()))
	}
	reply, err := m.kv.Txn(ctx).If(s.comparisons(t, floor)...).Then(puts...).Else(otherwise...).Commit()
	switch {
	case err != nil:
		return s.uncommitted(m, err)
	case reply.Succeeded:
		s.commits.Add(1)
		t.written = reply.Header.Revision
		s.remember(t.written)
		return nil
	}
	s.conflicts.Add(1)
	if err := s.sameSchema(reply.Responses[0].GetResponseRange().Kvs); err != nil {
		return err
	}
	if s.node.id != "" {
		if last := revisionOf(reply.Responses[1].GetResponseRange().Kvs); last < floor {
			if err := s.wentBack(ctx, floor, last); err != nil {
				return err
			}
		}
	}
	return errAgain
}

// uncommitted judges a commit that failed. Only what a member says it refused is known to have done nothing.
func (s *Store) uncommitted(m *member, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		s.leases.forget()
		return errAgain
	case tokenIsStale(err):
		m.login.token.Store(nil)
		return errAgain
	case errors.Is(err, rpctypes.ErrTooManyRequests):
		return errAgain
	case isAnswer(err):
		return s.cluster.unavailable("commit: nothing was written", fmt.Errorf("%s refuses: %w", m.endpoint, err))
	}
	s.unknown.Add(1)
	s.cluster.leave(m, err)
	s.log.Warn("a commit was sent to etcd and not answered: it is not known whether it was written, and nobody is let in",
		"endpoint", m.endpoint, "error", err)
	return s.cluster.unavailable("commit: it is not known whether it was written", s.cluster.silent(err))
}

package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"tandem/store"
	"tandem/store/witness"
)

// nodesPrefix is below the store's prefix, and before the identifier of each node that has a witness.
const nodesPrefix = "meta/nodes/"

// A node is what this node remembers of its own commits.
//
// Each commit also writes the node's own key, in the same transaction, and asks for that key to be no older than the
// node's last acknowledged commit. A state that was restored from a snapshot lacks that commit, whatever other nodes
// have written to it since, so the first commit of any node that has lost one notices. The witness carries the revision
// over a restart.
type node struct {
	// id names the node's key; empty: there is no witness, and nothing is compared.
	id   string
	host string
	file *witness.File

	mu     sync.Mutex // guards last and silent
	last   int64      // revision of the last acknowledged commit
	silent bool       // the witness could not be written the last time

	noting sync.Mutex // held by who marks the state as gone back
}

// floor is the revision that the node's key must have reached.
func (n *node) floor() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

func (s *Store) nodeKey() string { return s.prefix + nodesPrefix + s.node.id }

// revisionOf is that of the last change of the one key that was asked for, 0 if there is none.
func revisionOf(found []*mvccpb.KeyValue) int64 {
	if len(found) == 0 {
		return 0
	}
	return found[0].ModRevision
}

// meetWitness compares the state with what the witness knows. A state that went back is marked so, and only then the
// witness is told to forget.
func (s *Store) meetWitness(ctx context.Context) error {
	if s.options.Witness == "" {
		return nil
	}
	s.node.file = witness.At(s.options.Witness)
	known, ok, err := s.node.file.Last()
	if err != nil {
		return err
	}
	// Made before it is needed: a node that could not keep it would leave a key behind at each start.
	id := cmp.Or(known.Node, newID())
	if !ok {
		known = witness.Memory{State: s.about.ID, Node: id}
		switch err := s.node.file.Set(known); {
		case errors.Is(err, fs.ErrNotExist):
			s.log.Warn("there is no folder for the witness of the state: should etcd be restored from a snapshot, this node does not notice",
				"path", s.options.Witness)
			return nil
		case err != nil:
			return err
		}
	}
	s.node.id = id
	s.node.host, _ = os.Hostname()
	if known.State != s.about.ID {
		if known.Position == 0 {
			return s.node.file.Set(witness.Memory{State: s.about.ID, Node: id})
		}
		return s.note(ctx, 0, "another state was in use on this node before")
	}
	s.node.last = int64(known.Position)
	r := s.newReader(ctx, ctx)
	found, err := r.ask(s.nodeKey())
	if err != nil {
		return s.cluster.unavailable("read this node's key", err)
	}
	if last := revisionOf(found); last < s.node.last {
		return s.wentBack(ctx, s.node.last, last)
	}
	return nil
}

// remember keeps the revision of a commit that was acknowledged.
func (s *Store) remember(revision int64) {
	n := &s.node
	if n.id == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if revision <= n.last {
		return
	}
	n.last = revision
	err := n.file.Raise(witness.Memory{State: s.about.ID, Node: n.id, Position: uint64(revision)})
	if err != nil && !n.silent {
		s.log.Warn("the witness of the state cannot be written: should etcd go back in time while this node is stopped, that may not be noticed",
			"path", n.file.Path(), "error", err)
	}
	n.silent = err != nil
}

// wentBack marks the state as gone back, because it should hold this node's commit of revision floor and has only that
// of revision last.
func (s *Store) wentBack(ctx context.Context, floor, last int64) error {
	return s.note(ctx, floor, fmt.Sprintf("node %s had its commit of revision %d acknowledged, and the state has it up to revision %d",
		s.node.host, floor, last))
}

// noted reports whether another process of this node, such as the administrator's command, has marked the state already:
// it has put the witness, which this process has told of floor, back behind it.
func (s *Store) noted(floor int64) bool {
	n := &s.node
	known, ok, err := n.file.Last()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil || !ok || n.silent || known.State != s.about.ID || int64(known.Position) >= floor {
		return false
	}
	n.last = int64(known.Position)
	return true
}

// note marks the state, unless another goroutine that found the same floor has done so, and begins to count anew.
func (s *Store) note(ctx context.Context, floor int64, why string) error {
	n := &s.node
	n.noting.Lock()
	defer n.noting.Unlock()
	if n.floor() != floor || s.noted(floor) {
		return nil
	}
	s.log.Error("the state in etcd went back: it may have forgotten used codes", "prefix", s.prefix, "why", why, "remedy", store.RestoredRemedy)
	// The mark and the node's key, written in one transaction: who sees a key that is well sees the mark.
	var marked int64
	ctx = context.WithoutCancel(ctx) // a caller who has no time left is no reason to leave it unmarked
	err := s.repeat(ctx, func(try context.Context) error {
		t := &transaction{reader: s.newReader(try, ctx), began: s.leases.now(), writes: map[string]write{}}
		if err := store.NoteRestored(t, time.Now(), why); err != nil {
			return err
		}
		err := s.commit(t, 0)
		marked = t.written
		return err
	})
	if err != nil {
		return fmt.Errorf("note that the state in etcd went back: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = marked
	return n.file.Set(witness.Memory{State: s.about.ID, Node: n.id, Position: uint64(n.last)})
}

package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tandem/store"
	"tandem/store/witness"
)

// A Place is a state in etcd as its administrator sees it. Nodes that serve the state stop when it is described anew.
type Place struct{ Options }

// String names the place in messages and in other states.
func (p Place) String() string {
	o := p.Options
	_ = o.validate() // fills in the prefix; what is wrong is said when it is used
	return "etcd " + o.Prefix + " at " + strings.Join(o.Endpoints, ", ")
}

// Snapshot is [Read].
func (p Place) Snapshot(ctx context.Context) (store.Snapshot, error) { return Read(ctx, p.Options) }

// Open opens the state for maintenance.
func (p Place) Open(ctx context.Context) (store.Store, error) {
	o := p.Options
	o.Maintenance = true
	return Open(ctx, o)
}

// Describe changes what the state says of itself, and begins a new state if there is none. This node's witness of a state
// that is gone is told to forget: whoever calls this knows that it is.
func (p Place) Describe(ctx context.Context, change func(*store.About)) (err error) {
	s, err := prepare(p.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := p.begin(ctx, s); err != nil {
		return err
	}
	s.options.Maintenance = true
	if err := s.enter(ctx); err != nil {
		return err
	}
	is := schema{Version: schemaVersion, About: s.about}
	change(&is.About)
	switch written, err := s.putSchema(ctx, is, s.schema); {
	case err != nil:
		return err
	case written == 0:
		return fmt.Errorf("%w: somebody else changes %s at the same time; try again", store.ErrUnavailable, p)
	}
	return nil
}

// begin begins a state if there is none.
func (p Place) begin(ctx context.Context, s *Store) error {
	_, err := s.getSchema(ctx, false)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.Witness != "" {
		if err := witness.At(p.Witness).Remove(); err != nil {
			return err
		}
	}
	_, err = s.getSchema(ctx, true)
	return err
}

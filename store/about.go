package store

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrMoved means that the state was moved to another store, and goes on there.
	ErrMoved = errors.New("the state was moved away")
	// ErrPartial means that a restore or a move into this state was begun and has not come to its end.
	ErrPartial = errors.New("the state is not whole")
)

// About is what a state says of itself. It is kept beside the records, and is none of them.
type About struct {
	// ID is random and names this state: the file, or what is below a prefix. A copy has the same.
	ID string `json:"id"`
	// Schema is the version of the layout.
	Schema int `json:"schema"`
	// Created is when the state was begun.
	Created time.Time `json:"created"`
	// Program is the Tandem that wrote the schema, as `tandem version` prints it.
	Program string `json:"program,omitempty"`
	// MovedTo says where the state goes on; empty: here. One that was moved is served by nobody.
	MovedTo string `json:"moved_to,omitempty"`
	// FilledFrom says where the records come from while not all have come; empty: they are all here. A state that is
	// not whole is served by nobody.
	FilledFrom string `json:"filled_from,omitempty"`
}

// A Snapshot is one consistent state as its administrator sees it. Reading it changes nothing and holds up nobody.
type Snapshot interface {
	// About returns what the state says of itself.
	About() About
	// Position is a number that grows with each commit, and of two snapshots of one state tells the later.
	Position() uint64
	// Walk hands each record that has not expired to visit, in the order of the keys, until an error.
	Walk(ctx context.Context, visit func(Kept) error) error
	// Close lets go of it.
	Close() error
}

// Kept is a record in a [Snapshot]. The slice is the receiver's to keep.
type Kept struct {
	Key   string
	Value []byte
	// Left is for how long the record will yet be kept, above 0; 0: for ever.
	Left time.Duration
}

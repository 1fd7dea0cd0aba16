package bolt

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"tandem/store"
)

// schema is the version of the layout that this program writes:
//
//	1  the three buckets; about holds "schema", "created" and "contents"
//	2  about holds "state" instead of "created", and beside the file is a witness
//	3  about holds "commit": a commit is one sync, and may be found torn
const schema = 3

// singleSync is the first schema whose commits are one sync each.
const singleSync = 3

// migrations lead from one schema to the next: the first from 1 to 2. All that are needed run in one transaction.
var migrations = [schema - 1]func(of *bbolt.Bucket, o Options) error{
	nameTheState,
	numberCommits,
}

var (
	schemaKey  = []byte("schema")
	createdKey = []byte("created") // of schema 1
	stateKey   = []byte("state")
)

// about is what is kept under stateKey, as JSON in a record.
type about struct {
	store.About
	// Witnessed: there was a witness beside the file once, so there must be one.
	Witnessed bool `json:"witnessed"`
}

func newAbout(o Options, created time.Time) about {
	return about{About: store.About{ID: newID(), Schema: schema, Created: created.UTC(), Program: o.Program}}
}

// newID returns 32 random hexadecimal digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

func (a about) save(of *bbolt.Bucket) error {
	value, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return errors.Join(
		of.Put(schemaKey, encode(schemaKey, strconv.AppendInt(nil, int64(a.Schema), 10), 0)),
		of.Put(stateKey, encode(stateKey, value, 0)))
}

// readAbout reads the schema and, unless it is 1, the rest.
func readAbout(of *bbolt.Bucket) (a about, err error) {
	value, _, err := decode(schemaKey, of.Get(schemaKey))
	if err != nil {
		return about{}, err
	}
	found, err := strconv.Atoi(string(value))
	if err != nil || found < 1 {
		return about{}, corrupt("schema %q is not a version", value)
	}
	state := of.Get(stateKey)
	if found > 1 {
		if value, _, err = decode(stateKey, state); err == nil {
			err = json.Unmarshal(value, &a)
		}
	}
	switch {
	case found > schema: // whatever could be read of it
		return about{}, fmt.Errorf("%w: schema %d, written by %s; this program knows up to %d",
			store.ErrSchema, found, orUnknown(a.Program), schema)
	case err != nil:
		return about{}, fmt.Errorf("%w: what the state says of itself: %w", store.ErrCorrupt, err)
	}
	a.Schema = found
	return a, nil
}

func orUnknown(program string) string {
	if program == "" {
		return "an unknown version"
	}
	return program
}

// served returns an error if no daemon may serve the state.
func (a about) served(o Options) error {
	switch {
	case o.Maintenance:
		return nil
	case a.MovedTo != "":
		return fmt.Errorf("state file %s: %w: it goes on in %s; set [store] to that, or bring it back with `tandem store migrate`",
			o.Path, store.ErrMoved, a.MovedTo)
	case a.FilledFrom != "":
		return fmt.Errorf("state file %s: %w: it is being filled from %s; run that command again, it goes on where it was interrupted",
			o.Path, store.ErrPartial, a.FilledFrom)
	}
	return nil
}

// migrate brings the file to the present schema: in one transaction, so whole or not at all.
func (s *stateFile) migrate(o Options) error {
	from := s.about.Schema
	if from == schema {
		return nil
	}
	if err := s.write(func(of *bbolt.Bucket) error {
		for _, step := range migrations[from-1:] {
			if err := step(of, o); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("migrate state file %s from schema %d to %d: %w; it is as it was", s.path, from, schema, err)
	}
	o.Logger.Info("migrated the state file; older versions of Tandem refuse it now", "path", s.path, "from", from, "to", schema)
	return nil
}

// nameTheState is the way from schema 1 to 2.
func nameTheState(of *bbolt.Bucket, o Options) error {
	value, _, err := decode(createdKey, of.Get(createdKey))
	if err != nil {
		return err
	}
	created, err := time.Parse(time.RFC3339, string(value))
	if err != nil {
		return corrupt("created at %q", value)
	}
	return errors.Join(of.Delete(createdKey), newAbout(o, created).save(of))
}

// numberCommits is the way from schema 2 to 3: every transaction writes its number.
func numberCommits(of *bbolt.Bucket, o Options) error {
	a, err := readAbout(of)
	if err != nil {
		return err
	}
	a.Schema, a.Program = schema, o.Program
	return a.save(of)
}

// describe changes what the state says of itself.
func (s *stateFile) describe(change func(*about)) error {
	return s.write(func(of *bbolt.Bucket) error {
		is := s.about
		change(&is)
		return is.save(of)
	})
}

// write runs fn in a bbolt transaction on the bucket about and reads the outcome. The committer must not be at work. It is
// rare, so bbolt may sync twice: a commit that brings the file to this schema could not be found torn.
func (s *stateFile) write(fn func(of *bbolt.Bucket) error) error {
	return guard(func() error {
		if err := s.reads.hold(); err != nil {
			return err
		}
		defer s.reads.release()
		s.bolt.NoSync = false
		defer func() { s.bolt.NoSync = true }()
		return errors.Join(
			s.bolt.Update(func(tx *bbolt.Tx) error {
				of := tx.Bucket(aboutBucket)
				if err := fn(of); err != nil {
					return err
				}
				return saveCommit(of)
			}),
			s.bolt.View(func(tx *bbolt.Tx) (err error) {
				s.committed = tx.ID()
				s.about, err = readAbout(tx.Bucket(aboutBucket))
				return err
			}))
	})
}

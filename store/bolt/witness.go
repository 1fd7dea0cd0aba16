package bolt

import (
	"context"
	"fmt"
	"time"

	"tandem/store"
	"tandem/store/witness"
)

// witnessPath is where the witness of the state file at path is: beside it, so that a copy of the file alone, put back
// by hand, meets it.
func witnessPath(path string) string { return path + ".witness" }

// meetWitness compares the file with what the witness knows, before the committer begins. A file that went back is
// marked so, and only then the witness is told to forget.
func (d *DB) meetWitness() error {
	known, ok, err := d.witness.Last()
	if err != nil {
		return err
	}
	if why := d.state.differs(known, ok); why != "" {
		d.log.Error("the state went back: it may have forgotten used codes", "path", d.path, "why", why, "remedy", store.RestoredRemedy)
		if err := d.updateAlone(func(tx store.Tx) error { return store.NoteRestored(tx, d.now(), why) }); err != nil {
			return fmt.Errorf("note that state file %s went back: %w", d.path, err)
		}
	}
	if err := d.witness.Set(d.memory()); err != nil {
		return err
	}
	if d.state.about.Witnessed {
		return nil
	}
	// Only now: from here on a missing witness is a bad sign.
	return d.describe(func(a *about) { a.Witnessed = true })
}

// differs says why the file is not the one, or not as late, as the witness knows; empty: it is.
func (s *stateFile) differs(known witness.Memory, ok bool) string {
	switch {
	case !ok && s.about.Witnessed:
		return "its witness is missing or damaged, as if the file had been copied here"
	case !ok:
		return "" // it is new, or was never opened by a Tandem that keeps a witness
	case known.State != s.about.ID:
		return "another state file was in use here before"
	case known.Position > uint64(s.committed):
		return fmt.Sprintf("it is at commit %d, and %d was acknowledged", s.committed, known.Position)
	}
	return ""
}

// memory is what the witness should know now.
func (d *DB) memory() witness.Memory {
	return witness.Memory{State: d.state.about.ID, Position: uint64(d.committed)}
}

// witnessLag is how long after a commit the witness is told at the latest, unless the next one is under way. It is told after the
// answers, and in a crowd of many commits at once: a file that is opened, read and written each time would cost more than the
// commit's own work.
const witnessLag = 50 * time.Millisecond

// remember tells the witness of the last commit. If it cannot be told, the commit stands all the same.
func (d *DB) remember() {
	if d.untold == (witness.Memory{}) {
		return
	}
	err := d.witness.Raise(d.untold)
	if err != nil && !d.silent {
		d.log.Warn("the witness of the state file cannot be written: should the file go back in time, that may not be noticed",
			"path", d.witness.Path(), "error", err)
	}
	d.silent, d.untold, d.told = err != nil, witness.Memory{}, time.Now()
}

// updateAlone is Update before the committer begins.
func (d *DB) updateAlone(fn func(tx store.Tx) error) error {
	r := &request{fn: fn, ctx: context.Background()}
	if err := d.serve([]*request{r}); err != nil {
		return err
	}
	return r.err
}

// describe is the file's describe while the committer is not at work.
func (d *DB) describe(change func(*about)) error {
	if err := d.state.describe(change); err != nil {
		return fmt.Errorf("write state file %s: %w", d.path, err)
	}
	d.committed = d.state.committed
	return d.witness.Set(d.memory())
}

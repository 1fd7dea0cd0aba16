package bolt

import (
	"errors"
	"sync"

	"go.etcd.io/bbolt"
)

// mostIdle bounds the read transactions that wait to be used again.
const mostIdle = 16

// reads are the read transactions of a file that nobody uses at the moment. To begin one costs more than what most Views
// read, and until the next commit all of them read the same.
//
// None may be open when a commit begins: it would keep pages from being used again, and where the file has to grow, bbolt
// waits until all are closed.
type reads struct {
	mu   sync.Mutex // guards what follows; held for moments only
	idle []*read
	// epoch changes whenever what is read may become another.
	epoch uint64
	// held: a commit is under way, or the file is about to be closed, and none may wait here.
	held bool
}

// A read is a read transaction, for one goroutine at a time.
type read struct {
	*bbolt.Tx
	epoch  uint64
	cursor *bbolt.Cursor
}

// records is a cursor over the records.
func (tx *read) records() *bbolt.Cursor {
	if tx.cursor == nil { // not before the first use: it reads the file, which may fail
		tx.cursor = tx.Bucket(recordsBucket).Cursor()
	}
	return tx.cursor
}

// begin returns a transaction that reads the newest state.
func (r *reads) begin(db *bbolt.DB) (*read, error) {
	r.mu.Lock()
	if last := len(r.idle) - 1; last >= 0 {
		tx := r.idle[last]
		r.idle = r.idle[:last]
		r.mu.Unlock()
		return tx, nil
	}
	epoch := r.epoch
	r.mu.Unlock()

	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &read{Tx: tx, epoch: epoch}, nil
}

// end keeps tx for the next View, if that one may read the same.
func (r *reads) end(tx *read) error {
	r.mu.Lock()
	keep := !r.held && tx.epoch == r.epoch && len(r.idle) < mostIdle
	if keep {
		r.idle = append(r.idle, tx)
	}
	r.mu.Unlock()
	if keep {
		return nil
	}
	return tx.Rollback()
}

// hold closes those that are idle and keeps no more of them, until release.
func (r *reads) hold() (err error) {
	r.mu.Lock()
	idle := r.idle
	r.idle, r.held = nil, true
	r.epoch++
	r.mu.Unlock()
	for _, tx := range idle {
		err = errors.Join(err, tx.Rollback())
	}
	return err
}

// release is called when what is read from now on stays so until the next hold.
func (r *reads) release() {
	r.mu.Lock()
	r.held = false
	r.epoch++
	r.mu.Unlock()
}

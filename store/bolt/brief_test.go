package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"tandem/store"
	"tandem/store/bolt"
)

func TestBriefStoresShareAFile(t *testing.T) {
	o := bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)}
	const each, processes = 5, 4
	var all sync.WaitGroup
	for range processes { // flock(2) sees each opening of the file as another process would be
		all.Go(func() {
			s := bolt.NewBrief(o)
			for range each {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					held, err := tx.Get("count")
					if err != nil {
						return err
					}
					var n uint64
					if held != nil {
						n = binary.BigEndian.Uint64(held)
					}
					tx.Put("count", binary.BigEndian.AppendUint64(nil, n+1), 0)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	err := bolt.NewBrief(o).View(t.Context(), func(r store.Reader) error {
		held, err := r.Get("count")
		if err == nil && binary.BigEndian.Uint64(held) != each*processes {
			t.Errorf("%d of %d updates are kept", binary.BigEndian.Uint64(held), each*processes)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBriefSaysWhatFailed(t *testing.T) {
	s := bolt.NewBrief(bolt.Options{Path: filepath.Join(t.TempDir(), "none", "state.db")})
	if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v", err)
	}
	refused := errors.New("refused")
	s = bolt.NewBrief(bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err := s.Update(t.Context(), func(store.Tx) error { return refused }); !errors.Is(err, refused) {
		t.Fatalf("%v", err)
	}
}

package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/store"
)

func (o *opener) snapshot(t *testing.T) *Snapshot {
	t.Helper()
	s, err := Read(t.Context(), o.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSnapshotIsTheState(t *testing.T) {
	o := newOpener(t, t.TempDir())
	writeSample(t, o)
	s := o.mustOpen(t) // it holds the lock
	var keys []string
	snapshot := o.snapshot(t)
	if err := snapshot.Walk(t.Context(), func(k store.Kept) error {
		keys = append(keys, k.Key)
		var n int
		if found, _ := fmt.Sscanf(k.Key, "record %d", &n); found == 0 {
			return nil
		}
		if !bytes.Equal(k.Value, sampleValue(n)) || k.Left != time.Duration(n%2)*time.Hour {
			return fmt.Errorf("%s: %q for %v", k.Key, k.Value, k.Left)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if len(keys) != sampleRecords+1 {
		t.Errorf("%d records", len(keys))
	}
	about := s.state.about.About
	if snapshot.About() != about || snapshot.Position() != uint64(s.committed) || snapshot.Size() == 0 {
		t.Errorf("%+v at %d, want %+v at %d", snapshot.About(), snapshot.Position(), about, s.committed)
	}
	// Later writes are not in it, and what has expired is in none.
	o.clock.Advance(2 * time.Hour)
	if err := claim(t.Context(), s, "later"); err != nil {
		t.Fatal(err)
	}
	left := 0
	if err := o.snapshot(t).Walk(t.Context(), func(k store.Kept) error {
		left++
		if k.Left != 0 {
			t.Errorf("%s should have expired", k.Key)
		}
		return nil
	}); err != nil || left != sampleRecords/2+2 {
		t.Errorf("%d records left, %v", left, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := snapshot.Walk(ended, func(store.Kept) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// However fast others write, a snapshot is one state: two records that are always written together are equal, and no
// record that was acknowledged before is missing.
func TestSnapshotUnderLoad(t *testing.T) {
	o := newOpener(t, t.TempDir())
	writeSample(t, o)
	s := o.mustOpen(t)
	ctx, cancel := context.WithCancel(t.Context())
	acknowledged := make(chan uint64, 1)
	ended := make(chan error, 1)
	acknowledged <- 0
	go func() {
		for n := uint64(1); ; n++ {
			if err := s.Update(ctx, func(tx store.Tx) error {
				value := binary.BigEndian.AppendUint64(nil, n)
				tx.Put("a", value, 0)
				tx.Put("z", value, 0)
				tx.Put(fmt.Sprintf("record %04d", n%sampleRecords), value, 0)
				return nil
			}); err != nil {
				ended <- err
				return
			}
			<-acknowledged
			acknowledged <- n
		}
	}()
	for range 50 {
		before := <-acknowledged
		acknowledged <- before
		found := map[string][]byte{}
		snapshot := o.snapshot(t)
		if err := snapshot.Walk(t.Context(), func(k store.Kept) error { found[k.Key] = k.Value; return nil }); err != nil {
			t.Fatal(err)
		}
		if before == 0 {
			continue
		}
		if !bytes.Equal(found["a"], found["z"]) || binary.BigEndian.Uint64(found["a"]) < before {
			t.Fatalf("a is %x and z is %x, and %d was acknowledged", found["a"], found["z"], before)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Logf("50 snapshots between %d commits", <-acknowledged)
}

func TestSnapshotRefuses(t *testing.T) {
	o := newOpener(t, t.TempDir())
	if _, err := Read(t.Context(), o.options()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(o.path); err == nil {
		t.Error("reading made a file")
	}
	sample := writeSample(t, o)
	for name, tt := range map[string]struct {
		damage func() error
		want   string
	}{
		"cut off": {func() error { return os.Truncate(o.path, int64(len(sample)/2)) }, "cut off"},
		"a bit": {func() error {
			return os.WriteFile(o.path, flip("the value of record 0007")(bytes.Clone(sample)), 0o600)
		}, "checksum"},
		"empty":  {func() error { return os.Truncate(o.path, 0) }, "empty"},
		"public": {func() error { return os.Chmod(o.path, 0o644) }, "chmod 0600"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, o.path, sample)
			if err := tt.damage(); err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			if _, err := Read(t.Context(), o.options()); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), o.path) {
				t.Errorf("%v, want one with %q", err, tt.want)
			}
			if time.Since(before) > snapshotTime/2 {
				t.Error("a file that nobody writes was read again and again")
			}
			if err := os.Chmod(o.path, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

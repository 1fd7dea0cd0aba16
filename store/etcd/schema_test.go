package etcd

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/store"
	"tandem/test/etcdtest"
)

func TestRow51_OlderStateIsMigrated(t *testing.T) {
	c := etcdtest.Start(t, 1)
	etcd := c.Client()
	old := func(t *testing.T) Options { // as the last Tandem of schema 1 has left it
		t.Helper()
		o := Options{Endpoints: c.Endpoints(), Prefix: freshPrefix(), Program: "tandem of the test"}
		for key, record := range map[string][]byte{
			schemaKey:             encode(schemaKey, []byte(`{"version":1,"created":"2026-01-02T03:04:05Z"}`)),
			recordsPrefix + "old": encode("old", nil),
		} {
			if _, err := etcd.Put(t.Context(), o.Prefix+key, string(record)); err != nil {
				t.Fatal(err)
			}
		}
		return o
	}
	t.Run("by all nodes at once", func(t *testing.T) {
		o := old(t)
		stores := make([]*Store, 4)
		var all sync.WaitGroup
		for i := range stores {
			all.Go(func() { stores[i] = mustOpen(t, o) })
		}
		all.Wait()
		for _, s := range stores {
			if s.schema != stores[0].schema || s.about != stores[0].about {
				t.Errorf("%+v of revision %d, and another node has %+v of %d", s.about, s.schema, stores[0].about, stores[0].schema)
			}
			if err := claim(t.Context(), s, "old"); !errors.Is(err, errTaken) {
				t.Errorf("%v", err)
			}
		}
		if a := stores[0].about; a.Schema != schemaVersion || len(a.ID) != 32 || a.Program != o.Program ||
			!a.Created.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("%+v", a)
		}
	})
	t.Run("after another node, of which it had not heard", func(t *testing.T) {
		o := old(t)
		s, err := prepare(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		found, err := s.getSchema(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		is, err := readSchema(o.Prefix, found.Value)
		if err != nil {
			t.Fatal(err)
		}
		faster := mustOpen(t, o)
		if err := s.migrate(t.Context(), is, found.ModRevision); err != nil {
			t.Fatal(err)
		}
		if err := claim(t.Context(), faster, "a"); err != nil {
			t.Errorf("it was migrated once more: %v", err)
		}
	})
	t.Run("under a node that runs", func(t *testing.T) {
		o := old(t)
		s, err := prepare(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		found, err := s.getSchema(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		s.schema = found.ModRevision // a node of the older version has it open
		if err := claim(t.Context(), s, "a"); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, o)
		if err := claim(t.Context(), s, "b"); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "restart") {
			t.Errorf("the older node goes on: %v", err)
		}
	})
	t.Run("not by looking", func(t *testing.T) {
		o := old(t)
		snapshot, err := Read(t.Context(), o)
		if err != nil || snapshot.About().Schema != 1 {
			t.Fatal(err)
		}
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
		found, err := etcd.Get(t.Context(), o.Prefix+schemaKey)
		if err != nil || !strings.Contains(string(found.Kvs[0].Value), `"version":1,`) {
			t.Errorf("%v, %v", found, err)
		}
	})
}

func TestRow51_StateThatIsNotToBeServed(t *testing.T) {
	c := etcdtest.Start(t, 1)
	for _, tt := range []struct {
		change func(*store.About)
		is     error
		want   string
	}{
		{func(a *store.About) { a.MovedTo = "bolt x" }, store.ErrMoved, "bolt x"},
		{func(a *store.About) { a.FilledFrom = "the backup y" }, store.ErrPartial, "the backup y"},
	} {
		o := Options{Endpoints: c.Endpoints(), Prefix: freshPrefix()}
		running := mustOpen(t, o)
		p := Place{o}
		if err := p.Describe(t.Context(), tt.change); err != nil {
			t.Fatal(err)
		}
		if err := claim(t.Context(), running, "a"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a node that runs goes on: %v", err)
		}
		if _, err := Open(t.Context(), o); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %v with %q", err, tt.is, tt.want)
		}
		s, err := p.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSnapshotIsOneRevision(t *testing.T) {
	c := etcdtest.Start(t, 1)
	o := Options{Endpoints: c.Endpoints(), Prefix: freshPrefix(), Timeout: 10 * time.Second}
	if _, err := Read(t.Context(), o); err == nil || !strings.Contains(err.Error(), "there is no state") {
		t.Errorf("%v", err)
	}
	s := mustOpen(t, o)
	want := []string{"short"}
	if err := s.Update(t.Context(), func(tx store.Tx) error { tx.Put("short", nil, time.Hour); return nil }); err != nil {
		t.Fatal(err)
	}
	for range 11 { // more than two pages
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			for range 100 {
				key := "key " + newID()
				want = append(want, key)
				tx.Put(key, []byte(key), 0)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	snapshot, err := Read(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim(t.Context(), s, "later"); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	var got []string
	if err := errors.Join(snapshot.Walk(t.Context(), func(k store.Kept) error {
		got = append(got, k.Key)
		if k.Key == "short" && (k.Left < 50*time.Minute || k.Left > 70*time.Minute) || k.Key != "short" && (k.Left != 0 || string(k.Value) != k.Key) {
			t.Errorf("%s: %q for %v", k.Key, k.Value, k.Left)
		}
		return nil
	}), snapshot.Close()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

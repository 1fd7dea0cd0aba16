package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
	"tandem/test/etcdtest"
)

// What others do to the state below us.

func TestRow51_SchemaThatIsNotOursIsRefused(t *testing.T) {
	c := etcdtest.Start(t, 1)
	etcd := c.Client()
	keep := func(t *testing.T, key, value string) {
		t.Helper()
		if _, err := etcd.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, prefix string)
		want    error
		says    string
	}{
		{"a newer one", func(t *testing.T, prefix string) {
			t.Helper()
			keep(t, prefix+schemaKey, string(encode(schemaKey, []byte(`{"version":3,"program":"tandem 9.1","future":true}`))))
		}, store.ErrSchema, "written by tandem 9.1; this Tandem knows up to 2: upgrade this node"},
		{"a newer one, and nobody knows whose", func(t *testing.T, prefix string) {
			t.Helper()
			keep(t, prefix+schemaKey, string(encode(schemaKey, []byte(`{"version":3,"program":{"name":"tandem"}}`))))
		}, store.ErrSchema, "written by an unknown version"},
		{"a changed schema", func(t *testing.T, prefix string) {
			t.Helper()
			keep(t, prefix+schemaKey, strings.Replace(string(encode(schemaKey, []byte(`{"version":1}`))), "1}", "3}", 1))
		}, store.ErrCorrupt, "backup"},
		{"not JSON", func(t *testing.T, prefix string) {
			t.Helper()
			keep(t, prefix+schemaKey, string(encode(schemaKey, []byte("one"))))
		}, store.ErrCorrupt, "backup"},
		{"records without a schema", func(t *testing.T, prefix string) {
			t.Helper()
			keep(t, prefix+recordsPrefix+"a", string(encode("a", nil)))
		}, store.ErrCorrupt, "backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prefix := freshPrefix()
			tt.prepare(t, prefix)
			before, err := etcd.Get(t.Context(), prefix, clientv3.WithPrefix())
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Options{Endpoints: c.Endpoints(), Prefix: prefix})
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.says)
			}
			after, err := etcd.Get(t.Context(), prefix, clientv3.WithPrefix())
			if err != nil || len(after.Kvs) != len(before.Kvs) || after.Kvs[0].ModRevision != before.Kvs[0].ModRevision {
				t.Errorf("opening has changed the state: %v", err)
			}
		})
	}
	t.Run("the second node finds the first one's", func(t *testing.T) {
		var log strings.Builder
		o := Options{Endpoints: c.Endpoints(), Prefix: "nodes", Logger: textLogger(&log)}
		first, second := mustOpen(t, o), mustOpen(t, o)
		if first.schema != second.schema || strings.Count(log.String(), "made a new state") != 1 {
			t.Errorf("schemas of revisions %d and %d; %s", first.schema, second.schema, &log)
		}
	})
}

func TestRow46_ReplacedStateStopsTheNode(t *testing.T) {
	c := etcdtest.Start(t, 1)
	etcd := c.Client()
	for name, replace := range map[string]func(prefix string) error{
		"removed": func(prefix string) error {
			_, err := etcd.Delete(t.Context(), prefix, clientv3.WithPrefix())
			return err
		},
		"made anew": func(prefix string) error {
			_, err := etcd.Put(t.Context(), prefix+schemaKey, string(encode(schemaKey, []byte(`{"version":1}`))))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := freshPrefix()
			s := mustOpen(t, Options{Endpoints: c.Endpoints(), Prefix: prefix})
			if err := claim(t.Context(), s, "before"); err != nil {
				t.Fatal(err)
			}
			if err := replace(prefix); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{"Update": claim(t.Context(), s, "after"), "Check": s.Check(t.Context())} {
				if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "restart") {
					t.Errorf("%s: %v, want unavailable, and what to do", what, err)
				}
			}
		})
	}
}

func TestRow46_ForeignRecordIsNoticed(t *testing.T) {
	c := etcdtest.Start(t, 1)
	etcd := c.Client()
	s := mustOpen(t, Options{Endpoints: c.Endpoints()})
	of := func(key, value string) string { return string(encode(key, []byte(value))) }
	for name, kept := range map[string]string{
		"text":           "used",
		"empty":          "",
		"another key's":  of("other", "used"),
		"another value":  strings.Replace(of("code", "used"), "used", "free", 1),
		"another format": "\x02" + of("code", "used")[1:],
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := etcd.Put(t.Context(), defaultPrefix+recordsPrefix+"code", kept); err != nil {
				t.Fatal(err)
			}
			if err := claim(t.Context(), s, "code"); !errors.Is(err, store.ErrCorrupt) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v, want corrupt and unavailable", err)
			}
			// Nor can a function that does not mind write.
			if err := s.Update(t.Context(), func(tx store.Tx) error {
				_, _ = tx.Get("code")
				tx.Put("beside", nil, 0)
				return nil
			}); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%v, want corrupt", err)
			}
		})
	}
	if held, err := value(s, "beside"); held != nil || err != nil {
		t.Errorf("beside: %q, %v", held, err)
	}
}

func TestCompactionUnderATransaction(t *testing.T) {
	c := etcdtest.Start(t, 1)
	etcd := c.Client()
	s := mustOpen(t, Options{Endpoints: c.Endpoints()})
	for _, key := range []string{"a", "b"} {
		if err := claim(t.Context(), s, key); err != nil {
			t.Fatal(err)
		}
	}
	// compact makes etcd forget every state but the newest.
	compact := func() error {
		later, err := etcd.Put(t.Context(), "elsewhere", "")
		if err != nil {
			return err
		}
		_, err = etcd.Compact(t.Context(), later.Header.Revision)
		return err
	}
	both := func(r store.Reader, runs *int) error {
		*runs++
		_, err := r.Get("a")
		if *runs == 1 {
			err = errors.Join(err, compact())
		}
		held, err2 := r.Get("b")
		if held == nil {
			err2 = errors.Join(err2, errors.New("b is missing"))
		}
		return errors.Join(err, err2)
	}
	viewed, updated := 0, 0
	if err := s.View(t.Context(), func(r store.Reader) error { return both(r, &viewed) }); err != nil || viewed != 2 {
		t.Errorf("View ran %d times: %v", viewed, err)
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return both(tx, &updated) }); err != nil || updated != 2 {
		t.Errorf("Update ran %d times: %v", updated, err)
	}
}

func TestTooManyKeys(t *testing.T) {
	c := etcdtest.Start(t, 1)
	s := mustOpen(t, Options{Endpoints: c.Endpoints()})
	for keys, fits := range map[int]bool{maxKeys: true, maxKeys + 1: false} {
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := range keys {
				key := strings.Repeat("k", i+1)
				if _, err := tx.Get(key); err != nil {
					return err
				}
				tx.Put(key, nil, time.Hour)
			}
			return nil
		}); (err == nil) != fits || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%d keys: %v", keys, err)
		}
	}
}

func TestTransactionEndsWithItsFunction(t *testing.T) {
	c := etcdtest.Start(t, 1)
	s := mustOpen(t, Options{Endpoints: c.Endpoints()})
	var ended []store.Reader
	if err := errors.Join(
		s.Update(t.Context(), func(tx store.Tx) error { ended = append(ended, tx); return nil }),
		s.View(t.Context(), func(r store.Reader) error { ended = append(ended, r); return nil }),
	); err != nil {
		t.Fatal(err)
	}
	for _, r := range ended {
		if _, err := r.Get("a"); !errors.Is(err, errEnded) {
			t.Errorf("Get after the end: %v", err)
		}
	}
}

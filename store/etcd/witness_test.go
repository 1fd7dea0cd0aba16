package etcd

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"tandem/store"
	"tandem/test/etcdtest"
)

// restored returns what the state says of a time when it went back.
func restored(t *testing.T, s store.Store) (r store.Restored) {
	t.Helper()
	if err := s.View(t.Context(), func(tx store.Reader) (err error) {
		r, err = store.ReadRestored(tx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// claimSeeing is claim, and tells whether the transaction that committed saw that the state went back.
func claimSeeing(t *testing.T, s store.Store, key string) (pending bool) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		pending = r.Pending
		tx.Put(key, nil, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return pending
}

// dataOf is the folder in which member 0 keeps everything, as its command line says.
func dataOf(t *testing.T, c *etcdtest.Cluster) string {
	t.Helper()
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.Pid(0)), "cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Split(string(line), "\x00")
	at := slices.Index(args, "--data-dir")
	if at < 0 {
		t.Fatalf("no data-dir in %q", args)
	}
	return args[at+1]
}

// rollBack sets the whole cluster, of one member, back to where it was before do, as a restored snapshot does.
func rollBack(t *testing.T, c *etcdtest.Cluster, do func()) {
	t.Helper()
	data, copied := dataOf(t, c), filepath.Join(t.TempDir(), "data")
	c.Kill(0)
	if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	c.Restart(0)
	c.WaitHealthy()
	do()
	c.Kill(0)
	if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(copied)), os.Chmod(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	c.Restart(0)
	c.WaitHealthy()
}

func TestRow26_ClusterThatWentBackIsNoticed(t *testing.T) {
	c := etcdtest.Start(t, 1)
	node := func(t *testing.T, name, prefix string) Options {
		t.Helper()
		return Options{Endpoints: c.Endpoints(), Prefix: prefix, Witness: filepath.Join(t.TempDir(), name+".witness")}
	}
	busy := func(t *testing.T, prefix string) { // others push the revision beyond what was lost
		t.Helper()
		s := mustOpen(t, Options{Endpoints: c.Endpoints(), Prefix: prefix})
		for i := range 30 {
			if err := claim(t.Context(), s, "busy "+strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("by a node that runs on", func(t *testing.T) {
		prefix := freshPrefix()
		o := node(t, "a", prefix)
		s := mustOpen(t, o)
		claimSeeing(t, s, "before")
		rollBack(t, c, func() { claimSeeing(t, s, "lost") })
		busy(t, prefix)
		if !claimSeeing(t, s, "after") {
			t.Error("a commit was accepted as if nothing had happened")
		}
		if r := restored(t, s); !strings.Contains(r.Why, "acknowledged") {
			t.Errorf("%+v", r)
		}
		// Once it is accepted, it is not noticed again: neither by this node nor by one that is started anew.
		accept(t, s)
		if claimSeeing(t, s, "later") || claimSeeing(t, mustOpen(t, o), "later still") {
			t.Error("what was accepted is noticed again")
		}
	})
	t.Run("by an idle node that is asked whether it is well", func(t *testing.T) {
		s := mustOpen(t, node(t, "a", freshPrefix()))
		claimSeeing(t, s, "before")
		rollBack(t, c, func() { claimSeeing(t, s, "lost") })
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if r := restored(t, s); !r.Pending {
			t.Errorf("%+v", r)
		}
	})
	t.Run("by another process of the node", func(t *testing.T) {
		o := node(t, "a", freshPrefix())
		s := mustOpen(t, o)
		claimSeeing(t, s, "before")
		rollBack(t, c, func() { claimSeeing(t, s, "lost") })
		command := mustOpen(t, o)
		if r := restored(t, command); !r.Pending {
			t.Errorf("%+v", r)
		}
		accept(t, command)
		if claimSeeing(t, s, "after") {
			t.Error("what was accepted is noticed again")
		}
	})
	t.Run("by a node that is started later", func(t *testing.T) {
		prefix := freshPrefix()
		o := node(t, "a", prefix)
		s := mustOpen(t, o)
		rollBack(t, c, func() {
			claimSeeing(t, s, "lost")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
		busy(t, prefix)
		if r := restored(t, mustOpen(t, o)); !r.Pending {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the state was deleted", func(t *testing.T) {
		prefix := freshPrefix()
		o := node(t, "a", prefix)
		s := mustOpen(t, o)
		claimSeeing(t, s, "before")
		if _, err := c.Client().Delete(t.Context(), prefix, clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		if r := restored(t, mustOpen(t, o)); !r.Pending || !strings.Contains(r.Why, "another state") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nothing happened", func(t *testing.T) {
		prefix := freshPrefix()
		first, second := node(t, "a", prefix), node(t, "b", prefix)
		for range 3 {
			for _, o := range []Options{first, second} {
				s := mustOpen(t, o)
				claimSeeing(t, s, "again")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			busy(t, freshPrefix())
		}
		if r := restored(t, mustOpen(t, first)); r.Pending {
			t.Errorf("%+v", r)
		}
	})
}

// accept is what an administrator says.
func accept(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		r, err := store.ReadRestored(tx)
		r.Pending = false
		return errors.Join(err, store.PutRestored(tx, r))
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNoFolderForTheWitness(t *testing.T) {
	c := etcdtest.Start(t, 1)
	var log strings.Builder
	s := mustOpen(t, Options{
		Endpoints: c.Endpoints(), Prefix: freshPrefix(), Logger: textLogger(&log),
		Witness: filepath.Join(t.TempDir(), "none", "w"),
	})
	if err := claim(t.Context(), s, "a"); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "no folder for the witness") {
		t.Errorf("nobody was told: %s", &log)
	}
}

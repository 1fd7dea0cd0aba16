package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tandem/store"
)

// oldFile puts testdata/schema-1.db, written by the last Tandem of schema 1, where o looks.
func oldFile(t *testing.T) (*opener, []byte) {
	t.Helper()
	o := newOpener(t, t.TempDir())
	content := readFile(t, filepath.Join("testdata", "schema-1.db"))
	writeFile(t, o.path, content)
	return o, content
}

// oldKeys are the records in it.
var oldKeys = map[string][]byte{
	"mark/id-alice/hotp/0123456789abcdef0123456789abcdef": {0, 0, 0, 0, 0, 0, 0, 42},
	"throttle/id-bob": []byte("until"),
}

func wantOldKeys(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		for key, want := range oldKeys {
			if got, err := r.Get(key); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s = %q, %v; want %q", key, got, err, want)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestRow51_OlderFileIsMigrated(t *testing.T) {
	o, _ := oldFile(t)
	before, err := Read(t.Context(), o.options())
	if err != nil || before.About().Schema != 1 {
		t.Fatalf("%+v, %v", before.About(), err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	wantOldKeys(t, s)
	if r := restored(t, s); r.Pending {
		t.Errorf("a file that never had a witness is said to have gone back: %+v", r)
	}
	about := s.state.about
	if about.Schema != schema || len(about.ID) != 32 || about.Program != "tandem of the test" || !about.Witnessed ||
		!about.Created.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%+v", about)
	}
	if err := errors.Join(claim(t.Context(), s, "a"), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = o.mustOpen(t)
	wantOldKeys(t, s)
	wantClaimed(t, s, []string{"a"})
	if s.state.about != about {
		t.Errorf("migrated again: %+v, then %+v", about, s.state.about)
	}
}

// A migration that does not come to its end has changed nothing.
func TestRow51_MigrationIsOneTransaction(t *testing.T) {
	whole := migrations
	defer func() { migrations = whole }()
	failed := errors.New("the disk is full")
	migrations[len(migrations)-1] = func(of *bbolt.Bucket, o Options) error {
		if err := whole[len(whole)-1](of, o); err != nil {
			return err
		}
		return failed
	}
	o, _ := oldFile(t)
	if _, err := o.open(); !errors.Is(err, failed) || !strings.Contains(err.Error(), "it is as it was") {
		t.Fatalf("%v, want the failure", err)
	}
	is, err := Read(t.Context(), o.options())
	if err != nil || is.About() != (store.About{Schema: 1}) {
		t.Errorf("%+v, %v", is.About(), err)
	}
	if err := is.Close(); err != nil {
		t.Fatal(err)
	}
	migrations = whole
	synced := false
	migrations[len(migrations)-1] = func(of *bbolt.Bucket, o Options) error {
		synced = !of.Tx().DB().NoSync // before the meta page is written, too
		return whole[len(whole)-1](of, o)
	}
	s := o.mustOpen(t)
	wantOldKeys(t, s)
	if !synced || !s.state.bolt.NoSync {
		t.Errorf("the migration syncs twice: %t; commits afterwards once: %t", synced, s.state.bolt.NoSync)
	}
}

func TestRow51_NewerFileIsRefused(t *testing.T) {
	for name, state := range map[string]string{
		"tandem 9.1":         `{"schema":4,"program":"tandem 9.1","what":"ever"}`,
		"an unknown version": `{"schema":4,"program":["tandem 9.1"]}`,
	} {
		o := newOpener(t, t.TempDir())
		o.used(t, "a")
		edit(t, o.path, func(tx *bbolt.Tx) error {
			of := tx.Bucket(aboutBucket)
			return errors.Join(of.Put(schemaKey, encode(schemaKey, []byte("4"), 0)), of.Put(stateKey, encode(stateKey, []byte(state), 0)))
		})
		content := readFile(t, o.path)
		_, err := o.open()
		_, err2 := Read(t.Context(), o.options())
		for _, err := range []error{err, err2} {
			if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "schema 4, written by "+name+"; this program knows up to 3; install that version") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(readFile(t, o.path), content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestRow51_StateThatIsNotToBeServed(t *testing.T) {
	for _, tt := range []struct {
		change func(*store.About)
		is     error
		want   string
	}{
		{func(a *store.About) { a.MovedTo = "etcd x" }, store.ErrMoved, "etcd x"},
		{func(a *store.About) { a.FilledFrom = "the backup y" }, store.ErrPartial, "the backup y"},
	} {
		o := newOpener(t, t.TempDir())
		p := Place{o.options()}
		if err := p.Describe(t.Context(), tt.change); err != nil {
			t.Fatal(err)
		}
		if _, err := o.open(); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), o.path) {
			t.Errorf("%v, want %v with %q", err, tt.is, tt.want)
		}
		brief := NewBrief(o.options())
		if err := claim(t.Context(), brief, "a"); !errors.Is(err, tt.is) {
			t.Errorf("brief: %v", err)
		}
		s, err := p.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Describe(t.Context(), func(a *store.About) { a.MovedTo, a.FilledFrom = "", "" }); err != nil {
			t.Fatal(err)
		}
		if err := claim(t.Context(), brief, "a"); err != nil {
			t.Error(err)
		}
	}
}

// What the state says of itself is checked as everything else is.
func TestAboutIsChecked(t *testing.T) {
	o := newOpener(t, t.TempDir())
	o.used(t, "a")
	text, err := json.Marshal("no object")
	if err != nil {
		t.Fatal(err)
	}
	edit(t, o.path, func(tx *bbolt.Tx) error {
		return tx.Bucket(aboutBucket).Put(stateKey, encode(stateKey, text, 0))
	})
	if _, err := o.open(); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v, want corrupt", err)
	}
}

// What the administrator makes must be the daemon's, to whom the folder belongs.
func TestPlaceIsTheDaemonsUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a folder away")
	}
	o := newOpener(t, t.TempDir())
	o.used(t, "a")
	if err := os.Chown(filepath.Dir(o.path), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	p := Place{o.options()}
	_, opening := p.Open(t.Context())
	for what, err := range map[string]error{"Open": opening, "Describe": p.Describe(t.Context(), func(*store.About) {})} {
		if err == nil || !strings.Contains(err.Error(), "belongs to user 65534") || !strings.Contains(err.Error(), "runuser") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s, err := p.Snapshot(t.Context()); err != nil {
		t.Errorf("looking needs no such thing: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

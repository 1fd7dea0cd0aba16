package upkeep

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/store"
	"tandem/store/bolt"
	"tandem/store/etcd"
	"tandem/test/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, time.March, 29, 1, 59, 0, 0, time.UTC)

// A file is a state file of the test, by a clock that stands still.
func file(t *testing.T) bolt.Place {
	t.Helper()
	return bolt.Place{Options: bolt.Options{
		Path: filepath.Join(t.TempDir(), "state.db"), Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	}}
}

const fingerprint = "/0123456789abcdef0123456789abcdef"

func mark(user, factor string) string { return "mark/" + user + "/" + factor + fingerprint }

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// ttls are those of the records that expire.
var ttls = map[string]time.Duration{
	"throttle/a": time.Hour, "source/a/x": 24 * time.Hour, "challenge/c": time.Minute, "record/a/delivery/mail": time.Minute,
}

// sample is a state with a record of each kind.
var sample = map[string]string{
	mark("a", "hotp"): number(100), mark("a", "totp30"): number(5000), mark("b", "hotp"): number(7),
	mark("b", "hotp") + "/resync": number(70),
	"throttle/a":                  "t", "source/a/x": "s", "challenge/c": "c", "record/a/delivery/mail": "d", "record/a/recovery": "codes",
	"meta/state-key": "k",
}

// write makes the place hold records, as a daemon does.
func write(t *testing.T, at Place, records map[string]string) {
	t.Helper()
	if err := at.Describe(t.Context(), func(*store.About) {}); err != nil {
		t.Fatal(err)
	}
	s, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), func(tx store.Tx) error {
		for key, value := range records {
			tx.Put(key, []byte(value), ttls[key])
		}
		return nil
	}), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// held returns what the place holds, and its flag.
func held(t *testing.T, at Place) (records map[string]string, about store.About, r store.Restored) {
	t.Helper()
	s, err := at.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	records = map[string]string{}
	if err := errors.Join(s.Walk(t.Context(), func(k store.Kept) error {
		if k.Key == store.RestoredKey {
			r, err = store.DecodeRestored(k.Value)
			return err
		}
		records[k.Key] = string(k.Value)
		if (k.Left > 0) != (ttls[k.Key] > 0) {
			t.Errorf("%s is kept for %v", k.Key, k.Left)
		}
		return nil
	}), s.Close()); err != nil {
		t.Fatal(err)
	}
	return records, s.About(), r
}

func want(t *testing.T, at Place, records map[string]string) (store.About, store.Restored) {
	t.Helper()
	got, about, r := held(t, at)
	for key := range maps.Keys(got) {
		if value, ok := records[key]; !ok || value != got[key] {
			t.Errorf("%s: %s = %q, want %q (%t)", at, key, got[key], value, ok)
		}
	}
	for key := range maps.Keys(records) {
		if _, ok := got[key]; !ok {
			t.Errorf("%s: %s is missing", at, key)
		}
	}
	return about, r
}

func without(records map[string]string, keys ...string) map[string]string {
	rest := maps.Clone(records)
	for _, key := range keys {
		delete(rest, key)
	}
	return rest
}

// spent are the records of the sample that a restore must not bring back.
var spent = []string{"challenge/c", "record/a/delivery/mail"}

func backup(t *testing.T, from Place) string { t.Helper(); return backupAt(t, from, now) }

func backupAt(t *testing.T, from Place, now time.Time) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup")
	if _, err := Backup(t.Context(), from, path, "tandem of the test", now); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRow26_RestoredStateIsMarked(t *testing.T) {
	from := file(t)
	write(t, from, sample)
	path := backup(t, from)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	to := file(t)
	h, n, err := Restore(t.Context(), path, to, false, now)
	if err != nil || n != len(sample)-len(spent) || h.Program != "tandem of the test" || !h.Taken.Equal(now) || h.From != from.String() {
		t.Fatalf("%+v, %d, %v", h, n, err)
	}
	about, r := want(t, to, without(sample, spent...))
	if about.FilledFrom != "" || !r.Pending || !r.Since.Equal(now) || !strings.Contains(r.Why, "restored from a backup taken at 2026-03-29T01:59:00Z") {
		t.Errorf("%+v, %+v", about, r)
	}
	if d, err := bolt.Open(to.Options); err != nil {
		t.Errorf("a daemon cannot serve it: %v", err)
	} else if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// A restore over a state that is there lowers no mark, and brings nothing back that was deleted or spent.
func TestRow26_RestoreLowersNoMark(t *testing.T) {
	at := file(t)
	write(t, at, sample)
	path := backup(t, at)
	s, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(mark("a", "hotp"), []byte(number(300)), 0)
		tx.Put(mark("new", "hotp"), []byte(number(1)), 0)
		tx.Put("record/a/recovery", []byte("fewer codes"), 0)
		tx.Put("record/other", []byte("x"), 0)
		return nil
	}), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(t.Context(), path, at, false, now); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "--force") {
		t.Fatalf("a newer state was replaced: %v", err)
	}
	if _, _, err := Restore(t.Context(), path, at, true, now); err != nil {
		t.Fatal(err)
	}
	result := without(sample, spent...)
	result[mark("a", "hotp")], result[mark("new", "hotp")] = number(300), number(1)
	if _, r := want(t, at, result); !r.Pending {
		t.Errorf("%+v", r)
	}
}

func TestRestoreKnowsWhatWasAccepted(t *testing.T) {
	at := file(t)
	write(t, at, sample)
	path := backup(t, at)
	for i := range 2 {
		if _, _, err := Restore(t.Context(), path, at, true, now); err != nil {
			t.Fatal(err)
		}
		if _, err := Accept(t.Context(), at, 10, now.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	_, _, r := held(t, at)
	if r.Pending || len(r.Accepted) != 2 || r.Accepted[1].Margin != 10 {
		t.Errorf("%+v", r)
	}
}

func TestBackupThatIsNone(t *testing.T) {
	from := file(t)
	write(t, from, sample)
	whole, err := os.ReadFile(backup(t, from))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, "does not begin as one"},
		"another file":     {[]byte("[store]\nfile = \"x\"\n"), "does not begin as one"},
		"JSON":             {[]byte("{}\n"), "made by `tandem store backup`"},
		"no end":           {whole[:last], "cut off"},
		"cut in a line":    {whole[:last-5], "cut off"},
		"a value changed":  {bytes.Replace(whole, []byte(`"v":"`), []byte(`"v":"AAAA`), 1), "changed"},
		"a record missing": {bytes.Replace(whole, lines[2], nil, 1), "changed"},
		"two in one":       {append(bytes.Clone(whole), whole...), "appended"},
		"not a record":     {bytes.Replace(whole, lines[2], []byte("hello\n"), 1), "line 3"},
		"an endless line":  {append(bytes.Clone(lines[0]), bytes.Repeat([]byte("x"), 2*maxLine)...), "more than"},
		"a newer format":   {bytes.Replace(whole, []byte(`"tandem_backup":1`), []byte(`"tandem_backup":2`), 1), "up to 1: restore it with that version"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			to := file(t)
			if _, _, err := Restore(t.Context(), path, to, true, now); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %q and the path", err, tt.want)
			}
			if _, err := to.Snapshot(t.Context()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was restored: %v", err)
			}
		})
	}
}

func FuzzReadBackup(f *testing.F) {
	f.Add([]byte(`{"tandem_backup":1}` + "\n" + `{"records":0,"sha256":"x"}` + "\n"))
	f.Add([]byte(`{"tandem_backup":1}` + "\n" + `{"k":"a","v":"AA==","until":1}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		n := 0
		if _, err := Read(t.Context(), bytes.NewReader(content), now, func(store.Kept) error { n++; return nil }); err == nil && n > bytes.Count(content, []byte("\n")) {
			t.Errorf("%d records", n)
		}
	})
}

func TestWhatHasExpiredIsNotRestored(t *testing.T) {
	from, to := file(t), file(t)
	write(t, from, sample)
	if _, _, err := Restore(t.Context(), backup(t, from), to, false, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want(t, to, without(sample, append(spent, "throttle/a")...))
}

// breaking is a Place whose n-th change fails, as if the command had been killed then.
type breaking struct {
	Place
	left *int
}

var errKilled = errors.New("killed")

func (b breaking) change() error {
	if *b.left--; *b.left < 0 {
		return errKilled
	}
	return nil
}

func (b breaking) Describe(ctx context.Context, change func(*store.About)) error {
	if err := b.change(); err != nil {
		return err
	}
	return b.Place.Describe(ctx, change)
}

func (b breaking) Open(ctx context.Context) (store.Store, error) {
	s, err := b.Place.Open(ctx)
	return breakingStore{s, b}, err
}

type breakingStore struct {
	store.Store
	b breaking
}

func (s breakingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.b.change(); err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}

// large is a state of several batches.
func large() map[string]string {
	records := maps.Clone(sample)
	for i := range 3 * batch {
		records[mark(fmt.Sprintf("user%04d", i), "hotp")] = number(uint64(i))
	}
	return records
}

// wherever calls do with places that fail at the first change, at the second, and so on until it is done.
func wherever(t *testing.T, do func(fail func(Place) Place) error) (interruptions int) {
	t.Helper()
	for n := 0; ; n++ {
		left := n
		err := do(func(p Place) Place { return breaking{p, &left} })
		switch {
		case err == nil:
			return n
		case !errors.Is(err, errKilled):
			t.Fatal(err)
		}
	}
}

func TestRow26_MigrationThatIsInterrupted(t *testing.T) {
	for n := 0; ; n++ {
		from, to := file(t), file(t)
		write(t, from, large())
		left := n
		_, err := Migrate(t.Context(), breaking{from, &left}, breaking{to, &left}, false)
		if err == nil {
			if n < 8 {
				t.Errorf("only %d changes", n)
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		// At no time may two daemons go on, one here and one there.
		served := 0
		for _, p := range []bolt.Place{from, to} {
			if _, err := p.Snapshot(t.Context()); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if d, err := bolt.Open(p.Options); err == nil {
				served++
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		if served > 1 {
			t.Errorf("interrupted at change %d, both can be served", n)
		}
		if _, err := Migrate(t.Context(), from, to, false); err != nil {
			t.Fatalf("interrupted at change %d, it cannot be finished: %v", n, err)
		}
		about, r := want(t, to, large())
		if about.FilledFrom != "" || r.Pending {
			t.Errorf("%+v, %+v", about, r)
		}
		if _, about, _ := held(t, from); about.MovedTo != to.String() {
			t.Errorf("%+v", about)
		}
		if t.Failed() {
			return
		}
	}
}

func TestRestoreThatIsInterrupted(t *testing.T) {
	from, to := file(t), file(t)
	write(t, from, large())
	path := backup(t, from)
	n := wherever(t, func(fail func(Place) Place) error {
		_, _, err := Restore(t.Context(), path, fail(to), false, now)
		if errors.Is(err, errKilled) {
			if d, err := bolt.Open(to.Options); err == nil && d.Close() == nil {
				if about, _, _ := held(t, to); len(about) > 0 {
					t.Error("a state that is not whole can be served")
				}
			}
		}
		return err
	})
	if _, r := want(t, to, without(large(), spent...)); !r.Pending || n < 6 {
		t.Errorf("%+v after %d interruptions", r, n)
	}
}

func TestRow26_AcceptAdvancesEachCounterOnce(t *testing.T) {
	at := file(t)
	write(t, at, large())
	if _, err := Accept(t.Context(), at, 50, now); !errors.Is(err, ErrNotRestored) {
		t.Fatalf("nothing went back, and %v", err)
	}
	s, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), func(tx store.Tx) error { return store.NoteRestored(tx, now, "the test says so") }), s.Close()); err != nil {
		t.Fatal(err)
	}
	n := wherever(t, func(fail func(Place) Place) error {
		_, err := Accept(t.Context(), fail(at), 50, now.Add(time.Minute))
		return err
	})
	if n < 5 {
		t.Errorf("only %d changes", n)
	}
	result := without(large(), spent...)
	for key, value := range result {
		if isCounter(key) {
			result[key] = number(binary.BigEndian.Uint64([]byte(value)) + 50)
		}
	}
	_, r := want(t, at, result)
	if r.Pending || r.Advancing != nil || !r.Since.Equal(now) || len(r.Accepted) != 1 || r.Accepted[0] != (store.Acceptance{At: now.Add(time.Minute), Margin: 50}) {
		t.Errorf("%+v", r)
	}
}

func TestAcceptIsFinishedWithTheSameMargin(t *testing.T) {
	at := file(t)
	write(t, at, large())
	s, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), func(tx store.Tx) error { return store.NoteRestored(tx, now, "x") }), s.Close()); err != nil {
		t.Fatal(err)
	}
	left := 2
	if _, err := Accept(t.Context(), breaking{at, &left}, 50, now); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if _, err := Accept(t.Context(), at, 60, now); err == nil || !strings.Contains(err.Error(), "--margin 50") {
		t.Errorf("%v", err)
	}
	if _, err := Accept(t.Context(), at, 50, now); err != nil {
		t.Error(err)
	}
}

func TestMigrateRefuses(t *testing.T) {
	from, to, third := file(t), file(t), file(t)
	ctx := t.Context()
	if _, err := Migrate(ctx, from, to, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	write(t, from, sample)
	if _, err := Migrate(ctx, from, from, true); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("to itself: %v", err)
	}
	write(t, to, map[string]string{mark("z", "hotp"): number(1)})
	if _, err := Migrate(ctx, from, to, false); !errors.Is(err, ErrExists) {
		t.Errorf("onto another state: %v", err)
	}
	if _, err := Migrate(ctx, from, third, false); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]Place{"again": third, "elsewhere": to} {
		if _, err := Migrate(ctx, from, to, true); !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := third.Describe(ctx, func(a *store.About) { a.FilledFrom = "x" }); err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(ctx, third, to, true); !errors.Is(err, store.ErrPartial) {
		t.Errorf("from what is not whole: %v", err)
	}
	if _, err := Backup(ctx, third, filepath.Join(t.TempDir(), "b"), "", now); !errors.Is(err, store.ErrPartial) {
		t.Errorf("a backup of what is not whole: %v", err)
	}
}

func TestToEtcdAndBack(t *testing.T) {
	c := etcdtest.Start(t, 1)
	home := file(t)
	home.Now = time.Now // etcd has its own clock
	cluster := etcd.Place{Options: etcd.Options{
		Endpoints: c.Endpoints(), Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler), Witness: filepath.Join(t.TempDir(), "w"),
	}}
	write(t, home, large())
	if _, err := Migrate(t.Context(), home, cluster, false); err != nil {
		t.Fatal(err)
	}
	if _, r := want(t, cluster, large()); r.Pending {
		t.Errorf("%+v", r)
	}
	// It goes on there: a code is used, and the last recovery code, whose record goes.
	s, err := etcd.Open(t.Context(), cluster.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(mark("a", "hotp"), []byte(number(101)), 0)
		tx.Delete("record/a/recovery")
		return nil
	}), s.Close()); err != nil {
		t.Fatal(err)
	}
	after := without(large(), "record/a/recovery")
	after[mark("a", "hotp")] = number(101)
	if _, err := Migrate(t.Context(), cluster, home, false); err != nil {
		t.Fatal(err)
	}
	if _, r := want(t, home, after); r.Pending {
		t.Errorf("%+v", r)
	}
	if _, err := etcd.Open(t.Context(), cluster.Options); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a node goes on with what was moved: %v", err)
	}
	// And once more, over what is left there.
	if _, err := Migrate(t.Context(), home, cluster, false); err != nil {
		t.Fatal(err)
	}
	want(t, cluster, after)
	// A backup of etcd, restored into a file.
	to := file(t)
	to.Now = time.Now
	if _, _, err := Restore(t.Context(), backupAt(t, cluster, time.Now()), to, false, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, r := want(t, to, without(after, spent...)); !r.Pending {
		t.Errorf("%+v", r)
	}
}

package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tandem/store"
	"tandem/store/storetest"
	"tandem/store/witness"
)

// sampleValue is the value of record number n of a sample: easy to find in the file.
func sampleValue(n int) []byte { return fmt.Appendf(nil, "the value of record %04d", n) }

const sampleRecords = 400

// writeSample makes a state file with branch pages, overflow pages and free pages, and returns it.
func writeSample(t testing.TB, o *opener) []byte {
	t.Helper()
	s, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < sampleRecords; i += 100 {
		update(t, s, func(tx store.Tx) error {
			for n := i; n < i+100; n++ {
				tx.Put(fmt.Sprintf("record %04d", n), sampleValue(n), time.Duration(n%2)*time.Hour)
			}
			tx.Put("large", bytes.Repeat([]byte("large"), 3000), 0)
			return nil
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, o.path)
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantSample checks that s serves the whole sample, unchanged.
func wantSample(t testing.TB, s store.Store) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		for n := range sampleRecords {
			v, err := r.Get(fmt.Sprintf("record %04d", n))
			if err != nil || !bytes.Equal(v, sampleValue(n)) {
				return fmt.Errorf("record %d is %q, %w", n, v, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// edit opens the file at path with bbolt alone, and tells the witness, if there is one, of the change: it is no torn commit.
func edit(t *testing.T, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := 0
	err = db.Update(func(tx *bbolt.Tx) error { id = tx.ID(); return change(tx) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	w := witness.At(witnessPath(path))
	if known, ok, err := w.Last(); err != nil {
		t.Fatal(err)
	} else if ok {
		known.Position = uint64(id)
		if err := w.Raise(known); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRow46_CorruptFileRefusesToStart(t *testing.T) {
	page := os.Getpagesize()
	// Changes replace the content; the others edit the file through bbolt, checksums and all.
	tests := []struct {
		name   string
		change func(content []byte) []byte
		edit   func(tx *bbolt.Tx) error
		is     error
		want   string
	}{
		{name: "empty", change: func([]byte) []byte { return nil }, want: "it is empty"},
		{name: "one byte", change: func(c []byte) []byte { return c[:1] }, want: "meta page 0"},
		{name: "one page", change: func(c []byte) []byte { return c[:page] }, want: "meta page 1"},
		{name: "half", change: func(c []byte) []byte { return c[:len(c)/2] }, want: "cut off"},
		{name: "zeros", change: func(c []byte) []byte { return make([]byte, len(c)) }, want: "not a bbolt meta page"},
		{name: "text", change: func([]byte) []byte { return bytes.Repeat([]byte("[section]\nkey = 1\n"), 1000) }, want: "not a bbolt meta page"},
		{name: "flipped bit in a value", change: flip("the value of record 0123"), want: `record "record 0123" has checksum`},
		{name: "flipped bit in a key", change: flip("record 0124"), want: "corrupt: "},
		{name: "newest meta page lost", change: func(c []byte) []byte {
			newest := 0
			if order.Uint64(c[page+pageHeader+48:]) > order.Uint64(c[pageHeader+48:]) {
				newest = page
			}
			c[newest+pageHeader+20] ^= 1
			return c
		}, want: "has a wrong checksum"},
		{name: "newer schema", edit: func(tx *bbolt.Tx) error {
			return tx.Bucket(aboutBucket).Put(schemaKey, encode(schemaKey, strconv.AppendInt(nil, schema+1, 10), 0))
		}, is: store.ErrSchema, want: "install that version"},
		{name: "schema zero", edit: func(tx *bbolt.Tx) error {
			return tx.Bucket(aboutBucket).Put(schemaKey, encode(schemaKey, []byte("0"), 0))
		}, want: "not a version"},
		{name: "no schema", edit: func(tx *bbolt.Tx) error { return tx.Bucket(aboutBucket).Delete(schemaKey) }, want: "cut off"},
		{name: "another program's", edit: func(tx *bbolt.Tx) error { return tx.DeleteBucket(aboutBucket) }, want: "not a state file of Tandem"},
		{name: "records gone", edit: func(tx *bbolt.Tx) error { return tx.DeleteBucket(recordsBucket) }, want: "a bucket is missing"},
		{name: "a record gone", edit: func(tx *bbolt.Tx) error {
			return tx.Bucket(recordsBucket).Delete([]byte("record 0001"))
		}, want: "has no record"},
		{name: "a lasting record gone", edit: func(tx *bbolt.Tx) error {
			return tx.Bucket(recordsBucket).Delete([]byte("record 0002"))
		}, want: "missing or not the latest"},
		{name: "a record of yesterday", edit: func(tx *bbolt.Tx) error {
			key := []byte("record 0002")
			return tx.Bucket(recordsBucket).Put(key, encode(key, []byte("yesterday"), 0))
		}, want: "missing or not the latest"},
		{name: "the sum of the contents gone", edit: func(tx *bbolt.Tx) error {
			return tx.Bucket(aboutBucket).Delete(contentsKey)
		}, want: "cut off"},
		{name: "an expiry gone", edit: func(tx *bbolt.Tx) error {
			first, _ := tx.Bucket(expiryBucket).Cursor().First()
			return tx.Bucket(expiryBucket).Delete(bytes.Clone(first))
		}, want: "missing in the expiry index"},
		{name: "a record under another key", edit: func(tx *bbolt.Tx) error {
			records := tx.Bucket(recordsBucket)
			return records.Put([]byte("record 0002"), bytes.Clone(records.Get([]byte("record 0004"))))
		}, want: `record "record 0002" has checksum`},
		{name: "a bucket in a bucket", edit: func(tx *bbolt.Tx) error {
			_, err := tx.Bucket(recordsBucket).CreateBucket([]byte("inner"))
			return err
		}, want: "flags"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpener(t, t.TempDir())
			content := writeSample(t, o)
			if tt.change != nil {
				writeFile(t, o.path, tt.change(content))
			} else {
				edit(t, o.path, tt.edit)
			}
			before := readFile(t, o.path)
			s, err := o.open()
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if tt.is == nil {
				tt.is = store.ErrCorrupt
			}
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), o.path) || !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("error %q, want %q with %q, the path and the remedy", err, tt.is, tt.want)
			}
			if !bytes.Equal(readFile(t, o.path), before) {
				t.Error("the file was changed")
			}
			wantOnly(t, o.path)
		})
	}
}

// wantOnly checks that nothing else is in path's folder, but for the witness.
func wantOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 || entries[0].Name() != filepath.Base(path) || entries[1].Name() != filepath.Base(witnessPath(path)) {
		t.Errorf("the folder holds %v (%v), want only %s and its witness", entries, err, path)
	}
}

// flip changes one bit in each place where text is.
func flip(text string) func([]byte) []byte {
	return func(c []byte) []byte {
		changed := bytes.Clone([]byte(text))
		changed[len(changed)-1] ^= 0x40
		return bytes.ReplaceAll(c, []byte(text), changed)
	}
}

// damage changes content at offset as pages get damaged: single bits, runs, whole pages swapped.
func damage(content []byte, offset uint32, pattern uint64, kind uint8) {
	at := int(offset) % len(content)
	page := os.Getpagesize()
	switch begin := at / page * page; kind % 4 {
	case 0:
		content[at] ^= 1 << (pattern % 8)
	case 1:
		for i := range min(8, len(content)-at) {
			content[at+i] = byte(pattern >> (8 * i))
		}
	case 2:
		clear(content[begin : begin+page])
	case 3:
		from := int(pattern%uint64(len(content)/page)) * page
		copy(content[begin:begin+page], content[from:from+page])
	}
}

// openDamaged opens content as a state file. It must be refused, or serve the whole sample.
func openDamaged(t testing.TB, o *opener, content []byte) (opened bool) {
	t.Helper()
	writeFile(t, o.path, content)
	s, err := o.open()
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("refused, but not as corrupt: %v", err)
		}
		return false
	}
	defer s.Close()
	wantSample(t, s)
	// What we find sound, bbolt's own check must find sound as well.
	if err := s.state.bolt.View(func(tx *bbolt.Tx) error {
		var all error
		for err := range tx.Check() {
			all = errors.Join(all, err)
		}
		return all
	}); err != nil {
		t.Errorf("bbolt says: %v", err)
	}
	return true
}

func TestRow46_NoDamageCrashesOrPasses(t *testing.T) {
	o := newOpener(t, t.TempDir())
	content := writeSample(t, o)
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	const trials = 300
	for range trials {
		damaged := bytes.Clone(content)
		offset, pattern, kind := random.Uint32(), random.Uint64(), uint8(random.Uint32())
		if random.IntN(2) == 0 {
			// Headers and references rather than the middle of something.
			offset = offset/4096*4096 + offset%64
			pattern %= 64
		}
		damage(damaged, offset, pattern, kind)
		if !openDamaged(t, o, damaged) {
			refused++
		}
		if t.Failed() {
			t.Fatalf("offset %d, pattern %#x, kind %d", offset, pattern, kind)
		}
	}
	t.Logf("%d of %d were refused", refused, trials)
	if refused < trials/4 {
		t.Errorf("only %d of %d were refused", refused, trials)
	}
}

func FuzzOpenDamaged(f *testing.F) {
	o := &opener{path: filepath.Join(f.TempDir(), "state.db"), clock: storetest.NewClock(), log: discard}
	content := writeSample(f, o)
	f.Add(uint32(0), uint64(0), uint8(0))
	f.Add(uint32(4096+16+40), uint64(1), uint8(1))
	f.Add(uint32(3*4096+8), uint64(0x1_0000_ffff), uint8(1))
	f.Add(uint32(5*4096), uint64(4), uint8(3))
	f.Add(uint32(6*4096), uint64(0), uint8(2))
	f.Fuzz(func(t *testing.T, offset uint32, pattern uint64, kind uint8) {
		damaged := bytes.Clone(content)
		damage(damaged, offset, pattern, kind)
		other := &opener{path: filepath.Join(t.TempDir(), "state.db"), clock: o.clock, log: discard}
		writeFile(t, witnessPath(other.path), readFile(t, witnessPath(o.path)))
		openDamaged(t, other, damaged)
	})
}

// The file is damaged while it is in use: that read fails, and nobody is let in by it.
func TestRow46_DamageWhileOpen(t *testing.T) {
	o := newOpener(t, t.TempDir())
	writeSample(t, o)
	s := o.mustOpen(t)
	f, err := os.OpenFile(o.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := readFile(t, o.path)
	for at := 0; ; at++ {
		next := bytes.Index(content[at:], []byte("the value of record 0200"))
		if next < 0 {
			break
		}
		at += next
		if _, err := f.WriteAt([]byte("T"), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Get("record 0200")
		return err
	})
	if !errors.Is(err, store.ErrCorrupt) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("View: %v, want ErrCorrupt in ErrUnavailable", err)
	}
	for what, fn := range map[string]func(store.Tx) error{
		"ignored": func(tx store.Tx) error { _, _ = tx.Get("record 0200"); tx.Put("yes", nil, 0); return nil },
		"unread":  func(tx store.Tx) error { tx.Put("yes", nil, 0); tx.Put("record 0200", nil, 0); return nil },
	} {
		if err := s.Update(t.Context(), fn); !errors.Is(err, store.ErrCorrupt) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Update, %s: %v, want ErrCorrupt in ErrUnavailable", what, err)
		}
	}
	if err := claim(t.Context(), s, "yes"); err != nil {
		t.Errorf("other records: %v", err)
	}
}

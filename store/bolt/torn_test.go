package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tandem/store"
	"tandem/store/witness"
)

// A moment is a state file as one commit has left it.
type moment struct {
	image    []byte
	records  map[string]string
	position uint64
}

func recordsOf(t *testing.T, o *opener) (map[string]string, uint64) {
	t.Helper()
	snapshot := o.snapshot(t)
	found := map[string]string{}
	if err := snapshot.Walk(t.Context(), func(k store.Kept) error { found[k.Key] = string(k.Value); return nil }); err != nil {
		t.Fatal(err)
	}
	return found, snapshot.Position()
}

// history makes a state file, commits to it again and again, and returns it after each commit.
func history(t *testing.T, random *rand.Rand, commits int) (moments []moment, state string) {
	t.Helper()
	o := newOpener(t, t.TempDir())
	o.log = discard
	s := o.mustOpen(t)
	keys := 1 + random.IntN(30)
	for range commits {
		update(t, s, func(tx store.Tx) error {
			for range 1 + random.IntN(4) {
				key := fmt.Sprint("key ", random.IntN(keys))
				if random.IntN(4) == 0 {
					tx.Delete(key)
				}
				tx.Put(key, bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(2000)), 0)
			}
			return nil
		})
		m := moment{image: readFile(t, o.path)}
		m.records, m.position = recordsOf(t, o)
		moments = append(moments, m)
	}
	return moments, s.state.about.ID
}

// torn is what a power cut in the middle of a commit leaves: of each sector that the commit has written, the old or the new.
func torn(random *rand.Rand, before, after []byte) []byte {
	const sector = 512
	image := append(bytes.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	share := []float64{0.1, 0.5, 0.9, 0.99}[random.IntN(4)]
	whole := []int{sector, 4096}[random.IntN(2)] // mostly pages are written whole
	for at := 0; at < len(after); at += whole {
		isMeta := at < 2*4096
		if isMeta && random.IntN(4) > 0 || random.Float64() < share {
			copy(image[at:], after[at:min(at+whole, len(after))])
		}
	}
	return image
}

func TestRow44_TornCommit(t *testing.T) {
	random := rand.New(rand.NewPCG(44, 1))
	tookBack, stood, refused := 0, 0, 0
	for range 4 {
		moments, state := history(t, random, 12)
		for i := 2; i < len(moments); i++ {
			before, after := moments[i-1], moments[i]
			wantWritten(t, before.image, after.image)
			for range 4 {
				image := torn(random, before.image, after.image)
				o := newOpener(t, t.TempDir())
				var log strings.Builder
				o.log = textLogger(&log)
				write := func(acknowledged uint64) {
					writeFile(t, o.path, image)
					if err := witness.At(witnessPath(o.path)).Set(witness.Memory{State: state, Position: acknowledged}); err != nil {
						t.Fatal(err)
					}
				}
				// Nobody was told of it: it is there whole, or not at all, and the administrator can make a backup of that, too.
				write(before.position)
				seen, _ := recordsOf(t, o)
				s := o.mustOpen(t)
				if r := restored(t, s); r.Pending {
					t.Errorf("a torn commit is taken for a state that went back: %s", r.Why)
				}
				found, _ := recordsOf(t, o)
				switch {
				case !maps.Equal(found, seen):
					t.Fatal("the snapshot before it was opened is another state")
				case maps.Equal(found, before.records):
					tookBack++
				case maps.Equal(found, after.records):
					stood++
				default:
					t.Fatalf("commit %d: neither the state before nor the one after: %d records, want %d or %d", after.position, len(found), len(before.records), len(after.records))
				}
				if err := errors.Join(claim(t.Context(), s, "goes on"), s.Close()); err != nil {
					t.Fatal(err)
				}
				wantClaimed(t, o.mustOpen(t), []string{"goes on"})

				// Somebody was told of it: what is not whole is damaged.
				o.path = filepath.Join(t.TempDir(), "state.db")
				write(after.position)
				s, err := o.open()
				if err != nil {
					if !errors.Is(err, store.ErrCorrupt) || !bytes.Equal(readFile(t, o.path), image) {
						t.Fatalf("%v; or the file was changed", err)
					}
					refused++
					continue
				}
				if found, _ := recordsOf(t, o); !maps.Equal(found, after.records) && !restored(t, s).Pending {
					t.Fatal("an acknowledged commit was forgotten")
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d taken back, %d stood, %d refused", tookBack, stood, refused)
	if min(tookBack, stood, refused) < 20 {
		t.Error("too few of a kind")
	}
}

// wantWritten checks that whatever a commit has changed is written again by who opens the file, because a sync that failed once
// says of the second time that all is well.
func wantWritten(t *testing.T, before, after []byte) {
	t.Helper()
	newest, written, err := checkPages(bytes.NewReader(after), int64(len(after)))
	if err != nil {
		t.Fatal(err)
	}
	now, err := walk(bytes.NewReader(after), newest, newest.pages)
	if err != nil {
		t.Fatal(err)
	}
	size := int(newest.pageSize)
	for id := 2; id < int(newest.pages); id++ {
		old := []byte(nil)
		if len(before) >= (id+1)*size {
			old = before[id*size : (id+1)*size]
		}
		if now.reached[id] && !bytes.Equal(old, after[id*size:(id+1)*size]) && !slices.Contains(written, uint64(id)) {
			t.Errorf("page %d of commit %d is not written again", id, newest.transaction)
		}
	}
}

func TestRow44_WhatACommitWroteIsWrittenAgain(t *testing.T) {
	o := newOpener(t, t.TempDir())
	content := writeSample(t, o) // whose last commit changed a hundred records
	_, written, err := checkPages(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	before := bytesWritten(t)
	s, err := openLocked(o.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.checkStructure(), s.close()); err != nil {
		t.Fatal(err)
	}
	if n, want := bytesWritten(t)-before, len(written)*os.Getpagesize(); n < want || len(written) < 4 {
		t.Errorf("%d bytes were written, want %d at least", n, want)
	}
}

// bytesWritten is how many this process has written so far, to whatever.
func bytesWritten(t *testing.T) (n int) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, "/proc/self/io"))) {
		if found, _ := fmt.Sscanf(line, "wchar: %d", &n); found == 1 {
			return n
		}
	}
	t.Fatal("/proc/self/io says nothing of it")
	return 0
}

// tornFile makes a file whose last commit is torn, with a witness, and returns the states before and after it.
func tornFile(t *testing.T, acknowledged func(before, after moment, state string) witness.Memory) (o *opener, before, after moment) {
	t.Helper()
	random := rand.New(rand.NewPCG(44, 2))
	for {
		moments, state := history(t, random, 8)
		before, after = moments[6], moments[7]
		image := torn(random, before.image, after.image)
		o = newOpener(t, t.TempDir())
		o.log = discard
		writeFile(t, o.path, image)
		if err := witness.At(witnessPath(o.path)).Set(acknowledged(before, after, state)); err != nil {
			t.Fatal(err)
		}
		newest, _, err := readMetas(bytes.NewReader(image))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := openLoaded(o.options())
		if err == nil {
			_ = whole.close()
		} else if newest.transaction == after.position {
			return o, before, after
		}
	}
}

func ofTheStateBefore(before, _ moment, state string) witness.Memory {
	return witness.Memory{State: state, Position: before.position}
}

func TestRow44_OnlyWhatIsTornIsUndone(t *testing.T) {
	o, before, after := tornFile(t, ofTheStateBefore)
	image := readFile(t, o.path)
	unchanged := func(what string, want []byte) {
		t.Helper()
		if !bytes.Equal(readFile(t, o.path), want) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	// Whoever has acknowledged it knows better than the witness.
	if _, err := openFile(o.options(), int(after.position)); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("above the floor: %v", err)
	}
	unchanged("above the floor", image)
	// Somebody else has written it whole meanwhile.
	writeFile(t, o.path, after.image)
	if err := takeBack(o.options(), 0); err != nil {
		t.Error(err)
	}
	unchanged("whole", after.image)
	// Several find it at once.
	writeFile(t, o.path, image)
	errs := make(chan error)
	for n := range 4 {
		go func() { errs <- claim(t.Context(), NewBrief(o.options()), fmt.Sprint("at once ", n)) }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	found, _ := recordsOf(t, o)
	for key, value := range before.records {
		if found[key] != value {
			t.Errorf("%s is lost", key)
		}
	}
}

// A witness that knows of another state, or of a later one, does not make a torn commit an acknowledged one. That the state went
// back is noticed all the same.
func TestRow26_TornCommitOfAStateThatWentBack(t *testing.T) {
	for name, knows := range map[string]func(before, after moment, state string) witness.Memory{
		"another state": func(_, after moment, _ string) witness.Memory {
			return witness.Memory{State: strings.Repeat("0", 32), Position: after.position}
		},
		"a later one": func(_, after moment, state string) witness.Memory {
			return witness.Memory{State: state, Position: after.position + 100}
		},
	} {
		o, before, _ := tornFile(t, knows)
		s := o.mustOpen(t)
		found, _ := recordsOf(t, o)
		delete(found, store.RestoredKey)
		if r := restored(t, s); !r.Pending || !maps.Equal(found, before.records) {
			t.Errorf("%s: %+v, %d records, want %d", name, r, len(found), len(before.records))
		}
	}
}

func TestRow46_OlderSchemasAreNeverTorn(t *testing.T) {
	o, content := oldFile(t)
	_, written, err := checkPages(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, id := range written {
		damaged := bytes.Clone(content)
		clear(damaged[int(id)*os.Getpagesize():][:os.Getpagesize()])
		writeFile(t, o.path, damaged)
		_, err := o.open()
		_, err2 := Read(t.Context(), o.options())
		if !errors.Is(err, store.ErrCorrupt) || !errors.Is(err2, store.ErrCorrupt) || !bytes.Equal(readFile(t, o.path), damaged) {
			t.Errorf("page %d: %v, %v, or the file was changed", id, err, err2)
		}
		refused++
	}
	if refused == 0 {
		t.Error("the last commit has written nothing")
	}
}

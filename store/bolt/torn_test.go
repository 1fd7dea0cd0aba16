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
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			for range 1 + random.IntN(4) {
				key := fmt.Sprint("key ", random.IntN(keys))
				if random.IntN(4) == 0 {
					tx.Delete(key)
				}
				tx.Put(key, bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(2000)), 0)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
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

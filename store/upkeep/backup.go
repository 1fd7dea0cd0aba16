package upkeep

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
	"unicode/utf8"

	"tandem/store"
)

// A backup is lines of JSON: a header, one for each record in the order of the keys, and a footer with the number of the
// records and the SHA-256 of all lines before it. So it can be looked at, and one that was cut off or changed is noticed.

// format is the version of this layout.
const format = 1

// maxLine bounds a line, in bytes: a record's key and value as JSON.
const maxLine = 64 << 10

// Header is the first line of a backup.
type Header struct {
	// Format is the version of the layout; its name is what tells a backup from other files.
	Format int `json:"tandem_backup"`
	// Program is the Tandem that made it, From the place it was made of, Taken when.
	Program string    `json:"program"`
	From    string    `json:"from"`
	Taken   time.Time `json:"taken"`
	// State is what the state said of itself, Position where it was.
	State    store.About `json:"state"`
	Position uint64      `json:"position"`
}

type line struct {
	Key   string `json:"k"`
	Value []byte `json:"v"`
	// Until is when it expires, in Unix milliseconds; 0: never.
	Until int64 `json:"until,omitempty"`
}

type footer struct {
	Records int    `json:"records"`
	SHA256  string `json:"sha256"`
}

// ErrBackup means that a file is no backup, or not a whole one.
var ErrBackup = errors.New("not a sound backup")

// Write writes a backup of s. What can be spent is left out.
func Write(ctx context.Context, w io.Writer, s store.Snapshot, h Header) (records int, err error) {
	if from := s.About().FilledFrom; from != "" {
		return 0, fmt.Errorf("%w: it is being filled from %s; finish that first", store.ErrPartial, from)
	}
	sum := sha256.New()
	buffered := bufio.NewWriter(w)
	out := json.NewEncoder(io.MultiWriter(buffered, sum))
	h.Format, h.State, h.Position = format, s.About(), s.Position()
	if err := out.Encode(h); err != nil {
		return 0, err
	}
	if err := s.Walk(ctx, func(k store.Kept) error {
		if spendable(k) {
			return nil
		}
		if !utf8.ValidString(k.Key) { // JSON would change it
			return fmt.Errorf("%w: the key %q is not text", store.ErrCorrupt, k.Key)
		}
		records++
		l := line{Key: k.Key, Value: k.Value}
		if k.Left > 0 {
			l.Until = h.Taken.Add(k.Left).UnixMilli()
		}
		return out.Encode(l)
	}); err != nil {
		return 0, err
	}
	if err := json.NewEncoder(buffered).Encode(footer{records, hex.EncodeToString(sum.Sum(nil))}); err != nil {
		return 0, err
	}
	return records, buffered.Flush()
}

// Read reads a backup and hands each record that has not expired by now to visit. Only when it returns no error were
// all that was visited what had been backed up.
func Read(ctx context.Context, r io.Reader, now time.Time, visit func(store.Kept) error) (h Header, err error) {
	b := &reading{lines: bufio.NewReaderSize(r, maxLine), sum: sha256.New()}
	first, err := b.next()
	if err != nil {
		return h, fmt.Errorf("%w: it does not begin as one", ErrBackup)
	}
	if err := json.Unmarshal(first, &h); err != nil || h.Format == 0 {
		return h, fmt.Errorf("%w: it does not begin as one: was it made by `tandem store backup`?", ErrBackup)
	}
	if h.Format > format {
		return h, fmt.Errorf("%w: it has format %d, written by %s, and this Tandem knows up to %d: restore it with that version",
			store.ErrSchema, h.Format, h.Program, format)
	}
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return h, err
		}
		before := hex.EncodeToString(b.sum.Sum(nil))
		text, err := b.next()
		if err != nil {
			return h, err
		}
		var both struct {
			line
			footer
		}
		if err := json.Unmarshal(text, &both); err != nil {
			return h, fmt.Errorf("%w: line %d: %w", ErrBackup, n+2, err)
		}
		if both.SHA256 != "" {
			return h, b.end(both.footer, footer{n, before})
		}
		k := store.Kept{Key: both.Key, Value: both.Value}
		if both.Until != 0 {
			if k.Left = time.UnixMilli(both.Until).Sub(now); k.Left <= 0 {
				continue
			}
		}
		if err := visit(k); err != nil {
			return h, err
		}
	}
}

type reading struct {
	lines *bufio.Reader
	sum   hash.Hash
}

// next returns the next line, and adds it to the sum.
func (b *reading) next() ([]byte, error) {
	text, err := b.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: it is cut off", ErrBackup)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrBackup, maxLine)
	case err != nil:
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	_, _ = b.sum.Write(text)
	return text, nil
}

// end checks the footer, and that nothing comes after it.
func (b *reading) end(is, want footer) error {
	if is != want {
		return fmt.Errorf("%w: it was changed: the checksum over its %d records is another", ErrBackup, want.Records)
	}
	if _, err := b.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something was appended to it", ErrBackup)
	}
	return nil
}

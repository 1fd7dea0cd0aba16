package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"tandem/store"
)

// userKey is a user's identifier as part of a key: no identifier can be made to look like another
// one's key, however long or odd it is.
func userKey(id string) string {
	const hashed = "sha256:"
	if k := url.PathEscape(id); len(k) <= 128 && !strings.HasPrefix(k, hashed) {
		return k
	}
	h := sha256.Sum256([]byte(id))
	return hashed + hex.EncodeToString(h[:])
}

func markKey(user, key string) string { return "mark/" + userKey(user) + "/" + key }

func readMark(r store.Reader, user, key string) (value uint64, ok bool, err error) {
	b, err := r.Get(markKey(user, key))
	switch {
	case err != nil:
		return 0, false, err
	case b == nil:
		return 0, false, nil
	case len(b) != 8:
		return 0, false, fmt.Errorf("%w: the mark of user %q has %d octets instead of 8", store.ErrCorrupt, user, len(b))
	}
	return binary.BigEndian.Uint64(b), true, nil
}

func recordKey(user, key string) string { return "record/" + userKey(user) + "/" + key }

// take is the compare-and-set that makes a code single-use: marks only ever grow, and a record changes only
// from what it was found to be.
func take(tx store.Tx, user string, c Claim) error {
	switch {
	case c.Reusable:
		return nil
	case c.Key == "":
		return fmt.Errorf("%w: the factor did not say what the code is to be known by", errUsed)
	}
	if c.From != nil {
		held, err := tx.Get(recordKey(user, c.Key))
		switch {
		case err != nil:
			return err
		case !bytes.Equal(held, c.From):
			return errUsed
		}
		putRecord(tx, user, c.Key, c.To, c.For)
		return nil
	}
	held, ok, err := readMark(tx, user, c.Key)
	if err != nil {
		return err
	}
	if ok && c.Value <= held {
		return errUsed
	}
	tx.Put(markKey(user, c.Key), binary.BigEndian.AppendUint64(nil, c.Value), c.For)
	return nil
}

func putRecord(tx store.Tx, user, key string, value []byte, keep time.Duration) {
	if value == nil {
		tx.Delete(recordKey(user, key))
		return
	}
	tx.Put(recordKey(user, key), value, keep)
}

func putNote(tx store.Tx, user string, n Note) {
	if n.For <= 0 {
		tx.Delete(markKey(user, n.Key))
		return
	}
	tx.Put(markKey(user, n.Key), binary.BigEndian.AppendUint64(nil, n.Value), n.For)
}

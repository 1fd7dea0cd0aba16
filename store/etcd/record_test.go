package etcd

import (
	"bytes"
	"errors"
	"testing"

	"tandem/store"
)

func FuzzDecode(f *testing.F) {
	f.Add("key", encode("key", []byte("value")))
	f.Add("key", encode("other", []byte("value")))
	f.Add("", encode("", nil))
	f.Add("key", []byte{recordVersion, 0, 0, 0})
	f.Fuzz(func(t *testing.T, key string, record []byte) {
		value, err := decode(key, record)
		switch {
		case err != nil && !errors.Is(err, store.ErrCorrupt):
			t.Errorf("error %v, want ErrCorrupt", err)
		case err == nil && (value == nil || !bytes.Equal(encode(key, value), record)):
			t.Errorf("%q is read as %q, which is written as %q", record, value, encode(key, value))
		}
	})
}

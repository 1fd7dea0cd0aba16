package file

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"iter"
	"maps"
	"slices"

	"tandem/directory"
	"tandem/internal/secret"
)

// table is one version of the file, ready for look-ups. It is never changed.
//
// Its users are packed: one stretch of octets, in the order of the file, and an index without pointers. So a hundred
// thousand of them are nothing that the garbage collector has to walk through, and take what their texts take. Each
// look-up unpacks a user of its own.
type table struct {
	packed []byte
	// at is where in packed a user begins, by the hash of the folded name.
	at   map[uint64]uint32
	seed maphash.Seed
	// weak counts devices with short secrets; firstWeak is the name of a user who has one.
	weak      int
	firstWeak string
}

// size is how many users there are.
func (t *table) size() int { return len(t.at) }

// find returns the user whose name folds to that.
func (t *table) find(folded string) (*directory.User, bool) {
	at, ok := t.at[maphash.String(t.seed, folded)]
	if !ok {
		return nil, false
	}
	is, u, _ := t.read(at)
	return u, is == folded
}

// all are the users in the order of the file, whose places count from 0.
func (t *table) all() iter.Seq2[int, *directory.User] {
	return func(yield func(int, *directory.User) bool) {
		place := 0
		for at := uint32(0); int(at) < len(t.packed); place++ {
			_, u, next := t.read(at)
			if !yield(place, u) {
				return
			}
			at = next
		}
	}
}

// add packs a user whose name folds to that, and whom index does not know before it is called.
func (t *table) add(folded string, u *directory.User) {
	var p packer
	p.user(folded, u)
	t.packed = binary.AppendUvarint(t.packed, uint64(len(p)))
	t.packed = append(t.packed, p...)
}

// mostSeeds bounds how many hashes index tries: of the most users that a file holds, two have one hash once in some 10⁸ times.
const mostSeeds = 4

// index makes the users known that were added. Should the names of two have one hash, another hash is taken. If that is so
// time and again, two have one name: an error, for whoever came last would be taken for the other.
func (t *table) index(users int) error {
	t.packed = slices.Clip(t.packed)
	for range mostSeeds {
		if t.indexed(users) {
			return nil
		}
	}
	return errors.New("two users have one name")
}

// indexed reports whether all names have hashes of their own, and keeps where they are.
func (t *table) indexed(users int) bool {
	t.seed, t.at = maphash.MakeSeed(), make(map[uint64]uint32, users)
	for at := uint32(0); int(at) < len(t.packed); {
		record, next := t.record(at)
		h := maphash.String(t.seed, (&unpacker{record}).text())
		if _, taken := t.at[h]; taken {
			return false
		}
		t.at[h], at = at, next
	}
	return true
}

// record returns what add has packed at a place, and the next place.
func (t *table) record(at uint32) (record string, next uint32) {
	length, n := binary.Uvarint(t.packed[at:])
	start := at + uint32(n)
	next = start + uint32(length)
	return string(t.packed[start:next]), next
}

func (t *table) read(at uint32) (folded string, u *directory.User, next uint32) {
	record, next := t.record(at)
	from := unpacker{record}
	folded, u = from.user()
	return folded, u, next
}

// packer writes what unpacker reads, field by field in the same order.
type packer []byte

func (p *packer) user(folded string, u *directory.User) {
	p.texts(folded, u.ID, u.Name, u.DN, u.Mail, u.Phone, u.Credential.Reveal())
	p.list(u.Groups)
	p.number(int64(len(u.Attributes)))
	for _, name := range slices.Sorted(maps.Keys(u.Attributes)) {
		p.texts(name)
		p.list(u.Attributes[name])
	}
	p.number(int64(len(u.Devices)))
	for _, d := range u.Devices {
		weak := int64(0)
		if d.Weak {
			weak = 1
		}
		p.texts(d.Type, d.Name, d.Source, d.Algorithm, d.PublicID, d.Secret.Reveal(), d.PrivateID.Reveal())
		for _, n := range []int64{d.Epoch, weak, int64(d.Digits), int64(d.Period), int64(d.Counter)} {
			p.number(n)
		}
	}
	p.number(int64(len(u.Skipped)))
	for _, s := range u.Skipped {
		p.texts(s.ID, s.Type, s.Device, s.Why)
	}
}

func (p *packer) number(n int64) { *p = binary.AppendVarint(*p, n) }

func (p *packer) texts(all ...string) {
	for _, s := range all {
		p.number(int64(len(s)))
		*p = append(*p, s...)
	}
}

func (p *packer) list(all []string) {
	p.number(int64(len(all)))
	p.texts(all...)
}

// unpacker is what is left of a record. The texts that it returns are parts of that record.
type unpacker struct{ rest string }

func (from *unpacker) user() (folded string, u *directory.User) {
	u = &directory.User{}
	for _, text := range []*string{&folded, &u.ID, &u.Name, &u.DN, &u.Mail, &u.Phone} {
		*text = from.text()
	}
	u.Credential = from.secret()
	u.Groups = from.list()
	if n := from.number(); n > 0 {
		u.Attributes = make(map[string][]string, n)
		for range n {
			name := from.text()
			u.Attributes[name] = from.list()
		}
	}
	if n := from.number(); n > 0 {
		u.Devices = make([]directory.Device, n)
	}
	for i := range u.Devices {
		d := &u.Devices[i]
		for _, text := range []*string{&d.Type, &d.Name, &d.Source, &d.Algorithm, &d.PublicID} {
			*text = from.text()
		}
		d.Secret, d.PrivateID = from.secret(), from.secret()
		d.Epoch, d.Weak = from.number(), from.number() == 1
		d.Digits, d.Period, d.Counter = int(from.number()), int(from.number()), uint64(from.number())
	}
	if n := from.number(); n > 0 {
		u.Skipped = make([]directory.Problem, n)
	}
	for i := range u.Skipped {
		s := &u.Skipped[i]
		for _, text := range []*string{&s.ID, &s.Type, &s.Device, &s.Why} {
			*text = from.text()
		}
	}
	return folded, u
}

func (from *unpacker) number() int64 {
	// A number has at most as many octets, and only those are copied.
	n, length := binary.Varint([]byte(from.rest[:min(len(from.rest), binary.MaxVarintLen64)]))
	from.rest = from.rest[length:]
	return n
}

func (from *unpacker) text() string {
	n := from.number()
	s := from.rest[:n]
	from.rest = from.rest[n:]
	return s
}

func (from *unpacker) secret() secret.String {
	if s := from.text(); s != "" {
		return secret.New(s)
	}
	return secret.String{}
}

func (from *unpacker) list() []string {
	n := from.number()
	if n == 0 {
		return nil
	}
	all := make([]string, n)
	for i := range all {
		all[i] = from.text()
	}
	return all
}

package recovery

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Count is how many codes a set has.
const Count = 10

// version is that of the record's form. A record of another one is refused, never guessed at.
const version = 1

// set is what is kept of a user's codes. As JSON it is the record in the store.
type set struct {
	Version int       `json:"version"`
	Made    time.Time `json:"made"`
	// Salt is that of all codes that are Slow: one for all, so that a login pays for one slow hash.
	Salt  []byte `json:"salt,omitempty"`
	Codes []kept `json:"codes"`
}

// kept is what is kept of one code.
//
// A salted SHA-256 is enough for one that [Make] made. Slow hashes are there for what people choose, and for what is short: they
// make each guess at a word list dear. A code has no word list: its 80 bits are all random, and going through
// half of them is out of reach of whoever steals a backup. The salt sees to it that the work is to be done
// for each code anew. A slow hash would be paid for by honest users: in append mode each login that ends in as
// many letters and digits as a code has is looked at.
type kept struct {
	Salt []byte `json:"salt,omitempty"`
	Hash []byte `json:"hash"`
	// Slow: another program made the code, and it is short; see [From].
	Slow bool `json:"slow,omitzero"`
	// Used is when the code was accepted. Its hash stays, so that a code that comes once more is known for what
	// it is, and not counted as a guess.
	Used time.Time `json:"used,omitzero"`
}

func (k kept) is(code []byte) bool {
	return subtle.ConstantTimeCompare(hash(k.Salt, code), k.Hash) == 1
}

func hash(salt, code []byte) []byte {
	h := sha256.New()
	h.Write([]byte("tandem recovery code\x00"))
	h.Write(salt)
	h.Write(code)
	return h.Sum(nil)
}

// Make makes a set of [Count] codes by random: the codes as they are printed for the user, and the record that the
// store keeps under [Key]. Whoever calls it shows the codes once, and keeps them nowhere.
func Make(random io.Reader, now time.Time) (codes []string, record []byte, err error) {
	s := set{Version: version, Made: now.UTC().Truncate(time.Second)}
	for range Count {
		salt, code := make([]byte, 16), make([]byte, octets)
		for _, b := range [][]byte{salt, code} {
			if _, err := io.ReadFull(random, b); err != nil {
				return nil, nil, fmt.Errorf("make recovery codes: read random octets: %w", err)
			}
		}
		codes = append(codes, onPaper(code))
		s.Codes = append(s.Codes, kept{Salt: salt, Hash: hash(salt, code)})
	}
	if record, err = json.Marshal(s); err != nil {
		return nil, nil, fmt.Errorf("make recovery codes: %w", err)
	}
	return codes, record, nil
}

// Left says how many codes of the record have not been used. A nil record has none.
func Left(record []byte) (int, error) {
	s, err := read(record)
	return s.left(), err
}

func read(record []byte) (s set, err error) {
	const remedy = "make a new set with `tandem recovery`"
	if record == nil {
		return set{}, nil
	}
	if err := json.Unmarshal(record, &s); err != nil {
		return set{}, errors.New("the user's recovery codes are damaged in the store: " + remedy) // err could quote hashes
	}
	if s.Version != version {
		return set{}, fmt.Errorf("the user's recovery codes were written in form %d, and this version reads form %d: %s", s.Version, version, remedy)
	}
	return s, nil
}

func (s set) left() int {
	n := 0
	for _, k := range s.Codes {
		if k.Used.IsZero() {
			n++
		}
	}
	return n
}

// find returns the place of code in the set, -1 if it is not one of it. It takes as long for every code.
func (s set) find(code []byte) (int, error) {
	imported := len(code) == importedLength
	var slow []byte
	if imported && slices.ContainsFunc(s.Codes, func(k kept) bool { return k.Slow }) {
		var err error
		if slow, err = slowHash(s.Salt, code); err != nil {
			return -1, err
		}
	}
	found := -1
	for i, k := range s.Codes {
		if k.Slow && imported && subtle.ConstantTimeCompare(slow, k.Hash) == 1 || !k.Slow && !imported && k.is(code) {
			found = i
		}
	}
	return found, nil
}

// without is the record in which the code at that place is used.
func (s set) without(place int, now time.Time) ([]byte, error) {
	s.Codes = slices.Clone(s.Codes)
	s.Codes[place].Used = now.UTC().Truncate(time.Second)
	return json.Marshal(s)
}

package yubico

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"tandem/verify"
)

// How many codes without counters are remembered of each key, and by how many octets of their hash: 4 KiB in all.
const (
	codesKept = 256
	hashSize  = 16
)

// past is what the store has of one key, under its public id.
type past struct {
	key string
	// last is the latest press that was accepted; nil: none yet.
	last *press
	// codes are hashes of codes that were accepted without counters, the newest first.
	codes []byte
}

func recall(marks verify.Marks, id string) (past, error) {
	p := past{key: markKey(id)}
	value, ok, err := marks.Mark(p.key)
	if err != nil {
		return past{}, err
	}
	if last := press(value); ok {
		p.last = &last
	}
	p.codes, err = marks.Record(p.key)
	return p, err
}

// holds reports whether c is one of the codes that were accepted without counters.
func (p past) holds(c code) bool {
	hash := hashOf(c)
	for i := 0; i+hashSize <= len(p.codes); i += hashSize {
		if bytes.Equal(p.codes[i:i+hashSize], hash) {
			return true
		}
	}
	return false
}

// accept is the finding about a right code that p does not hold. at is its press; nil: nobody said.
func (p past) accept(c code, at *press) verify.Finding {
	if at == nil {
		return verify.Finding{Result: verify.Match, Claim: p.claimCode(c), Detail: "counters unknown"}
	}
	if p.last != nil && *at <= *p.last {
		return verify.Finding{Result: verify.Used, Detail: fmt.Sprintf("it is of %s, and %s has been accepted", at, p.last)}
	}
	return verify.Finding{Result: verify.Match, Claim: verify.Claim{Key: p.key, Value: uint64(*at)}, Detail: at.String()}
}

// claimCode puts c before the remembered codes and drops the oldest beyond codesKept.
func (p past) claimCode(c code) verify.Claim {
	codes := append(hashOf(c), p.codes...)
	return verify.Claim{
		Key:  p.key,
		From: append([]byte{}, p.codes...), // not nil: that would be no record's claim
		To:   codes[:min(len(codes), codesKept*hashSize)],
	}
}

func hashOf(c code) []byte {
	h := sha256.Sum256([]byte("tandem yubico code\x00" + c.text))
	return h[:hashSize]
}

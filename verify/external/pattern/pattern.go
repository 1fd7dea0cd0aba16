// Package pattern makes codes from a regular expression: \d{6}, or [A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}.
//
// The expression is read as Go's regexp reads it. It stands for a set of codes, and each code of the set is made
// with the same likelihood: the codes are counted, a number below the count is drawn, and the code of that number
// is written down. (An expression that describes one code in two ways, such as \d{6}|[0-4]{6}, makes it twice as
// often.) ^ at the beginning and $ at the end may stand there and mean nothing.
//
// Codes are typed by people, and some are handed to commands: they consist of visible ASCII characters, whatever
// else [^a] or . would match, and never begin with a dash.
package pattern

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"regexp/syntax"
	"strings"

	"tandem/internal/secret"
)

const (
	// minLength and maxLength bound a code, in octets. The lengths of a set are kept as the bits of one word.
	minLength, maxLength = 4, 63
	// maxLengths is how many different lengths the codes of a set may have, as each has to be looked for where
	// a code stands beside a password.
	maxLengths = 8
	// maxText is the longest expression.
	maxText = 256
)

// minCodes is the smallest set: \d{4}, of which an attacker with five tries hits one in two thousand.
var minCodes = big.NewInt(10_000)

// Pattern is a set of codes. It may be used by many goroutines at once.
type Pattern struct {
	root node
}

// Compile reads an expression. Its error says what of it cannot be honoured, and what to write.
func Compile(text string) (*Pattern, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("is %d octets long: use at most %d", len(text), maxText)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("is not a regular expression: %w", err)
	}
	root, err := build(withoutAnchors(tree))
	if err != nil {
		return nil, err
	}
	p := &Pattern{root}
	switch lengths := p.Lengths(); {
	case len(lengths) == 0 || lengths[0] < minLength:
		return nil, fmt.Errorf("makes codes of less than %d characters: make them longer, such as \\d{6}", minLength)
	case len(lengths) > maxLengths:
		return nil, fmt.Errorf("makes codes of %d different lengths: use at most %d, or best one", len(lengths), maxLengths)
	case root.count.Cmp(minCodes) < 0:
		return nil, fmt.Errorf("makes only %s different codes, which can be guessed: use at least %s, such as \\d{6}", root.count, minCodes)
	case root.firsts.has('-'):
		return nil, errors.New("makes codes that begin with a dash, which commands take for an option: let them begin with another character")
	}
	return p, nil
}

// withoutAnchors takes ^ and $ away where they stand around the whole.
func withoutAnchors(tree *syntax.Regexp) *syntax.Regexp {
	if tree.Op != syntax.OpConcat {
		return tree
	}
	if len(tree.Sub) > 0 && tree.Sub[0].Op == syntax.OpBeginText {
		tree.Sub = tree.Sub[1:]
	}
	if last := len(tree.Sub) - 1; last >= 0 && tree.Sub[last].Op == syntax.OpEndText {
		tree.Sub = tree.Sub[:last]
	}
	return tree
}

// New makes a code from what random gives, which is read to be uniform: [crypto/rand.Reader].
func (p *Pattern) New(random io.Reader) (secret.String, error) {
	number, err := rand.Int(random, p.root.count)
	if err != nil {
		return secret.String{}, fmt.Errorf("make a code: read random octets: %w", err)
	}
	var code strings.Builder
	p.root.write(&code, number)
	return secret.New(code.String()), nil
}

// Lengths are those that codes have, in octets, the shortest first.
func (p *Pattern) Lengths() []int {
	all := make([]int, 0, bits.OnesCount64(p.root.lengths))
	for set := p.root.lengths; set != 0; set &= set - 1 {
		all = append(all, bits.TrailingZeros64(set))
	}
	return all
}

// Alphabet holds each character that a code may have, in ASCII's order.
func (p *Pattern) Alphabet() string { return p.root.alphabet.String() }

package pattern

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"regexp/syntax"
	"strings"
	"unicode"
)

// kind is how a node's codes are put together.
type kind int

const (
	one    kind = iota // one character of the alphabet
	join               // one code of each sub, in their order
	choose             // a code of one of the subs
)

// node is a part of the expression, as the set of the texts that it stands for.
type node struct {
	kind kind
	subs []node
	// count is how many texts there are.
	count *big.Int
	// lengths has bit n set if there are texts of n characters.
	lengths uint64
	// firsts are the characters that texts begin with, alphabet those they consist of.
	firsts, alphabet charset
}

// nothing is the empty text.
func nothing() node { return node{kind: join, count: big.NewInt(1), lengths: 1} }

func characters(set charset) (node, error) {
	if set == (charset{}) {
		return node{}, errors.New("has a place where no visible ASCII character fits: name the characters, such as [A-Z2-9]")
	}
	return node{kind: one, count: big.NewInt(int64(set.len())), lengths: 1 << 1, firsts: set, alphabet: set}, nil
}

// build turns the parser's tree into nodes.
func build(tree *syntax.Regexp) (node, error) {
	switch tree.Op {
	case syntax.OpEmptyMatch:
		return nothing(), nil
	case syntax.OpLiteral:
		return literal(tree)
	case syntax.OpCharClass:
		return characters(ranges(tree.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return characters(ranges([]rune{0, unicode.MaxRune}))
	case syntax.OpCapture:
		return build(tree.Sub[0])
	case syntax.OpConcat:
		subs, err := buildAll(tree.Sub)
		if err != nil {
			return node{}, err
		}
		return joined(subs)
	case syntax.OpAlternate:
		subs, err := buildAll(tree.Sub)
		if err != nil {
			return node{}, err
		}
		return either(subs), nil
	case syntax.OpQuest, syntax.OpRepeat:
		return repeated(tree)
	case syntax.OpStar, syntax.OpPlus:
		return node{}, errors.New("has a * or +, and so no longest code: say how many, such as \\d{6}")
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return node{}, errors.New("has ^ or $ inside, where a code neither begins nor ends: remove it")
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return node{}, errors.New(`has \b or \B, which says nothing about a code's characters: remove it`)
	case syntax.OpNoMatch:
	}
	return node{}, errors.New("matches no code at all")
}

func buildAll(trees []*syntax.Regexp) ([]node, error) {
	subs := make([]node, 0, len(trees))
	for _, tree := range trees {
		sub, err := build(tree)
		if err != nil {
			return nil, err
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// literal is a text of the expression. The parser turns [Aa] into one whose case does not matter.
func literal(tree *syntax.Regexp) (node, error) {
	subs := make([]node, 0, len(tree.Rune))
	for _, r := range tree.Rune {
		set := ranges([]rune{r, r})
		if tree.Flags&syntax.FoldCase != 0 {
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				set.add(other)
			}
		}
		sub, err := characters(set)
		if err != nil {
			return node{}, err
		}
		subs = append(subs, sub)
	}
	return joined(subs)
}

// repeated is tree's one sub, as often as it says.
func repeated(tree *syntax.Regexp) (node, error) {
	least, most := tree.Min, tree.Max
	if tree.Op == syntax.OpQuest {
		least, most = 0, 1
	}
	if most < 0 {
		return node{}, fmt.Errorf("has {%d,}, and so no longest code: say how many, such as {%d}", least, max(least, 1))
	}
	sub, err := build(tree.Sub[0])
	if err != nil {
		return node{}, err
	}
	times := nothing()
	var options []node
	for n := 0; ; n++ {
		if n >= least {
			options = append(options, times)
		}
		if n == most {
			return either(options), nil
		}
		if times, err = joined(append(times.subs[:n:n], sub)); err != nil {
			return node{}, err
		}
	}
}

// joined is one text of each of subs.
func joined(subs []node) (node, error) {
	all := nothing()
	all.subs = subs
	for _, sub := range subs {
		if all.lengths&1 != 0 { // what came before may be empty
			all.firsts.addAll(sub.firsts)
		}
		all.alphabet.addAll(sub.alphabet)
		all.count.Mul(all.count, sub.count)
		if bits.Len64(all.lengths)+bits.Len64(sub.lengths)-2 > maxLength {
			return node{}, fmt.Errorf("makes codes of more than %d characters: nobody types those", maxLength)
		}
		var lengths uint64
		for set := sub.lengths; set != 0; set &= set - 1 {
			lengths |= all.lengths << bits.TrailingZeros64(set)
		}
		all.lengths = lengths
	}
	return all, nil
}

// either is a text of one of subs.
func either(subs []node) node {
	all := node{kind: choose, subs: subs, count: new(big.Int)}
	for _, sub := range subs {
		all.count.Add(all.count, sub.count)
		all.lengths |= sub.lengths
		all.firsts.addAll(sub.firsts)
		all.alphabet.addAll(sub.alphabet)
	}
	return all
}

// write writes the text of that number, which is at least 0 and below n.count. It uses number up.
func (n *node) write(code *strings.Builder, number *big.Int) {
	switch n.kind {
	case one:
		code.WriteByte(n.alphabet.at(int(number.Int64())))
	case join:
		for i := range n.subs {
			of := new(big.Int)
			number.DivMod(number, n.subs[i].count, of)
			n.subs[i].write(code, of)
		}
	case choose:
		for i := range n.subs {
			if number.Cmp(n.subs[i].count) < 0 {
				n.subs[i].write(code, number)
				return
			}
			number.Sub(number, n.subs[i].count)
		}
	}
}

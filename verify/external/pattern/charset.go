package pattern

import "math/bits"

// firstVisible and lastVisible are the first and the last ASCII character that can be seen.
const firstVisible, lastVisible = '!', '~'

// charset is a set of visible ASCII characters, one bit each.
type charset [2]uint64

// ranges is the set of the visible characters in pairs of first and last, as the parser has them.
func ranges(pairs []rune) (set charset) {
	for i := 0; i+1 < len(pairs); i += 2 {
		for r := max(pairs[i], firstVisible); r <= min(pairs[i+1], lastVisible); r++ {
			set.add(r)
		}
	}
	return set
}

// add adds r if it is visible ASCII.
func (s *charset) add(r rune) {
	if r >= firstVisible && r <= lastVisible {
		s[r/64] |= 1 << (r % 64)
	}
}

func (s *charset) addAll(other charset) {
	s[0] |= other[0]
	s[1] |= other[1]
}

func (s *charset) has(r rune) bool { return s[r/64]&(1<<(r%64)) != 0 }

func (s *charset) len() int { return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) }

// at returns the character of that number, counted from 0 in ASCII's order.
func (s *charset) at(number int) byte { return s.String()[number] }

func (s *charset) String() string {
	text := make([]byte, 0, s.len())
	for r := rune(firstVisible); r <= lastVisible; r++ {
		if s.has(r) {
			text = append(text, byte(r))
		}
	}
	return string(text)
}

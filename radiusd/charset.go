package radiusd

import (
	"unicode"
	"unicode/utf8"
)

// decode turns what a client sent into UTF-8. What is not UTF-8 though it should be is returned as
// it is, for the core to reject and to record.
func (c Charset) decode(s string) string {
	if c != Latin1 {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i]) // ISO 8859-1 is the first 256 code points
	}
	return string(runes)
}

// encode turns UTF-8 into what the client reads: "..." for the ellipsis of masked addresses, and "?" for what else
// it lacks.
func (c Charset) encode(s string) []byte {
	if c != Latin1 {
		return []byte(s)
	}
	var out []byte
	for _, r := range s {
		switch {
		case r == '…':
			out = append(out, "..."...)
			continue
		case r > unicode.MaxLatin1:
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}

// split cuts encoded text into pieces of at most limit octets, between characters.
func (c Charset) split(text []byte, limit int) [][]byte {
	var pieces [][]byte
	for len(text) > limit {
		end := limit
		for c != Latin1 && end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	if len(text) > 0 {
		pieces = append(pieces, text)
	}
	return pieces
}

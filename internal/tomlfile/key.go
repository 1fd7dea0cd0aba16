package tomlfile

import (
	"strconv"
	"strings"
)

// appendName appends one name to the key in dst: plain if it can be, else in double quotes, so that
// nothing in a file's own names (a dot, a newline) can be taken for structure.
func appendName[T string | []byte](dst []byte, name T) []byte {
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	plain := len(name) > 0
	for i := 0; i < len(name) && plain; i++ {
		plain = isBare(name[i])
	}
	if plain {
		return append(dst, name...)
	}
	return strconv.AppendQuote(dst, string(name))
}

// appendIndex appends a place in an array to the key in dst.
func appendIndex(dst []byte, i int) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(i), 10)
	return append(dst, ']')
}

// isBare reports whether c may stand in a key without quotes.
func isBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// parent is key without its last name or index, and "" at the top.
func parent(key string) string {
	quoted, cut := false, 0
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == '.' || c == '[') && !quoted:
			cut = i
		}
	}
	return key[:cut]
}

// isBelow reports whether key is inside the table or array at top.
func isBelow(key, top string) bool {
	rest, ok := strings.CutPrefix(key, top)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

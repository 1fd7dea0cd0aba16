package tomlfile

import (
	"bytes"

	"github.com/BurntSushi/toml"
)

// maxDepth is how deep arrays and inline tables may stand in each other. The parser recurses into
// them, and a Go program does not survive a full stack.
const maxDepth = 32

// scan reads through TOML text and calls visit for each key, in the form of [File.Errorf], with its
// line. key is only valid during the call; a key that is continued elsewhere is visited again.
//
// It follows the grammar just far enough to know where keys begin and values end, holds nothing but
// the place where it is, and never fails: what comes of text that does not parse does not matter.
// It returns the line on which values are nested deeper than maxDepth, where it stops, or 0.
func scan(text []byte, visit func(key []byte, line int)) (tooDeep int) {
	s := scanner{text: text, line: 1, visit: visit, part: func(Part) {}, inner: func(Part) {}, arrays: arrays{last: -1}}
	return s.scan()
}

// scan reads through the whole text; see the function of that name.
func (s *scanner) scan() (tooDeep int) {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"} { // as the parser does
		if bytes.HasPrefix(s.text, []byte(mark)) {
			s.pos = len(mark)
			break
		}
	}
	for {
		s.skipBlank(true)
		start, line := s.pos, s.line
		switch c := s.peek(); {
		case s.pos >= len(s.text) || s.tooDeep:
			if s.tooDeep {
				return s.line
			}
			return 0
		case c == '[':
			s.header()
			s.part(Part{Key: s.table, Header: true, Line: line, Start: start, Value: s.pos, End: s.pos})
			s.skipToLineEnd()
		default:
			key, value := s.assignment(s.table, 0)
			s.part(s.partOf(key, line, start, value))
		}
	}
}

// partOf is what ends at the place.
func (s *scanner) partOf(key []byte, line, start, value int) Part {
	end := start + len(bytes.TrimRight(s.text[start:s.pos], " \t\r"))
	return Part{Key: key, Line: line, Start: start, Value: value, End: end}
}

// scanner is a place in the text.
type scanner struct {
	text    []byte
	pos     int
	line    int
	visit   func(key []byte, line int)
	part    func(Part) // gets headers and assignments at the top level
	inner   func(Part) // gets elements of arrays and members of inline tables
	tooDeep bool
	// table is the key of the table that the last header opened.
	table []byte
	// arrays are those that headers like [[users]] have made.
	arrays arrays
}

// arrays counts the elements of an array of tables, and of those within its last element: a new
// [[users]] begins new [[users.devices]].
type arrays struct {
	// last is the index of the last element; -1: a plain table that holds arrays.
	last   int
	within map[string]*arrays
}

// header reads [table] or [[table]].
func (s *scanner) header() {
	s.pos++
	isArray := s.peek() == '['
	if isArray {
		s.pos++
	}
	at, key := &s.arrays, s.table[:0]
	for more := true; more; {
		var name []byte
		name, more = s.name()
		key = appendName(key, name)
		s.visit(key, s.line)

		next := at.within[string(name)]
		if isArray {
			if next == nil {
				next = &arrays{last: -1}
				if at.within == nil {
					at.within = make(map[string]*arrays)
				}
				at.within[string(name)] = next
			}
			if !more {
				*next = arrays{last: next.last + 1}
			}
		}
		if next == nil {
			next = &arrays{last: -1} // a table that holds no arrays so far; it need not be remembered
		}
		if next.last >= 0 {
			key = appendIndex(key, next.last)
			s.visit(key, s.line)
		}
		at = next
	}
	s.table = key
	for s.peek() == ']' {
		s.pos++
	}
}

// assignment reads key = value inside the table whose key is given. It returns the whole key, and where the value
// begins.
func (s *scanner) assignment(table []byte, depth int) (key []byte, value int) {
	start, line := s.pos, s.line
	key = table[:len(table):len(table)] // appending must not write into what follows the table's key
	for more := true; more; {
		var name []byte
		name, more = s.name()
		key = appendName(key, name)
		s.visit(key, line)
	}
	if s.peek() == '=' {
		s.pos++
		s.skipBlank(false)
		value = s.pos
		s.value(key, depth)
	}
	if s.pos == start { // not TOML; do not stay here for ever
		s.pos++
	}
	return key, value
}

// value reads the value of key.
func (s *scanner) value(key []byte, depth int) {
	if depth > maxDepth {
		s.tooDeep = true
		return
	}
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.pos++
		for i := 0; s.inside(']'); i++ {
			element := appendIndex(key[:len(key):len(key)], i)
			s.visit(element, s.line)
			start, line := s.pos, s.line
			s.value(element, depth+1)
			if s.pos == start {
				s.pos++
			}
			s.inner(s.partOf(element, line, start, start))
		}
	case '{':
		s.pos++
		for s.inside('}') {
			start, line := s.pos, s.line
			member, value := s.assignment(key, depth+1)
			s.inner(s.partOf(member, line, start, value))
		}
	default: // a number, a boolean, a date
		for s.pos < len(s.text) && !bytes.ContainsRune([]byte(",]}#\n"), rune(s.text[s.pos])) {
			s.pos++
		}
	}
}

// inside moves to the next element of an array or inline table; false: it ended with closing, or the
// text did.
func (s *scanner) inside(closing byte) bool {
	for !s.tooDeep {
		s.skipBlank(true)
		switch {
		case s.pos >= len(s.text):
			return false
		case s.peek() == closing:
			s.pos++
			return false
		case s.peek() == ',':
			s.pos++
		default:
			return true
		}
	}
	return false
}

// name reads one name of a dotted key, and reports whether a dot and with it another name follows.
func (s *scanner) name() (name []byte, more bool) {
	s.skipBlank(false)
	if c := s.peek(); c == '"' || c == '\'' {
		name = s.quoted()
	} else {
		start := s.pos
		for s.pos < len(s.text) && !bytes.ContainsRune([]byte(".=]}#\"', \t\r\n"), rune(s.text[s.pos])) {
			s.pos++
		}
		name = s.text[start:s.pos]
	}
	s.skipBlank(false)
	if s.peek() == '.' {
		s.pos++
		return name, true
	}
	return name, false
}

// quoted reads a string of any of the four kinds and returns what it says.
func (s *scanner) quoted() []byte {
	quote := s.text[s.pos : s.pos+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(s.text[s.pos:], triple) {
		quote = triple
	}
	start := s.pos
	s.pos += len(quote)
	escaped := false
	for s.pos < len(s.text) && !bytes.HasPrefix(s.text[s.pos:], quote) {
		switch c := s.text[s.pos]; {
		case c == '\n' && len(quote) == 1: // not TOML
			return s.text[start:s.pos]
		case c == '\n':
			s.line++
		case c == '\\' && quote[0] == '"' && s.pos+1 < len(s.text) && s.text[s.pos+1] != '\n':
			escaped = true
			s.pos++
		}
		s.pos++
	}
	inner := s.text[min(start+len(quote), len(s.text)):min(s.pos, len(s.text))]
	s.pos = min(s.pos+len(quote), len(s.text))
	// Up to two quotes may stand right before the closing three.
	for len(quote) == 3 && s.peek() == quote[0] {
		s.pos++
	}
	if escaped && len(quote) == 1 {
		return unescape(s.text[start:s.pos])
	}
	return inner
}

// unescape reads a quoted key that holds escapes. Such keys are rare enough to leave to the parser.
func unescape(quoted []byte) []byte {
	var v struct {
		Name string `toml:"name"`
	}
	if _, err := toml.Decode("name = "+string(quoted), &v); err != nil {
		return quoted
	}
	return []byte(v.Name)
}

// skipBlank skips spaces and tabs; with lines also newlines and comments.
func (s *scanner) skipBlank(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
		case c == '\n' && lines:
			s.line++
		case c == '#' && lines:
			s.skipToLineEnd()
			continue
		default:
			return
		}
		s.pos++
	}
}

// skipToLineEnd stops before the newline.
func (s *scanner) skipToLineEnd() {
	if n := bytes.IndexByte(s.text[s.pos:], '\n'); n >= 0 {
		s.pos += n
	} else {
		s.pos = len(s.text)
	}
}

// peek is the byte at the place; 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

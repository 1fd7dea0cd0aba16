package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// encoding/json's Decoder takes some ten microseconds to take one device apart, and devices are read at each login. What
// stands here walks through JSON that json.Valid has accepted. Of anything else it may say what it likes, but it never
// reads beyond the end. The tests hold it against encoding/json.

// span is a part of a text: text[start:end].
type span struct{ start, end int }

// blanks skips white space from i on.
func blanks(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value ends that begins at i.
func valueEnd(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '"':
			if i = stringEnd(raw, i); depth == 0 {
				return i
			}
			i-- // the loop goes on behind the string
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 { // of what the value stands in
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// stringEnd returns where the string ends that begins with the quote at i.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// elementSpans finds the values of an array.
func elementSpans(array []byte) []span {
	var spans []span
	for i := blanks(array, blanks(array, 0)+1); i < len(array) && array[i] != ']'; i = blanks(array, i) {
		if array[i] == ',' {
			i++
			continue
		}
		end := valueEnd(array, i)
		spans = append(spans, span{i, end})
		i = max(end, i+1)
	}
	return spans
}

// member is one of an object's: its name, and where its value is.
type member struct {
	name  string
	value span
}

var errNoObject = errors.New("the entry is not a JSON object")

// memberSpans finds the members of an object, in their order; a name may come twice.
func memberSpans(object []byte) ([]member, error) {
	i := blanks(object, 0)
	if i >= len(object) || object[i] != '{' {
		return nil, errNoObject
	}
	var found []member
	for i = blanks(object, i+1); i < len(object) && object[i] != '}'; i = blanks(object, i) {
		if object[i] == ',' {
			i++
			continue
		}
		end := valueEnd(object, i)
		name, err := unquote(object[i:end])
		if err != nil {
			return nil, err
		}
		start := blanks(object, blanks(object, end)+1) // behind the colon
		end = valueEnd(object, min(start, len(object)))
		found = append(found, member{name, span{min(start, len(object)), end}})
		i = max(end, i+1)
	}
	return found, nil
}

// unquote returns the text of a JSON string.
func unquote(quoted []byte) (string, error) {
	if len(quoted) >= 2 && quoted[0] == '"' && bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return "", fmt.Errorf("not a string: %w", syntaxError(err))
	}
	return text, nil
}

package tomlfile

import "strings"

// Words are the words of a command line: an array of texts, or one text that is split at white space. There are no
// quotes: a word with a space in it needs the array.
type Words []string

// split reads value if it is a text; otherwise it is for the array to be read.
func (w *Words) split(value any) bool {
	text, ok := value.(string)
	if ok {
		*w = strings.Fields(text)
	}
	return ok
}

// Package plainjson is encoding/json without its care for HTML: what stands in a directory or in a log is no web page, and <
// and & are easier to read as they are.
package plainjson

import (
	"bytes"
	"encoding/json"
)

// Append appends value as JSON to b, without a line's end. The errors are those of [json.Marshal].
func Append(b []byte, value any) ([]byte, error) {
	text := bytes.NewBuffer(b)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte{'\n'}), err
}

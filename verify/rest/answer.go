package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
)

// maxAnswer is the longest answer that is read, in octets.
const maxAnswer = 64 << 10

// parseAnswer reads the result out of an answer. An error means that the answer says neither yes nor no; it does not
// repeat any of it, because a service may send the code back.
//
// Go's own decoding into a struct would be too kind: it takes "Result" for "result", the last of several, and
// nothing at all for false.
func parseAnswer(body []byte) (yes bool, err error) {
	if !json.Valid(body) {
		return false, errors.New("the answer is not JSON (RFC 8259)")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if first, _ := d.Token(); first != json.Delim('{') {
		return false, errors.New("the answer is JSON, but not an object")
	}
	found := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false, errors.New("the answer's JSON cannot be read")
		}
		if name != "result" {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return false, errors.New("the answer's JSON cannot be read")
			}
			continue
		}
		if found {
			return false, errors.New(`the answer has several members "result"`)
		}
		value, err := d.Token()
		result, isBool := value.(bool)
		if err != nil || !isBool {
			return false, errors.New(`the answer's "result" is neither true nor false`)
		}
		yes, found = result, true
	}
	if !found {
		return false, errors.New(`the answer has no member "result"`)
	}
	return yes, nil
}

// isJSON reports whether a Content-Type is that of JSON (RFC 8259 §11, RFC 6839 §3.1).
func isJSON(contentType string) bool {
	name, _, err := mime.ParseMediaType(contentType)
	return err == nil && (name == "application/json" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json"))
}

// readAnswer reads a body that is not too long.
func readAnswer(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d KiB", maxAnswer>>10)
	}
	return body, nil
}

package directory

import (
	"bytes"
	"slices"
)

// edit is what is done to one element of an array; the zero value leaves it as it is.
type edit struct {
	remove bool
	name   string // the new one; empty: as it is
}

// editArray does edits to the elements of raw, by their numbers, and appends more. All the rest stays as it is
// written: spaces, the order of members, and members that nobody here knows.
func editArray(raw []byte, edits map[int]edit, more [][]byte) ([]byte, error) {
	if _, err := splitArray(raw); err != nil {
		return nil, err
	}
	spans := elementSpans(raw)
	first := bytes.IndexByte(raw, '[') + 1
	last := first
	if len(spans) > 0 {
		first, last = spans[0].start, spans[len(spans)-1].end
	}
	edited := bytes.Clone(raw[:first])
	kept := 0
	for i, at := range spans {
		if edits[i].remove {
			continue
		}
		if kept > 0 {
			edited = append(edited, raw[spans[i-1].end:at.start]...)
		}
		element := raw[at.start:at.end]
		if name := edits[i].name; name != "" {
			var err error
			if element, err = renameElement(element, name); err != nil {
				return nil, err
			}
		}
		edited = append(edited, element...)
		kept++
	}
	for _, element := range more {
		if kept > 0 {
			edited = append(edited, ',')
		}
		edited = append(edited, element...)
		kept++
	}
	return append(edited, raw[last:]...), nil
}

// renameElement gives a device's entry a name, whatever type it is of.
func renameElement(element []byte, name string) ([]byte, error) {
	quoted, err := encodeJSON(name)
	if err != nil {
		return nil, err
	}
	return setMember(element, "name", quoted)
}

// setMember puts value into the place of a member's, or adds the member at the end.
func setMember(object []byte, name string, value []byte) ([]byte, error) {
	members, err := memberSpans(object)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(members, func(m member) bool { return m.name == name }); i >= 0 {
		return replaceSpan(object, members[i].value, value), nil
	}
	added, err := encodeJSON(name)
	if err != nil {
		return nil, err
	}
	added = append(append(added, ':'), value...)
	end := bytes.LastIndexByte(object, '}')
	if len(members) > 0 {
		added = append([]byte(","), added...)
		end = len(bytes.TrimRight(object[:end], " \t\r\n"))
	}
	return replaceSpan(object, span{end, end}, added), nil
}

func replaceSpan(text []byte, at span, by []byte) []byte {
	replaced := bytes.Clone(text[:at.start])
	replaced = append(replaced, by...)
	return append(replaced, text[at.end:]...)
}

package file

import (
	"bytes"
	"fmt"
	"strings"

	"tandem/internal/tomlfile"
)

// inline are devices that stand in one array: devices = [{…}, …], on one line or on several.
type inline struct {
	// start and end are those of the array, from "[" to behind "]".
	start, end int
	elements   []element
}

// element is where one device stands, from "{" to behind "}", and where the value of its name does; 0: it has none.
type element struct{ start, end, name, nameEnd int }

func inlineDevices(file *tomlfile.File, array tomlfile.Part) *inline {
	found := &inline{start: array.Value, end: array.End}
	var next element // members come before the element that they are in
	file.Inside(array, func(p tomlfile.Part) {
		switch key := fmt.Sprintf("%s[%d]", array.Key, len(found.elements)); string(p.Key) {
		case key + ".name":
			next.name, next.nameEnd = p.Value, p.End
		case key:
			next.start, next.end = p.Start, p.End
			found.elements = append(found.elements, next)
			next = element{}
		}
	})
	return found
}

// addInline writes a device behind the last one: on a line of its own if that one has one.
func (e *edit) addInline(at *inline, device string) {
	if len(at.elements) == 0 {
		e.splice(at.end-1, at.end-1, device)
		return
	}
	last := at.elements[len(at.elements)-1]
	start, end, own := e.ownLines(last)
	comma, found := e.comma(last)
	if !own || comma >= end {
		e.splice(last.end, last.end, ", "+device)
		return
	}
	separator := ""
	if found {
		separator = ","
	}
	e.splice(end, end, string(e.text[start:last.start])+device+separator+e.newline())
	if !found {
		e.splice(comma, comma, ",")
	}
}

// removeInline takes a device out, with its comma, and with its lines if nothing else stands there.
func (e *edit) removeInline(at *inline, device int) {
	this := at.elements[device]
	place, hasComma := e.comma(this)
	start, end, own := e.ownLines(this)
	switch {
	case own && hasComma && place >= end: // it begins the next line
		e.splice(place, place+1, "")
	case own:
	case device > 0 && device == len(at.elements)-1 && !bytes.Contains(e.text[at.elements[device-1].end:this.start], []byte("\n")):
		start, end, hasComma = at.elements[device-1].end, this.end, true
	case hasComma:
		start, end = this.start, place+1
		end += len(e.text[end:]) - len(bytes.TrimLeft(e.text[end:], " \t"))
	default:
		start, end = this.start, this.end
	}
	e.splice(start, end, "")
	if device > 0 && device == len(at.elements)-1 && !hasComma { // the array had no comma at its end
		if before, found := e.comma(at.elements[device-1]); found {
			e.splice(before, before+1, "")
		}
	}
}

func (e *edit) renameInline(at *inline, device int, name string) {
	this := at.elements[device]
	if this.name > 0 {
		e.splice(this.name, this.nameEnd, quote(name))
		return
	}
	e.splice(this.start+1, this.start+1, " name = "+quote(name)+",")
}

// comma is the place of the comma behind an element, or, if there is none, the one where it would stand.
func (e *edit) comma(of element) (place int, found bool) {
	for rest := e.text[of.end:]; len(rest) > 0; {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		switch {
		case bytes.HasPrefix(rest, []byte(",")):
			return len(e.text) - len(rest), true
		case !bytes.HasPrefix(rest, []byte("#")):
			return of.end, false
		}
		rest = rest[len(firstLine(rest)):]
	}
	return of.end, false
}

// ownLines are the whole lines in which an element stands, if nothing else does but its comma and a comment.
func (e *edit) ownLines(of element) (start, end int, own bool) {
	start, end = e.lineStart(of.start), e.lineEnd(of.end)
	behind := strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(string(e.text[of.end:end]), " \t"), ","))
	return start, end, isBlank(e.text[start:of.start]) && (behind == "" || strings.HasPrefix(behind, "#"))
}

package tokens

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// How much XML is read.
const (
	maxXMLDepth    = 24
	maxXMLElements = 25 * MaxTokens // one token has some 20
)

// element is one element of an XML document, with the line it begins in. Names are without their prefixes: RFC 6030's
// own example has some elements in no name space that belong into one.
type element struct {
	space, name string
	attributes  map[string]string
	text        strings.Builder
	children    []*element
	line        int
}

// errorAt is a mistake in an XML document.
type errorAt struct {
	line  int
	field string
	why   string
}

func (e *errorAt) Error() string { return e.why }

func at(e *element, field, format string, args ...any) error {
	return &errorAt{e.line, field, fmt.Sprintf(format, args...)}
}

// readXML reads a document. A document type declaration is refused: with it, entities could be declared that grow
// without bounds or stand for other files.
func readXML(text string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Entity = nil
	var root *element
	var open []*element
	elements := 0
	for {
		line, _ := d.InputPos()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil {
			return root, nil
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, &errorAt{line, "", "it is not XML, or breaks off here"} // err could quote the text
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, &errorAt{line, "", "it has a document type declaration (<!DOCTYPE …>): take it out"}
		case xml.StartElement:
			elements++
			switch {
			case len(open) >= maxXMLDepth:
				return nil, &errorAt{line, "", fmt.Sprintf("elements stand in each other more than %d deep", maxXMLDepth)}
			case elements > maxXMLElements:
				return nil, &errorAt{line, "", fmt.Sprintf("there are more than %d elements", maxXMLElements)}
			case root != nil && len(open) == 0:
				return nil, &errorAt{line, "", "there is a second document in it"}
			}
			e, err := newElement(t, line)
			if err != nil {
				return nil, err
			}
			if root == nil {
				root = e
			} else {
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(t)
			}
		}
	}
}

// newElement leaves attributes with a prefix out: PSKC and XML Encryption have none of them.
func newElement(t xml.StartElement, line int) (*element, error) {
	e := &element{space: t.Name.Space, name: t.Name.Local, line: line}
	for _, a := range t.Attr {
		if a.Name.Space != "" {
			continue
		}
		if e.attributes == nil {
			e.attributes = map[string]string{}
		}
		if _, twice := e.attributes[a.Name.Local]; twice {
			return nil, &errorAt{line, a.Name.Local, "the attribute stands there twice"}
		}
		e.attributes[a.Name.Local] = a.Value
	}
	return e, nil
}

// child is the element at the path of names below e; nil if there is none. It is an error if a name stands there twice, as
// programs differ in which one they read.
func (e *element) child(path ...string) (*element, error) {
	for _, name := range path {
		var found *element
		for _, c := range e.children {
			if c.name != name {
				continue
			}
			if found != nil {
				return nil, at(c, name, "it stands there twice")
			}
			found = c
		}
		if found == nil {
			return nil, nil //nolint:nilnil // nil is what there is
		}
		e = found
	}
	return e, nil
}

// value is the text of the element at the path, without the white space around it; empty if there is none.
func (e *element) value(path ...string) (string, error) {
	c, err := e.child(path...)
	if c == nil || err != nil {
		return "", err
	}
	return strings.TrimSpace(c.text.String()), nil
}

// whole is the whole number in the child of that name, which must be there.
func (e *element) whole(name string) (int, error) {
	written, err := e.value(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(written)
	if err != nil {
		return 0, at(e, name, "it is not a whole number")
	}
	return n, nil
}

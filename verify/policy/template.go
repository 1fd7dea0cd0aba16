package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Template is a text with places for what is known about a user: "OU={department}". {{ and }} stand for braces.
type Template struct {
	// pieces alternate: text, name, text, name … text.
	pieces []string
}

// ParseTemplate reads a template. known reports whether there is such a name.
func ParseTemplate(text string, known func(name string) bool) (Template, error) {
	var t Template
	var literal strings.Builder
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "}}"):
			literal.WriteByte(rest[0])
			rest = rest[2:]
		case rest[0] == '}':
			return Template{}, errors.New("a } without a { before it: write }} for the character")
		case rest[0] == '{':
			name, after, ok := strings.Cut(rest[1:], "}")
			switch {
			case !ok:
				return Template{}, errors.New("a { without a } after it: write {{ for the character")
			case !known(name):
				return Template{}, fmt.Errorf("{%.40s} is not known: choose {user}, {groups}, {mail}, {phone}, {level}, {factor} or an attribute that is read", name)
			}
			t.pieces = append(t.pieces, literal.String(), name)
			literal.Reset()
			rest = after
		default:
			literal.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	t.pieces = append(t.pieces, literal.String())
	return t, nil
}

// Constant returns the text if it does not depend on anybody.
func (t Template) Constant() (text string, ok bool) {
	if len(t.pieces) != 1 {
		return "", len(t.pieces) == 0
	}
	return t.pieces[0], true
}

// maxValues bounds what one template makes of a user with many groups.
const maxValues = 256

// Expand returns the text once for each combination of values; none if a name has no value.
func (t Template) Expand(values func(name string) []string) []string {
	out := []string{""}
	for i, piece := range t.pieces {
		with := []string{piece}
		if i%2 == 1 {
			with = values(piece)
		}
		var next []string
		for _, head := range out {
			for _, tail := range with {
				if len(next) < maxValues {
					next = append(next, head+tail)
				}
			}
		}
		out = next
	}
	return out
}

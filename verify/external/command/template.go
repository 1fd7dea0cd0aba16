// Package command runs a program that the configuration names, for a user who is about to log in. Nothing that
// the user, or whoever can write to the user's entry, puts into a value may become more than that value:
//
//   - There is no shell, and there are no quotes. A [Template] is a list of words, each becomes one argument, and
//     how many there are is settled before anybody logs in.
//   - Variables are replaced in one pass over what the configuration says. What is put in is not looked at again:
//     a user who types $mail, or $(id), hands the program those letters.
//   - A value is refused if it holds control characters, or if it would turn its argument into an option.
//   - The program's environment and open files are ours to choose, and hold nothing (see [Program.Run]).
//   - It gets a time, and whatever it has started dies with it.
package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxWords and maxWord bound a template: how many words it has, and each one's octets.
	maxWords, maxWord = 64, 4096
	// maxValue is the longest value that is put in, in octets.
	maxValue = 4096
)

// Template is the words of a command line, with variables in them: $mail or $uid, a dollar sign followed by
// letters, digits and underscores. A dollar sign before anything else stands for itself, as in LemonLDAP::NG.
type Template struct {
	program string
	words   []word
}

// word becomes one argument: parts in their order.
type word []part

// part is a text, or a variable if name is set.
type part struct{ text, name string }

// Parse reads the words of a command line. The first is the absolute path of a program.
func Parse(words []string) (*Template, error) {
	switch {
	case len(words) == 0:
		return nil, errors.New("is empty: name a program by its absolute path")
	case len(words) > maxWords:
		return nil, fmt.Errorf("has %d words: use at most %d", len(words), maxWords)
	case !filepath.IsAbs(words[0]):
		return nil, fmt.Errorf("the program %.80q has no absolute path: write it, such as /usr/local/libexec/send-sms", words[0])
	case strings.Contains(words[0], "$"):
		return nil, errors.New("the program has a $ in its path: which program runs cannot depend on who logs in")
	}
	t := &Template{program: words[0], words: make([]word, 0, len(words)-1)}
	for _, w := range words {
		if len(w) > maxWord || strings.ContainsRune(w, 0) {
			return nil, fmt.Errorf("a word is longer than %d octets, or holds a NUL", maxWord)
		}
	}
	for _, w := range words[1:] {
		t.words = append(t.words, parts(w))
	}
	return t, nil
}

// parts finds the variables of a word.
func parts(w string) (found word) {
	for {
		dollar := strings.IndexByte(w, '$')
		for dollar >= 0 && nameLength(w[dollar+1:]) == 0 { // stands for itself
			next := strings.IndexByte(w[dollar+1:], '$')
			if next < 0 {
				dollar = -1
				break
			}
			dollar += 1 + next
		}
		if dollar < 0 {
			break
		}
		if dollar > 0 {
			found = append(found, part{text: w[:dollar]})
		}
		end := dollar + 1 + nameLength(w[dollar+1:])
		found = append(found, part{name: w[dollar+1 : end]})
		w = w[end:]
	}
	if w != "" || len(found) == 0 {
		found = append(found, part{text: w})
	}
	return found
}

// nameLength is how many octets of s belong to the name of a variable.
func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return i
		}
	}
	return len(s)
}

// Program is the path that the template begins with.
func (t *Template) Program() string { return t.program }

// Variables lists the names of the variables, in their order.
func (t *Template) Variables() []string {
	var names []string
	for _, w := range t.words {
		for _, p := range w {
			if p.name != "" {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// Args makes the arguments, without the program. value returns what stands for a variable. A value that no argument
// may hold is an error, and so is an empty one: a program should not be run without being told for whom. Errors name
// the variable and never the value.
func (t *Template) Args(value func(name string) string) ([]string, error) {
	args := make([]string, 0, len(t.words))
	options := true // until --
	for _, w := range t.words {
		var arg strings.Builder
		for _, p := range w {
			if p.name == "" {
				arg.WriteString(p.text)
				continue
			}
			v := value(p.name)
			if err := CheckValue(v); err != nil {
				return nil, fmt.Errorf("$%s: %w", p.name, err)
			}
			arg.WriteString(v)
		}
		text := arg.String()
		if options && w[0].name != "" && strings.HasPrefix(text, "-") {
			return nil, fmt.Errorf("$%s: the value begins with a dash, which would make it an option: write -- before it, or =$%s behind an option's name",
				w[0].name, w[0].name)
		}
		options = options && text != "--"
		args = append(args, text)
	}
	return args, nil
}

var (
	errEmpty   = errors.New("there is none")
	errControl = errors.New("the value holds a control character, or is no UTF-8")
)

// CheckValue refuses what no name, address or number holds, and what a program may read as more than one line.
func CheckValue(v string) error {
	switch {
	case v == "":
		return errEmpty
	case len(v) > maxValue:
		return fmt.Errorf("the value is longer than %d octets", maxValue)
	case !utf8.ValidString(v) || strings.ContainsFunc(v, isControl):
		return errControl
	}
	return nil
}

// isControl also counts U+2028 and U+2029, which end lines, and the marks that turn the direction of what follows.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

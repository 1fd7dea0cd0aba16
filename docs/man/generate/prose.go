package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// width is the longest line of text that mandoc finds no fault with.
const width = 78

// quotedWords are `words like these`.
var quotedWords = regexp.MustCompile("`([^`]+)`")

// prose is text in mdoc: a sentence begins a line, lines are not too long, and nothing in it is taken for a
// macro. `Words in backquotes` are bold, and so are identifiers of the code, for which their names among the keys stand.
func prose(text string, names map[string]string) string {
	text = strings.Join(strings.Fields(text), " ")
	var out strings.Builder
	for _, sentence := range sentences(text) {
		sentence = identifier.ReplaceAllStringFunc(escape(sentence), func(w string) string {
			if name, ok := names[w]; ok {
				return `\fB` + escape(name) + `\fR`
			}
			return w
		})
		sentence = quotedWords.ReplaceAllString(sentence, `\fB$1\fR`)
		out.WriteString(wrap(sentence))
	}
	return out.String()
}

// end finds where a sentence ends: at a point, perhaps in brackets, before a space and what begins a sentence.
var end = regexp.MustCompile(`[.!?][)"]?( )(?:[A-Z"(0-9\[{}]|$)`)

func sentences(text string) (all []string) {
	for {
		at := end.FindStringSubmatchIndex(text)
		if at == nil {
			return append(all, text)
		}
		all = append(all, text[:at[2]])
		text = text[at[3]:]
	}
}

// special are the characters that roff(7) takes for something else. A dash is a minus: what is written with one is mostly
// to be typed.
var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`)

func escape(text string) string {
	var out strings.Builder
	for _, r := range special.Replace(text) {
		if r < utf8.RuneSelf {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, `\[u%04X]`, r)
		}
	}
	return out.String()
}

// identifier is a word, or a type and its field, as in LDAPGroups.Base.
var identifier = regexp.MustCompile(`[A-Za-z][A-Za-z0-9_]*(?:\.[A-Z][A-Za-z0-9]*)*`)

// wrap breaks a sentence into lines.
func wrap(sentence string) string {
	var out, line strings.Builder
	flush := func() {
		if line.Len() > 0 {
			out.WriteString(guard(line.String()) + "\n")
			line.Reset()
		}
	}
	for _, w := range strings.Fields(sentence) {
		if line.Len() > 0 && line.Len()+1+len(w) > width {
			flush()
		}
		if line.Len() > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(w)
	}
	flush()
	return out.String()
}

// closed keeps a bracket or a point at the end of a macro's line from being taken for punctuation behind it.
func closed(word string) string { return escape(word) + `\&` }

// guard keeps the beginning of a line from being a macro.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

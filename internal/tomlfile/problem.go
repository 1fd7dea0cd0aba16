package tomlfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds what is remembered of a file that is wrong from end to end.
const maxProblems = 100

// problem is one thing that is wrong with the file.
type problem struct {
	// key is in the form of Errorf; empty: the file as a whole.
	key string
	// line is 0 until it is looked up.
	line int
	text string
	// unread: the value at key could not be decoded, so nothing below it can be judged.
	unread bool
}

// Warnf adds a warning at key, in the form of [File.Errorf]: something that works, and should be known.
func (f *File) Warnf(key string, format string, args ...any) {
	if len(f.warnings) < maxProblems {
		f.warnings = append(f.warnings, problem{key: key, text: fmt.Sprintf(format, args...)})
	}
}

// Warnings returns the warnings in the form of [File.Err], one an element.
func (f *File) Warnings() []string { return f.list(f.warnings) }

// Errorf adds an error at key, such as "users[3].devices[0].secret": names joined by dots, places in
// arrays counted from 0, names of other than A-Z a-z 0-9 _ - in double quotes. If the key is not in
// the file, the error shows the line of the table it is missing from.
//
// A key has one error, the first: what Decode could not read is not called missing afterwards.
func (f *File) Errorf(key string, format string, args ...any) {
	f.add(problem{key: key, text: fmt.Sprintf(format, args...)})
}

func (f *File) add(p problem) {
	if p.key != "" {
		for _, earlier := range f.problems {
			if earlier.key == p.key || earlier.unread && isBelow(p.key, earlier.key) {
				return
			}
		}
	}
	if len(f.problems) == maxProblems {
		f.unlisted++
		return
	}
	f.problems = append(f.problems, p)
}

// Err returns all errors as one, sorted by line, each on a line of its own in the form
//
//	config.toml:12: radius.clients[1].secret: what is wrong: what to do
//
// or nil if there are none.
func (f *File) Err() error {
	if len(f.problems) == 0 {
		return nil
	}
	lines := f.list(f.problems)
	if f.unlisted > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", f.path, f.unlisted))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// list sorts problems by line and renders them.
func (f *File) list(problems []problem) []string {
	f.findLines(problems)
	slices.SortStableFunc(problems, func(a, b problem) int { return a.line - b.line })
	lines := make([]string, 0, len(problems)+1)
	for _, p := range problems {
		lines = append(lines, f.place(p.line)+": "+p.describe())
	}
	return lines
}

func (p problem) describe() string {
	if p.key == "" {
		return p.text
	}
	return p.key + ": " + p.text
}

// place is "path:line", or only the path where no line is known.
func (f *File) place(line int) string {
	if line == 0 {
		return f.path
	}
	return fmt.Sprintf("%s:%d", f.path, line)
}

// Lines returns every key of the file, in the form of [File.Errorf], with its line, counted from 1. The
// map can be several times as large as the file. Errors and warnings do without it.
func (f *File) Lines() map[string]int {
	lines := make(map[string]int)
	scan(f.data, func(key []byte, line int) {
		if _, known := lines[string(key)]; !known {
			lines[string(key)] = line
		}
	})
	return lines
}

// findLines gives each problem its line, or that of the nearest table around it, in one pass.
func (f *File) findLines(problems []problem) {
	lines := make(map[string]int)
	for _, p := range problems {
		for key := p.key; key != ""; key = parent(key) {
			lines[key] = 0
		}
	}
	scan(f.data, func(key []byte, line int) {
		if known, wanted := lines[string(key)]; wanted && known == 0 {
			lines[string(key)] = line
		}
	})
	for i := range problems {
		p := &problems[i]
		for key := p.key; key != "" && p.line == 0; key = parent(key) {
			p.line = lines[key]
		}
	}
}

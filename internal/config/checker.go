package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"tandem/internal/tomlfile"
)

// checker goes over a decoded Config, completes it (absolute paths, secrets from files) and notes at
// the [tomlfile.File] what is wrong. Its methods stand beside the blocks that they check.
type checker struct {
	*tomlfile.File
	// lines are those of all keys in the file.
	lines map[string]int
	// folder holds the config file; paths are relative to it.
	folder string
}

// has reports whether the key is in the file.
func (c *checker) has(key string) bool { return c.lines[key] > 0 }

// path makes *path absolute. An empty one is an error.
func (c *checker) path(key string, path *string) {
	switch {
	case *path == "":
		c.missing(key, "name a file")
	case !filepath.IsAbs(*path):
		*path = filepath.Join(c.folder, *path)
	}
}

// missing notes that key is not in the file, or empty there.
func (c *checker) missing(key, remedy string) {
	if c.has(key) {
		c.Errorf(key, "is empty: %s", remedy)
	} else {
		c.Errorf(key, "is missing: %s", remedy)
	}
}

// oneOf checks a value that has a closed list of choices.
func (c *checker) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	last := len(allowed) - 1
	list := allowed[last]
	if last > 0 {
		list = strings.Join(allowed[:last], ", ") + " or " + list
	}
	if value == "" {
		c.missing(key, "choose "+list)
		return
	}
	c.Errorf(key, "%.40q is not known: choose %s", value, list)
}

// between checks a number or a length of time.
func between[T cmp.Ordered](c *checker, key string, value, least, most T) {
	if value < least || value > most {
		c.Errorf(key, "%s is out of range: choose from %s to %s", show(value), show(least), show(most))
	}
}

// show writes a value as it is written in the file: 5m, not 5m0s.
func show(value any) string {
	text := fmt.Sprint(value)
	if d, ok := value.(time.Duration); ok {
		if d != 0 && d%time.Minute == 0 {
			text = strings.TrimSuffix(text, "0s")
		}
		if d != 0 && d%time.Hour == 0 {
			text = strings.TrimSuffix(text, "0m")
		}
	}
	return text
}

// maxName bounds the names of clients and policies, which stand in each log line.
const maxName = 64

// name checks the name of one of several blocks and that no earlier one has it; seen maps names to
// the keys that gave them.
func (c *checker) name(key, name string, seen map[string]string) {
	switch {
	case name == "":
		c.missing(key, "give it one")
		return
	case len(name) > maxName:
		c.Errorf(key, "is %d bytes long: use at most %d", len(name), maxName)
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.Errorf(key, "%q has spaces around it or characters that cannot be seen: leave them out", name)
	}
	if earlier, ok := seen[name]; ok {
		c.Errorf(key, "%q is also the name of %s on line %d: give each its own", name, earlier, c.lines[earlier])
		return
	}
	seen[name] = strings.TrimSuffix(key, ".name")
}

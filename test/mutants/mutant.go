package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A mutant takes a defence out, by one edit or, where two lines defend the same, by several; and
// names the test that must notice.
type mutant struct {
	Row  int    `toml:"row"`
	Name string `toml:"name"`
	edit
	Also    []edit `toml:"also"`
	Package string `toml:"package"`
	Run     string `toml:"run"`
	// source is the file that the mutant is written in.
	source string
}

// An edit replaces what occurs exactly once in a file.
type edit struct {
	File    string `toml:"file"`
	Find    string `toml:"find"`
	Replace string `toml:"replace"`
}

// load reads the mutants of every *.toml in dir, or only of file, sorted by row. With a row above
// 0 it keeps only those of that row. All mistakes are reported at once.
func load(dir, file string, row int) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	switch {
	case strings.ContainsRune(file, filepath.Separator):
		paths = []string{file}
	case file != "":
		paths = []string{filepath.Join(dir, file)}
	}
	var (
		mutants  []mutant
		mistakes []error
	)
	for _, path := range paths {
		ms, err := loadFile(path)
		mutants = append(mutants, ms...)
		mistakes = append(mistakes, err)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if row > 0 {
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return m.Row != row })
	}
	if len(mutants) == 0 {
		return nil, fmt.Errorf("no mutants in %s with this -file and -row", dir)
	}
	slices.SortStableFunc(mutants, func(a, b mutant) int { return a.Row - b.Row })
	return mutants, nil
}

func loadFile(path string) ([]mutant, error) {
	var content struct {
		Mutant []mutant `toml:"mutant"`
	}
	meta, err := toml.DecodeFile(path, &content)
	if parse := (toml.ParseError{}); errors.As(err, &parse) {
		return nil, fmt.Errorf("%s:%d: %w", path, parse.Position.Line, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var mistakes []error
	for _, key := range meta.Undecoded() {
		mistakes = append(mistakes, fmt.Errorf("%s: unknown key %q", path, key))
	}
	for i := range content.Mutant {
		m := &content.Mutant[i]
		m.source = filepath.Base(path)
		for key, bad := range map[string]bool{
			"row":     m.Row < 1,
			"name":    m.Name == "",
			"file":    !filepath.IsLocal(m.File),
			"find":    m.Find == "",
			"replace": m.Replace == m.Find,
			"package": m.Package == "",
			"run":     m.Run == "",
		} {
			if bad {
				mistakes = append(mistakes, fmt.Errorf("%s: mutant %d %q: %s is missing or makes no sense", path, i+1, m.Name, key))
			}
		}
	}
	return content.Mutant, errors.Join(mistakes...)
}

// apply returns the content of each file that m edits, with the edits made.
func (m mutant) apply(root string) (map[string][]byte, error) {
	edited := map[string][]byte{}
	for _, e := range append([]edit{m.edit}, m.Also...) {
		path := filepath.Join(root, e.File)
		text, ok := edited[path]
		if !ok {
			var err error
			if text, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("read what is to be mutated: %w", err)
			}
		}
		if n := strings.Count(string(text), e.Find); n != 1 {
			return nil, fmt.Errorf("%s: what find says occurs %d times, want exactly 1", e.File, n)
		}
		edited[path] = []byte(strings.Replace(string(text), e.Find, e.Replace, 1))
	}
	return edited, nil
}

// Command generate makes the manual pages out of their sources in docs/man and of what the code says of itself:
//
//	go run ./docs/man/generate -out build/man
//
// A source is a page in mdoc(7). Where a line of it is one of these, what the code says stands in its place:
//
//	.\" @keys internal/config Config   the keys of a configuration file, by the comments of its types
//	.\" @commands tandem               what `tandem completion json` says of the command line
//	.\" @options cmd/tandemd           the options, by the constant `usage`
//
// So a key, a command or an option has one description, beside the code that it describes, and a page cannot
// forget one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is main without the process.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "the project's folder")
	out := flags.String("out", "build/man", "where the pages go")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := generate(*root, *out); err != nil {
		fmt.Fprintln(stderr, "generate:", err)
		return 1
	}
	return 0
}

// generate writes each page of docs/man into the folder out.
func generate(root, out string) error {
	sources, err := filepath.Glob(filepath.Join(root, "docs/man/*.[1-8]"))
	if err != nil || len(sources) == 0 {
		return errors.Join(err, fmt.Errorf("there are no pages in %s/docs/man", root))
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // pages are for everybody
		return err
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		page, err := expand(root, string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		if err := os.WriteFile(filepath.Join(out, filepath.Base(source)), []byte(page), 0o644); err != nil { //nolint:gosec // the same
			return err
		}
	}
	return nil
}

// marker begins a line that something is put in the place of.
const marker = `.\" @`

// expand puts what the code says into a page.
func expand(root, text string) (string, error) {
	var page strings.Builder
	for line := range strings.Lines(text) {
		wish, ok := strings.CutPrefix(line, marker)
		if !ok {
			page.WriteString(line)
			continue
		}
		words := strings.Fields(wish)
		var part string
		var err error
		switch {
		case len(words) == 3 && words[0] == "keys":
			part, err = keys(filepath.Join(root, words[1]), words[2])
		case len(words) == 2 && words[0] == "commands":
			part, err = commands(root, words[1])
		case len(words) == 2 && words[0] == "options":
			part, err = options(filepath.Join(root, words[1]))
		default:
			err = errors.New("nobody knows what to put there")
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
		page.WriteString(part)
	}
	return page.String(), nil
}

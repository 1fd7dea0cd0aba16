package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxTyped is the longest line that is read from a person or a pipe, in octets.
const maxTyped = 4096

// asker asks a person, or reads the lines of a pipe.
type asker struct {
	in     io.Reader
	lines  *bufio.Reader
	prompt io.Writer
}

func newAsker(e *env) *asker {
	return &asker{in: e.stdin, lines: bufio.NewReaderSize(e.stdin, maxTyped), prompt: e.stderr}
}

// terminal returns the terminal's descriptor, if a person types.
func (a *asker) terminal() (fd int, ok bool) {
	f, isFile := a.in.(*os.File)
	if !isFile {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// ask prints the prompt and reads one line: without echo from a terminal, as it is from a pipe.
func (a *asker) ask(prompt string) (string, error) {
	if fd, ok := a.terminal(); ok {
		fmt.Fprint(a.prompt, prompt)
		typed, err := term.ReadPassword(fd)
		fmt.Fprintln(a.prompt)
		return string(typed), err
	}
	return a.line(prompt)
}

// askOpenly is ask with echo: for what may be seen on the screen.
func (a *asker) askOpenly(prompt string) (string, error) {
	if _, ok := a.terminal(); ok {
		fmt.Fprint(a.prompt, prompt)
	}
	return a.line(prompt)
}

// line reads the next line; prompt is what it was to answer.
func (a *asker) line(prompt string) (string, error) {
	line, err := a.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("standard input: a line of more than %d octets", maxTyped)
	case errors.Is(err, io.EOF) && len(line) == 0:
		return "", fmt.Errorf("standard input ended where %q was to be answered", strings.TrimSpace(prompt))
	case err != nil && !errors.Is(err, io.EOF):
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

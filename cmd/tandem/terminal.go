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

// errInterrupted ends a question that nobody answered before ctrl-C.
var errInterrupted = errors.New("interrupted")

// asker asks a person, or reads the lines of a pipe.
type asker struct {
	interrupted <-chan struct{}
	in          io.Reader
	lines       *bufio.Reader
	prompt      io.Writer
}

func newAsker(e *env) *asker {
	return &asker{interrupted: e.ctx.Done(), in: e.stdin, lines: bufio.NewReaderSize(e.stdin, maxTyped), prompt: e.stderr}
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
	fd, ok := a.terminal()
	if !ok {
		return a.line(prompt)
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("look at the terminal: %w", err)
	}
	fmt.Fprint(a.prompt, prompt)
	typed, err := a.wait(func() (string, error) {
		typed, err := term.ReadPassword(fd)
		return string(typed), err
	})
	fmt.Fprintln(a.prompt)
	if errors.Is(err, errInterrupted) {
		return "", errors.Join(err, term.Restore(fd, before)) // or the shell would go on without echo
	}
	return typed, err
}

// askOpenly is ask with echo: for what may be seen on the screen.
func (a *asker) askOpenly(prompt string) (string, error) {
	if _, ok := a.terminal(); ok {
		fmt.Fprint(a.prompt, prompt)
	}
	typed, err := a.line(prompt)
	if errors.Is(err, errInterrupted) {
		fmt.Fprintln(a.prompt)
	}
	return typed, err
}

// line reads the next line; prompt is what it was to answer.
func (a *asker) line(prompt string) (string, error) {
	line, err := a.wait(func() (string, error) {
		line, err := a.lines.ReadSlice('\n')
		return string(line), err
	})
	switch {
	case errors.Is(err, errInterrupted):
		return "", err
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("standard input: a line of more than %d octets", maxTyped)
	case errors.Is(err, io.EOF) && line == "":
		return "", fmt.Errorf("standard input ended where %q was to be answered", strings.TrimSpace(prompt))
	case err != nil && !errors.Is(err, io.EOF):
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// wait reads until there is an answer or the command is interrupted. Nothing ends a read from a terminal: the
// interrupted one lasts as long as the process, which has nothing left to do.
func (a *asker) wait(read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{text, err}
	}()
	select {
	case it := <-answered:
		return it.text, it.err
	case <-a.interrupted:
		return "", errInterrupted
	}
}

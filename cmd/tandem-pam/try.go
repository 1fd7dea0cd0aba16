package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/msteinert/pam/v2"
	"golang.org/x/term"

	"tandem/pamhelper/local"
)

// try has a PAM service ask the person at the terminal, as sshd or sudo would, and says what came of it.
func try(service, user string, stdin *os.File, stdout, stderr io.Writer) (int, error) {
	lines := bufio.NewReader(stdin)
	read := func(prompt string, echo bool) (string, error) {
		fmt.Fprint(stderr, prompt)
		if fd := int(stdin.Fd()); term.IsTerminal(fd) && !echo {
			typed, err := term.ReadPassword(fd)
			fmt.Fprintln(stderr)
			return string(typed), err
		}
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	tx, err := pam.StartFunc(service, user, func(s pam.Style, text string) (string, error) {
		switch s {
		case pam.PromptEchoOff, pam.PromptEchoOn:
			return read(text, s == pam.PromptEchoOn)
		case pam.ErrorMsg, pam.TextInfo:
			fmt.Fprintln(stderr, text)
			return "", nil
		case pam.BinaryPrompt:
		}
		return "", errors.New("a question that no terminal can answer")
	})
	if err != nil {
		return exitFailed, fmt.Errorf("PAM service %s: %w", service, err)
	}
	step := "auth"
	err = tx.Authenticate(0)
	if err == nil {
		step, err = "account", tx.AcctMgmt(0)
	}
	if err != nil {
		_, printErr := fmt.Fprintf(stdout, "The PAM service %s does not let %s in (%s: %v).\n", service, user, step, err)
		return local.ExitWrong, errors.Join(printErr, tx.End())
	}
	_, err = fmt.Fprintf(stdout, "The PAM service %s lets %s in.\n", service, user)
	return exitDone, errors.Join(err, tx.End())
}

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/msteinert/pam/v2"

	"tandem/pamhelper/local"
)

// checkPassword asks a PAM service whether the password on standard input is the user's, and whether the
// account may be used. It answers each question of the modules' that is not to be shown with the
// password, and no other.
func checkPassword(service string, stdin io.Reader) (int, error) {
	if service == "" || strings.ContainsAny(service, "/\x00") {
		return exitUsage, fmt.Errorf("%.40q is not a PAM service: name a file of /etc/pam.d", service)
	}
	input, err := io.ReadAll(io.LimitReader(stdin, 4<<10))
	if err != nil {
		return exitFailed, fmt.Errorf("read name and password: %w", err)
	}
	name, password, found := strings.Cut(string(input), "\x00")
	if !found || name == "" || password == "" {
		return exitUsage, errors.New("standard input must be a name, a NUL and a password")
	}
	tx, err := pam.StartFunc(service, name, func(s pam.Style, text string) (string, error) {
		switch s {
		case pam.PromptEchoOff:
			return password, nil
		case pam.ErrorMsg, pam.TextInfo:
			return "", nil
		case pam.PromptEchoOn, pam.BinaryPrompt:
		}
		return "", fmt.Errorf("the PAM service %s asks for more than a password: %.80q", service, text)
	})
	if err != nil {
		return exitFailed, fmt.Errorf("PAM service %s: %w", service, err)
	}
	err = tx.Authenticate(pam.Silent | pam.DisallowNullAuthtok)
	if err == nil {
		err = tx.AcctMgmt(pam.Silent)
	}
	code, err := answer(service, err)
	return code, errors.Join(err, tx.End())
}

// answer tells a definite no from a service that cannot decide.
func answer(service string, err error) (int, error) {
	if err == nil {
		return local.ExitRight, nil
	}
	for _, no := range []error{
		pam.ErrAuth, pam.ErrUserUnknown, pam.ErrMaxtries, pam.ErrPermDenied, pam.ErrAcctExpired, pam.ErrNewAuthtokReqd, pam.ErrCredExpired,
	} {
		if errors.Is(err, no) {
			return local.ExitWrong, nil
		}
	}
	return exitFailed, fmt.Errorf("PAM service %s: %w", service, err)
}

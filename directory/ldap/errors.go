package ldap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// brokenError is what happened to a connection instead of an answer.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// broken wraps what went wrong on a connection; if ctx has ended, then that is why. ctx has a deadline.
func broken(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done() // the network's timer is a moment ahead
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &brokenError{err}
}

// slowError says that a server, and not the caller, has used up its time.
type slowError struct{ after time.Duration }

func (e *slowError) Error() string {
	return fmt.Sprintf("no answer for %v", e.after.Round(time.Millisecond))
}

// Is makes it a context.DeadlineExceeded.
func (e *slowError) Is(target error) bool { return target == context.DeadlineExceeded }

// answerError is a server's answer that is not "success".
type answerError struct{ answer *goldap.Error }

// Error quotes the server's own words, since they end up in logs.
func (e *answerError) Error() string {
	text := fmt.Sprintf("the server answers %d %q", e.answer.ResultCode, goldap.LDAPResultCodeMap[e.answer.ResultCode])
	if words := e.answer.Err.Error(); words != "" {
		text += fmt.Sprintf(" and says %q", words)
	}
	return text
}

// Unwrap keeps the result code in reach of goldap.IsErrorWithCode.
func (e *answerError) Unwrap() error { return e.answer }

// waitError: no connection was free for the caller, and nothing was tried.
type waitError struct{ err error }

func (e *waitError) Error() string { return e.err.Error() }
func (e *waitError) Unwrap() error { return e.err }

// serverError says which server an error comes from.
type serverError struct {
	url string
	err error
}

func (e *serverError) Error() string { return e.url + ": " + e.err.Error() }
func (e *serverError) Unwrap() error { return e.err }

// answered returns err as the server's answer (RFC 4511 §4.1.9), or nil if it is none.
func answered(err error) *answerError {
	var e *goldap.Error
	// goldap numbers its own troubles from 200 on.
	if !errors.As(err, &e) || e.ResultCode >= goldap.ErrorNetwork && e.ResultCode <= goldap.ErrorMalformedPacket {
		return nil
	}
	return &answerError{e}
}

package bolt

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A panicError is a panic that went through bbolt: a broken page, or one that cannot be read.
type panicError struct {
	cause any
	stack []byte
}

// panicIn finds the panic in err, or returns nil.
func panicIn(err error) *panicError {
	if err == nil { // as nearly always: what follows needs memory
		return nil
	}
	var broken *panicError
	_ = errors.As(err, &broken)
	return broken
}

func (e *panicError) Error() string { return fmt.Sprintf("panic in bbolt: %v", e.cause) }

// guard runs f, which calls bbolt, and turns its panic into a [*panicError]. So it does a fault
// on reading the mapped file (SIGBUS after an input error), which would end the process otherwise.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause: cause, stack: debug.Stack()}
		}
	}()
	return f()
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"
)

// TestInterruptEndsAQuestion: without it, ctrl-C would be noticed only after somebody had answered.
func TestInterruptEndsAQuestion(t *testing.T) {
	for name, ask := range map[string]func(*asker, string) (string, error){"hidden": (*asker).ask, "open": (*asker).askOpenly} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			in, silent := io.Pipe()
			defer func() { _ = silent.Close() }() // the terminal that is hung up ends the read
			ctx, interrupt := context.WithCancel(t.Context())
			a := newAsker(&env{ctx: ctx, stdin: in, stderr: new(bytes.Buffer)})
			interrupt()
			if _, err := ask(a, "Code: "); !errors.Is(err, errInterrupted) {
				t.Errorf("%v", err)
			}
		})
	}
}

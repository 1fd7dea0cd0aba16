// Package faults breaks things under load, and checks that no code was accepted twice and no counter moved back.
//
// People ([person]) log in at real tandemds, over RADIUS and PAM at once, and send each of their codes to every
// node and door at the same time, and again later. Each such login is an operation of the person's history, with
// the time at which it was sent, the time at which its answer came, and what the answer was. Meanwhile a schedule
// of faults kills, pauses and cuts off nodes and etcd members, cuts the power of disks, and so on. A checker then
// says whether the history is one that a single, never failing register "highest counter accepted" could have
// had; an operation without an answer may have happened or not (history_test.go).
//
//	go test ./test/faults                   the short form, about two minutes
//	make soak SOAK=30m                      the long one, with figures
//
// Everything runs on loopback, in folders of the tests' own. Tests that mount file systems need root.
package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"tandem/test/apart"
)

// bin is the folder with tandemd, as `make build` makes it.
var bin string

func TestMain(m *testing.M) {
	apart.Main()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		bin, err = dir, build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func build(dir string) error {
	compile := exec.Command("go", "build", "-trimpath", "-o", dir, "tandem/cmd/tandemd")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("build tandemd: %w", err), errors.New(string(out)))
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Since import, export and device add, this command holds everybody's secrets, as the daemon does.
func TestRow50_NoSecretsInCoreFiles(t *testing.T) {
	if os.Getenv("TANDEM_REVIEW_CHILD") != "" {
		run(t.Context(), []string{"version"}, nil, io.Discard, io.Discard)
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		fmt.Println("dumpable:", dumpable, err)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRow50_NoSecretsInCoreFiles$")
	child.Env = append(os.Environ(), "TANDEM_REVIEW_CHILD=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "dumpable: 0 <nil>") {
		t.Errorf("%v: %s", err, out)
	}
}

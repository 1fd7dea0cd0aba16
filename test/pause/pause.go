// Package pause stops a process of a test in its tracks, so that it hangs: the kernel still accepts connections for it.
package pause

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Process sends p a SIGSTOP and returns when it has stopped. A thread that is running stops only when the kernel comes to it:
// until then it may answer. SIGCONT ends that. If p has ended, nothing happens.
func Process(p *os.Process) error {
	switch err := p.Signal(syscall.SIGSTOP); {
	case errors.Is(err, os.ErrProcessDone):
		return nil
	case err != nil:
		return fmt.Errorf("stop process %d: %w", p.Pid, err)
	}
	tasks := fmt.Sprintf("/proc/%d/task/*/stat", p.Pid)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		stats, err := filepath.Glob(tasks)
		if err != nil || !slices.ContainsFunc(stats, runs) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not stop", p.Pid)
		}
	}
}

// runs reports whether the thread of a stat file has neither stopped nor ended; see proc(5).
func runs(path string) bool {
	stat, err := os.ReadFile(path)
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "Z")
}

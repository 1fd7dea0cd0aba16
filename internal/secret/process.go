package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepOutOfCoreFiles makes sure that no crash of this process writes secrets to disk, and that no other process
// of the same user reads them from its memory.
func KeepOutOfCoreFiles() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}

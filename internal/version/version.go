// Package version says which Tandem this is. The Makefile takes all of it from the commit, so that two builds of one
// commit are the same, octet by octet.
package version

import "runtime"

// Set by the linker (-X), see the Makefile.
var (
	// Version is the release, or "dev".
	Version = "dev"
	// Commit is the source's revision.
	Commit = "unknown"
	// Date is when the commit was made (RFC 3339, UTC).
	Date = "unknown"
)

// String is what the programs print for --version: "tandem 1.2.0 (1265f4b, 2026-11-21T21:35:10Z) go1.26.8 linux/amd64".
func String() string {
	return "tandem " + Version + " (" + Commit + ", " + Date + ") " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// Package version says which Tandem this is.
package version

import "runtime"

// Set by the linker (-X), see the Makefile.
var (
	// Version is the release, or "dev".
	Version = "dev"
	// Commit is the source's revision.
	Commit = "unknown"
)

// String is what `tandem version` prints: "tandem dev (unknown) go1.26.8 linux/amd64".
func String() string {
	return "tandem " + Version + " (" + Commit + ") " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

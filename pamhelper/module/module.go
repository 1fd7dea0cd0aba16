// Package module holds the sources of pam_tandem.so, the PAM module.
//
// The module is C, not Go: a Go runtime inside sshd hangs after sshd's fork. What it says over its
// socket is written down in docs/pam-protocol.md, and package pamhelper is the other side. The sources
// stand in src; Makefile builds them.
package module

import "embed"

// Sources are the module's C files, as src/NAME, and its Makefile. The tests build the module from them.
//
//go:embed src/*.c src/*.h Makefile
var Sources embed.FS

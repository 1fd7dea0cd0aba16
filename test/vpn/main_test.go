// Package vpn logs in through real VPN gateways: Debian's ocserv, OpenVPN and strongSwan ask a real tandemd, real clients of
// theirs type what a user would, and then something is fetched through the tunnel. What it shows is written for
// administrators in docs/vpn.
//
// All of it happens in two network namespaces (test/netns), so nothing is in the way of its addresses, its tunnels or its
// ports:
//
//	road, 203.0.113.2 ── 203.0.113.1, gateway ── 10.99.0.1, what is inside
//	  the client              VPN, tandemd           one service
package vpn

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// bin holds tandemd and tandem.
var bin string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tandem-vpn-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	compile := exec.Command("go", "build", "-trimpath", "-o", dir, "tandem/cmd/tandemd", "tandem/cmd/tandem")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Package packages tests what an administrator installs: the packages themselves, the service's sandbox, the profiles that confine
// it, and the container's image.
//
//	go test ./test/packages              what needs no package to be built
//	go test ./test/packages -install     builds the packages and installs them in a fresh Debian; `make test-packages`
package packages

import (
	"encoding/base32"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var install = flag.Bool("install", false, "build the packages and install them in a fresh Debian (root, network, minutes)")

// top is the project's folder, from which the scripts and targets are named.
const top = "../.."

// patience bounds every wait for a program; a loaded machine is slow.
const patience = 30 * time.Second

// need finds a program, or fails the test naming the Debian package that it comes from.
func need(t testing.TB, program, debianPackage string) string {
	t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, program)
		}
	}
	t.Fatalf("%s is missing: apt-get install %s", program, debianPackage)
	return ""
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for namespaces, users and chroot")
	}
}

// run runs a program to its end and returns what it said; a failure fails the test.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until what holds, as real programs take their time.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// token is the key of a user's TOTP device.
func token(user string) string {
	return base32.StdEncoding.EncodeToString([]byte((user + " has a key of 20 octets")[:20]))
}

// code is the user's code of the step that is n away from now's.
func code(t testing.TB, user string, n int) string {
	t.Helper()
	at := time.Now().Add(time.Duration(n) * 30 * time.Second).UTC().Format("2006-01-02 15:04:05 UTC")
	return strings.TrimSpace(run(t, need(t, "oathtool", "oathtool"), "--totp", "-b", "--now="+at, token(user)))
}

const password = "correct horse"

// users is a users file with alice and bob, who have the same password.
func users(t testing.TB) string {
	t.Helper()
	hash := strings.TrimSpace(run(t, need(t, "openssl", "openssl"), "passwd", "-6", password))
	var all strings.Builder
	for _, name := range []string{"alice", "bob"} {
		fmt.Fprintf(&all, "[[users]]\nname = %q\npassword = %q\nphone = \"+491701234512\"\ndevices = [{ type = \"TOTP\", secret = %q }]\n", name, hash, token(name))
	}
	return all.String()
}

package main

import (
	"context"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tandem/test/freeport"
)

// TestMain lets scripts run this command as `tandem` (in this test's binary, so that coverage and the
// race detector see it), and builds the daemon that it talks to.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tandem": main})
}

var update = flag.Bool("update", false, "rewrite the golden output in the scripts")

// TestScripts runs testdata/script/*.txtar. `go test ./cmd/tandem -update` rewrites golden output.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "tandem/cmd/tandemd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tandemd: %v\n%s", err, out)
	}
	for program, debian := range map[string]string{"oathtool": "oathtool", "zbarimg": "zbar-tools", "pskctool": "pskctool"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", program, debian)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			address, err := freeport.Address()
			if err != nil {
				return err
			}
			e.Setenv("ADDR", address)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("KEY", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand":  expand,
			"code":    code,
			"waitfor": waitFor,
			"plain":   plain,
			"hotp":    hotp,
			"touch":   touch,
		},
	})
}

// expand FILE: replaces $NAME in a file by the script's variables, and makes it private.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(name), func(v string) string {
			if s := ts.Getenv(v); s != "" {
				return s
			}
			return "$" + v // a hash is full of dollars
		})), 0o600))
		ts.Check(os.Chmod(path, 0o600))
	}
}

// code sets $CODE to what oathtool says the TOTP code of $KEY is, early enough in its step to be used.
func code(ts *testscript.TestScript, _ bool, _ []string) {
	if left := 30 - time.Now().Unix()%30; left < 8 {
		time.Sleep(time.Duration(left)*time.Second + 100*time.Millisecond)
	}
	out, err := exec.Command("oathtool", "--totp", "--base32", ts.Getenv("KEY")).Output()
	ts.Check(err)
	ts.Setenv("CODE", strings.TrimSpace(string(out)))
}

// hotp COUNTER: sets $HOTP to what oathtool says the HOTP code of $KEY is.
func hotp(ts *testscript.TestScript, _ bool, args []string) {
	out, err := exec.Command("oathtool", "--hotp", "--base32", "--counter", args[0], ts.Getenv("KEY")).Output()
	ts.Check(err)
	ts.Setenv("HOTP", strings.TrimSpace(string(out)))
}

// touch USE: sets $OTP to what a YubiKey types when it is touched for the USEth time since it got power. Its keys are those
// of the example in Yubico's own documents, as device.txtar's keys file has them.
func touch(ts *testscript.TestScript, _ bool, args []string) {
	use, err := strconv.ParseUint(args[0], 10, 8)
	ts.Check(err)
	private, err := hex.DecodeString("8792ebfe26cc")
	ts.Check(err)
	key, err := hex.DecodeString("ecde18dbe76fbd0c33330f1c354871db")
	ts.Check(err)
	block := append(private, 19, 0, 0, 0, 0, byte(use), 0, 0) // the session, a clock, the use, noise
	crc := uint16(0xffff)
	for _, octet := range block {
		crc ^= uint16(octet)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			crc ^= odd * 0x8408
		}
	}
	block = binary.LittleEndian.AppendUint16(block, ^crc)
	cipher, err := aes.NewCipher(key)
	ts.Check(err)
	cipher.Encrypt(block, block)
	typed := "dteffujehknh"
	for _, octet := range block {
		typed += string("cbdefghijklnrtuv"[octet>>4]) + string("cbdefghijklnrtuv"[octet&15])
	}
	ts.Setenv("OTP", typed)
}

// variable finds what is different at each run: times, versions, random names, numbers of bytes, the script's folder.
var variable = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z?`), "TIME"},
	{regexp.MustCompile(`secret=[A-Z2-7]+`), "secret=KEY"},
	{regexp.MustCompile(`\bMT[0-9A-Za-z+/]{14,}=*`), "DEVICE-ID"},
	{regexp.MustCompile(`(registered +)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "${1}TIME"},
	{regexp.MustCompile(`((?:DEVICE-ID|HOTP "T-2") +)\d{4}-\d\d-\d\d`), "${1}2026-DA-TE"}, // as long, as columns are aligned
	{regexp.MustCompile(`"by":"\w+","pid":\d+`), `"by":"ADMIN"`},
	{regexp.MustCompile(`"[0-9a-f]{32}"`), `"ID"`},
	{regexp.MustCompile(`tandem \S+ \([^)]+\) go\S+ \S+/\w+`), "tandem VERSION"},
	{regexp.MustCompile(`\d{4,} bytes|"size":\d+`), "SIZE"},
}

// plain FILE: writes what the last command printed into FILE, without what is different at each run.
func plain(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile("stdout")+ts.ReadFile("stderr"), ts.Getenv("WORK"), "WORK")
	for _, v := range variable {
		text = v.find.ReplaceAllString(text, v.put)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// waitfor SOCKET: waits until somebody listens there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Clean(ts.MkAbs(args[0]))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			ts.Check(fmt.Errorf("nobody listens on %s: %w", path, err))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

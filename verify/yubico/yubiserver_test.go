package yubico

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/test/freeport"
	"tandem/verify"
	"tandem/verify/factortest"
)

// yubiserver starts Debian's validation server in a folder of its own, knowing these keys, and returns what a
// factor needs to ask it.
func yubiserver(t *testing.T, keys ...yubikey) Config {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("yubiserver runs as its own user, which only root can have it become")
	}
	for _, program := range []string{"yubiserver", "yubiserver-admin"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install yubiserver, or run test/deps.sh", err)
		}
	}
	dir, database := serverFolder(t)
	for i, k := range keys {
		run(t, "yubiserver-admin", "-b", database, "-y", "-a", "user"+strconv.Itoa(i), k.id, k.private, k.aes)
	}
	printed := run(t, "yubiserver-admin", "-b", database, "-p", "-a", "tandem", "01234567890123456789")
	key := regexp.MustCompile(`: (\S+)\nYou API key ID is: (\d+)`).FindStringSubmatch(printed)
	if key == nil {
		t.Fatalf("yubiserver-admin gave no API key: %s", printed)
	}
	id, err := strconv.Atoi(key[2])
	if err != nil {
		t.Fatal(err)
	}
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "yubiserver", "-d", database, "-p", strconv.Itoa(port), "-l", filepath.Join(dir, "log"))
	t.Cleanup(func() { endServer(t, database) })
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	waitFor(t, "http://"+address+"/")
	return Config{Servers: []string{"http://" + address + "/wsapi/2.0/verify"}, ClientID: id, APIKey: secret.New(key[1])}
}

// serverFolder has an empty database that yubiserver's user can write.
func serverFolder(t *testing.T) (dir, database string) {
	t.Helper()
	owner, err := user.Lookup("yubiserver")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.MkdirTemp("", "tandem-yubiserver-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	database = filepath.Join(dir, "db")
	empty, err := os.ReadFile("/etc/yubiserver/yubiserver.sqlite.init")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, database} {
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	return dir, database
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = 100 * time.Millisecond // the daemon keeps what it printed to
	if err := c.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v: %s", program, err, &out)
	}
	return out.String()
}

// endServer ends the daemon that has our database, and so is ours.
func endServer(t *testing.T, database string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(line), "yubiserver\x00-d\x00"+database+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGTERM)
		}
		if err != nil {
			t.Error(err)
		}
		ended = true
	}
	if !ended {
		t.Error("yubiserver was not found, and may still run")
	}
}

func waitFor(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		response, err := client.Get(url)
		if err == nil {
			_ = response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestYubiserver: the same things as with the servers of our own, with one that we have not written.
func TestYubiserver(t *testing.T) {
	c := yubiserver(t, alices, bobs)
	f, kept := remoteFactor(t, c), &factortest.Kept{}
	alice, bob := owner(alices.device()), owner(bobs.device())
	right := alices.code(t, 2, 1)
	for _, step := range []struct {
		what, typed string
		want        verify.Result
	}{
		{"a wrong code", alices.id + bobs.code(t, 2, 1)[idLength:], verify.NoMatch},
		{"a right one, in upper case", strings.ToUpper(right), verify.Match},
		{"the same again", right, verify.Used},
		{"an earlier one", alices.code(t, 1, 1), verify.Used},
		{"the next session's", alices.code(t, 3, 1), verify.Match},
		{"bob's", bobs.code(t, 9, 1), verify.NoMatch},
	} {
		finding := check(t, f, alice, step.typed, kept)
		if finding.Result != step.want || step.want == verify.Match && !kept.Take(finding) {
			t.Errorf("%s: %+v", step.what, finding)
		}
	}
	if finding := check(t, f, bob, bobs.code(t, 9, 2), kept); finding.Result != verify.Match {
		t.Errorf("bob's for bob: %+v", finding)
	}

	unknown := c
	unknown.ClientID += 7
	if _, err := remoteFactor(t, unknown).Check(t.Context(), alice, alices.code(t, 4, 1), kept); err == nil || !strings.Contains(err.Error(), "NO_SUCH_CLIENT") {
		t.Errorf("with an unknown client id: %v", err)
	}
	wrong := c
	wrong.APIKey = secret.New("YWFhYWFhYWFhYWFhYWFhYWFhYWE=")
	if _, err := remoteFactor(t, wrong).Check(t.Context(), alice, alices.code(t, 5, 1), kept); err == nil || !strings.Contains(err.Error(), "api_key") {
		t.Errorf("with a wrong API key: %v", err)
	}
}

// TestYubiserverConformance: it gives counters and does not sign them, so that codes are remembered by their hash.
func TestYubiserverConformance(t *testing.T) {
	c := yubiserver(t, alices, bobs)
	session := uint16(0)
	factortest.Run(t, func(t *testing.T) factortest.Subject {
		return factortest.Subject{
			Factor: remoteFactor(t, c),
			User:   owner(alices.device()),
			Right:  func(t *testing.T) string { session++; return alices.code(t, session, 1) },
			Wrong:  []string{alices.id + bobs.code(t, 7, 1)[idLength:], bobs.code(t, 7, 1)},
		}
	})
}

// TestRow33_AYubiserverThatForgets says OK again to a code that is used.
func TestRow33_AYubiserverThatForgets(t *testing.T) {
	before, restored := yubiserver(t, alices), yubiserver(t, alices)
	u, kept, typed := owner(alices.device()), &factortest.Kept{}, alices.code(t, 2, 1)
	if !login(t, remoteFactor(t, before), u, typed, kept) {
		t.Fatal("a right code was refused")
	}
	if finding := check(t, remoteFactor(t, restored), u, typed, kept); finding.Result != verify.Used {
		t.Errorf("%+v", finding)
	}
	if finding := check(t, remoteFactor(t, restored), u, typed, &factortest.Kept{}); finding.Result != verify.Match {
		t.Errorf("the server has not forgotten, and the test shows nothing: %+v", finding)
	}
}

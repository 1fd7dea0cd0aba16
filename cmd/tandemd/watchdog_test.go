package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tandem/test/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager stands in for systemd: it hears what the daemon says to NOTIFY_SOCKET.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return l
}

func hear(l *net.UnixConn) (string, error) {
	b := make([]byte, 256)
	n, err := l.Read(b)
	return string(b[:n]), err
}

// TestWatchdogIsAnswered: also while nobody can be let in, because the directory is down.
func TestWatchdogIsAnswered(t *testing.T) {
	var ports []string
	for range 2 {
		address, err := freeport.Address()
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, address)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(`
[radius]
listen = ["`+ports[0]+`"]
[[radius.clients]]
name = "vpn"
networks = ["127.0.0.1"]
secret = "a shared secret of the tests"
[directory]
type = "ldap"
[directory.ldap]
urls = ["ldap://`+ports[1]+`"]
base = "dc=example,dc=org"
filter = "(uid=%u)"
[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[metrics]
listen = ""
[admin]
socket = "a.sock"
`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := manager(t)
	_ = l.SetReadDeadline(time.Now().Add(20 * time.Second))
	t.Setenv("WATCHDOG_USEC", "300000")

	ctx, cancel := context.WithCancel(t.Context())
	var said bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"--config", path}, process{stdout: &said, stderr: &said, notify: notifySystemd})
		_ = l.SetReadDeadline(time.Now())
	}()
	var all []string
	for len(all) < 4 {
		state, err := hear(l)
		if err != nil {
			t.Errorf("the daemon says no more: %v", err)
			break
		}
		all = append(all, state)
	}
	cancel()
	if status := <-ended; status != exitDone {
		t.Fatalf("exit status %d: %s", status, &said)
	}
	if got := strings.Join(all, " "); got != "READY=1 WATCHDOG=1 WATCHDOG=1 WATCHDOG=1" {
		t.Errorf("the service manager heard %s", got)
	}

	t.Setenv("WATCHDOG_USEC", "soon")
	said.Reset()
	if status := run(t.Context(), []string{"--config", path}, process{stdout: &said, stderr: &said}); status != exitFailed || !strings.Contains(said.String(), "WATCHDOG_USEC") {
		t.Errorf("a watchdog that cannot be read: exit status %d: %s", status, &said)
	}
}

func TestWatchdogOfAStuckDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		beats := 0
		lock := make(chan struct{}, 1)
		alive := func(context.Context) {
			lock <- struct{}{}
			<-lock
		}
		done := make(chan struct{})
		go func() {
			watch(ctx, 3*time.Second, alive, func(string) { beats++ })
			close(done)
		}()
		time.Sleep(4500 * time.Millisecond)
		synctest.Wait()
		if beats != 4 {
			t.Errorf("%d signs of life in 4.5 s, want 4", beats)
		}
		lock <- struct{}{} // and nobody gives it back
		time.Sleep(time.Minute)
		synctest.Wait()
		if beats != 4 {
			t.Errorf("%d more signs of life of a daemon that is stuck", beats-4)
		}
		<-lock
		cancel()
		<-done
	})
}

package unixsock_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tandem/internal/unixsock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := unixsock.Listen(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := unixsock.Listen(path, 0o600); err == nil || !strings.Contains(err.Error(), "another tandemd") {
		t.Fatalf("a socket that is in use: %v", err)
	}
	_ = l.Close()
	listen(t, path) // one that was left behind is replaced
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v, %v", left, err)
	}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unixsock.Listen(file, 0o600); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("a file: %v", err)
	}
	if _, err := unixsock.Listen(filepath.Join(t.TempDir(), "none", "s"), 0o600); err == nil || !strings.Contains(err.Error(), "mkdir -p") {
		t.Fatalf("no folder: %v", err)
	}
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	l := listen(t, filepath.Join(t.TempDir(), "s"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan *net.UnixConn, 1)
	cancel()
	go func() { ended <- unixsock.Accept(ctx, l, slog.New(slog.DiscardHandler)) }()
	if got := <-ended; got != nil {
		t.Fatal("a connection after the end")
	}
}

func TestDialAndPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, path)
	conn, err := unixsock.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := unixsock.Accept(t.Context(), l, slog.New(slog.DiscardHandler))
	if got == nil {
		t.Fatal("no connection")
	}
	defer got.Close()
	peer, err := unixsock.Peer(got)
	if err != nil || int(peer.Pid) != os.Getpid() || int(peer.Uid) != os.Geteuid() {
		t.Fatalf("%+v, %v", peer, err)
	}
}

func TestRow41_DialTrustsOnlyTheOwner(t *testing.T) {
	for what, path := range map[string]string{"nothing": filepath.Join(t.TempDir(), "none"), "a file": "/etc/passwd"} {
		if _, err := unixsock.Dial(path); err == nil {
			t.Errorf("%s was dialled", what)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a socket away")
	}
	path := filepath.Join(t.TempDir(), "s")
	listen(t, path)
	// Root listens on a socket that nobody owns: root is trusted.
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	conn, err := unixsock.Dial(path)
	if err != nil {
		t.Fatalf("root listens: %v", err)
	}
	conn.Close()
}

// Package unixsock makes the Unix sockets of the daemon's doors: with the right mode from the first moment
// on, with both sides sure of who the other is, and with an accept loop that a shortage does not end.
package unixsock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Listen makes a socket at path. One on which nobody listens any more is replaced; one that is in use, and
// anything that is no socket, is an error.
func Listen(path string, mode os.FileMode) (*net.UnixListener, error) {
	if conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("socket %s: another tandemd listens there; stop it first", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("socket %s: something that is not a socket stands there; move it away", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the old socket: %w", err)
		}
	}
	// The mode must be right from the first moment on, and umask belongs to the whole process: so the
	// socket is made in a folder of its own that nobody else can enter, and then moved.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".tandem-")
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w (make its folder: mkdir -p %s)", path, err, filepath.Dir(path))
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, mode), os.Rename(made, path)); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

// acceptPause is how long to wait for a shortage (of file descriptors, of memory) to pass.
const acceptPause = 100 * time.Millisecond

// Accept returns the next connection, or nil once ctx has ended; then l is closed. It waits through
// shortages, as they pass.
func Accept(ctx context.Context, l *net.UnixListener, log *slog.Logger) *net.UnixConn {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.AcceptUnix()
		switch {
		case err == nil && ctx.Err() == nil:
			return conn
		case err == nil:
			_ = conn.Close()
			return nil
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return nil
		}
		log.Error("a connection could not be accepted", "socket", l.Addr(), "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(acceptPause):
		}
	}
}

// Dial connects to the socket at path. It trusts one only of root or the caller's own user, and a listener only
// if it is the socket's owner or root: passwords go over it.
func Dial(path string) (*net.UnixConn, error) {
	var stat unix.Stat_t
	err := unix.Lstat(path, &stat)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("tandemd does not run (there is no socket %s): start it, or correct the path", path)
	case err != nil:
		return nil, fmt.Errorf("socket %s: %w", path, err)
	case stat.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return nil, fmt.Errorf("socket %s: not a socket", path)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	switch {
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("socket %s: %w: run this as root or as the user that tandemd runs as", path, err)
	case err != nil:
		return nil, fmt.Errorf("socket %s: %w: tandemd does not run", path, err)
	}
	peer, err := Peer(conn)
	if err == nil && (stat.Uid != 0 && int(stat.Uid) != os.Geteuid() && os.Geteuid() != 0 || peer.Uid != 0 && peer.Uid != stat.Uid) {
		err = fmt.Errorf("socket %s: it belongs to user id %d, and user id %d listens: not trusted", path, stat.Uid, peer.Uid)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Peer asks the kernel who is at the other end.
func Peer(conn *net.UnixConn) (unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return unix.Ucred{}, e
	}
	if err != nil {
		return unix.Ucred{}, fmt.Errorf("ask the kernel who is at the other end: %w", err)
	}
	return *peer, nil
}

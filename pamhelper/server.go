package pamhelper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config is what a Server needs.
type Config struct {
	Door
	// Path of the socket, which the module's option socket= names. Its folder must exist, and nobody but
	// root and the daemon's user may write to it: else the module does not trust it.
	Path string
	// Mode of the socket; 0: 0666, so that a user's screen locker may ask about that user.
	Mode os.FileMode
}

// The bounds of a Server. One user cannot shut out the others, nor all users together root's logins.
const (
	maxConversations = 256
	maxUntrusted     = 128
	maxPerUser       = 32
)

// Server serves the modules of a host.
type Server struct {
	Config
	listener *net.UnixListener

	mu     sync.Mutex // guards counts
	counts counts
}

// counts are the open conversations.
type counts struct {
	all, untrusted int
	perUser        map[uint32]int // of untrusted users
}

// Listen makes the socket. One on which nobody listens any more is replaced; one that is in use is an
// error.
func Listen(c Config) (*Server, error) {
	if c.Mode == 0 {
		c.Mode = 0o666
	}
	if conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.Path, Net: "unix"}); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("PAM socket %s: another tandemd listens there; stop it first", c.Path)
	}
	if info, err := os.Lstat(c.Path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("PAM socket %s: something that is not a socket stands there; move it away", c.Path)
		}
		if err := os.Remove(c.Path); err != nil {
			return nil, fmt.Errorf("remove the old PAM socket: %w", err)
		}
	}
	// Made where nobody else can enter, and then moved: the mode is right from the first moment on.
	dir, err := os.MkdirTemp(filepath.Dir(c.Path), ".tandem-pam-")
	if err != nil {
		return nil, fmt.Errorf("PAM socket %s: %w (make its folder: mkdir -p %s)", c.Path, err, filepath.Dir(c.Path))
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("PAM socket %s: %w", c.Path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, c.Mode), os.Rename(made, c.Path)); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("PAM socket %s: %w", c.Path, err)
	}
	return &Server{Config: c, listener: l, counts: counts{perUser: make(map[uint32]int)}}, nil
}

// Serve has conversations until ctx ends, and returns when the last one has ended: those that wait for
// a user end at once, those that wait for the core within its time.
func (s *Server) Serve(ctx context.Context) error {
	defer func() { _ = os.Remove(s.Path) }()
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("PAM socket %s: %w", s.Path, err)
		}
		p, err := peerOf(conn)
		if err != nil || !s.enter(p) {
			s.Log.Warn("too many PAM conversations: one was turned away", "uid", p.uid, "err", err)
			turnAway(conn)
			continue
		}
		open.Go(func() {
			defer s.leave(p)
			defer func() { _ = conn.Close() }()
			if err := s.Converse(ctx, conn); err != nil {
				s.Log.Warn("PAM conversation failed", "err", err)
			}
		})
	}
}

// turnAway says no to a conversation that there is no room for. Not PAM_AUTHINFO_UNAVAIL: users can fill
// the room.
func turnAway(conn *net.UnixConn) {
	_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
	_ = writeFrame(conn, frameResult, binary.BigEndian.AppendUint32(nil, uint32(pamAuthErr)))
	_ = conn.Close()
}

// enter counts a conversation of p, if there is room for it.
func (s *Server) enter(p peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	if c.all >= maxConversations {
		return false
	}
	if !p.trusted() {
		if c.untrusted >= maxUntrusted || c.perUser[p.uid] >= maxPerUser {
			return false
		}
		c.untrusted++
		c.perUser[p.uid]++
	}
	c.all++
	return true
}

func (s *Server) leave(p peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	c.all--
	if !p.trusted() {
		c.untrusted--
		if c.perUser[p.uid]--; c.perUser[p.uid] == 0 {
			delete(c.perUser, p.uid)
		}
	}
}

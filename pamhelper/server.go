package pamhelper

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"tandem/internal/unixsock"
)

// Config is what a Server needs.
type Config struct {
	Door
	// Path of the socket, which the module's option socket= names. Its folder must exist, and nobody but
	// root and the daemon's user may write to it: else the module does not trust it.
	Path string
	// Mode of the socket; 0: 0666, so that a user's screen locker may ask about that user.
	Mode os.FileMode
	// Inherited is the socket at Path, if the service manager has made it and keeps it.
	Inherited *net.UnixListener
}

// The bounds of a Server. One user cannot shut out the others, nor all users together root's logins.
const (
	maxConversations = 256
	maxUntrusted     = 128
	maxPerUser       = 32
	// maxCalled are those of sudo, su and others that run as root for an ordinary user who called them; the
	// rest is kept for sshd and login.
	maxCalled = 192
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
	called         int
	perCaller      map[string]int // of real user ids other than root's, named by trusted processes
}

// Listen makes the socket, or takes over Config.Inherited.
func Listen(c Config) (*Server, error) {
	if c.Mode == 0 {
		c.Mode = 0o666
	}
	l := c.Inherited
	if l == nil {
		var err error
		if l, err = unixsock.Listen(c.Path, c.Mode); err != nil {
			return nil, fmt.Errorf("PAM: %w", err)
		}
	}
	s := &Server{Config: c, listener: l, counts: counts{perUser: make(map[uint32]int), perCaller: make(map[string]int)}}
	s.admit = s.admitCaller
	return s, nil
}

// Serve has conversations until ctx ends, and returns when the last one has ended: those that wait for
// a user end at once, those that wait for the core within its time.
func (s *Server) Serve(ctx context.Context) error {
	if s.Inherited == nil {
		defer func() { _ = os.Remove(s.Path) }()
	}
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn := unixsock.Accept(ctx, s.listener, s.Log)
		if conn == nil {
			return nil
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

// admitCaller counts a conversation that a trusted process has on behalf of the user who called it (sudo, su),
// if there is room for it. Root's own logins are not bound, nor those of the daemon's user.
func (s *Server) admitCaller(uid string) (release func(), ok bool) {
	if uid == "0" || uid == strconv.Itoa(os.Geteuid()) {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	if c.called >= maxCalled || c.perCaller[uid] >= maxPerUser {
		return nil, false
	}
	c.called++
	c.perCaller[uid]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.called--
		if c.perCaller[uid]--; c.perCaller[uid] == 0 {
			delete(c.perCaller, uid)
		}
	}, true
}

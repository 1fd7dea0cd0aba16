package radiusd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves RADIUS over UDP. Make one with [New].
type Server struct {
	config   Config
	core     Core
	log      *slog.Logger
	settings atomic.Pointer[settings]

	cache      *replyCache
	queue      *queue
	delays     *delayLine
	status     *statusDesk
	metrics    *metrics
	attributes dictionary
	samples    sampler

	// work is the context of everything that is done for requests; giveUp ends it.
	work   context.Context //nolint:containedctx // it is the server's life, not a call's
	giveUp context.CancelFunc

	mu      sync.Mutex // guards what follows
	sockets []*socket
	serving bool
	// stop is closed by the first Shutdown, served when Serve has ended.
	stop, served chan struct{}
	stopped      bool
}

// ErrStarted is what a second Serve returns: a Server serves once.
var ErrStarted = errors.New("radius: the server was started before")

// New makes a Server, or returns everything that is wrong with c.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	compiled, err := c.compile()
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	s := &Server{
		config: c,
		core:   c.Core,
		log:    c.Logger,
		cache:  newReplyCache(c.MaxCached),
		queue:  newQueue(c.Queue),
		delays: newDelayLine(c.MaxCached),
		status: newStatusDesk(),
		stop:   make(chan struct{}),
		served: make(chan struct{}),
	}
	s.settings.Store(compiled)
	s.metrics = newMetrics(s.queue, s.cache, s.delays)
	s.work, s.giveUp = context.WithCancel(context.Background())
	return s, nil
}

// Reload puts next in the place of the settings in force. Requests that have arrived end under those
// they arrived under; none is lost. If anything is wrong with next, the old settings stay.
func (s *Server) Reload(next Settings) error {
	compiled, err := next.compile()
	if err != nil {
		return err
	}
	s.settings.Store(compiled)
	return nil
}

// Listen opens the sockets. Serve calls it if the caller has not, to tell failures apart or to learn
// [Server.Addrs] before serving.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.sockets) > 0 {
		return nil
	}
	for _, address := range s.config.Listen {
		opened, err := listen(address)
		if err != nil {
			s.closeSockets()
			return err
		}
		s.sockets = append(s.sockets, opened)
	}
	return nil
}

// Addrs returns the addresses that are listened on, in the order of [Config.Listen].
func (s *Server) Addrs() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make([]netip.AddrPort, 0, len(s.sockets))
	for _, socket := range s.sockets {
		addrs = append(addrs, socket.local)
	}
	return addrs
}

// Serve answers requests until [Server.Shutdown], and then returns nil, or until ctx ends: then what
// is not answered yet is dropped. All goroutines of the server have ended when it returns.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.serving {
		s.mu.Unlock()
		return ErrStarted
	}
	s.serving = true
	sockets := s.sockets
	s.mu.Unlock()
	defer close(s.served)
	defer context.AfterFunc(ctx, s.giveUp)()

	finish := s.startWork()
	var readers sync.WaitGroup
	for _, socket := range sockets {
		readers.Go(func() { s.read(socket) })
	}
	select {
	case <-ctx.Done():
	case <-s.stop:
	}
	for _, socket := range sockets {
		_ = socket.conn.SetReadDeadline(time.Unix(1, 0)) // long ago: readers end, but replies can still be sent
	}
	readers.Wait()
	finish()
	s.giveUp()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeSockets()
	return nil
}

// startWork starts everything but the readers. finish ends it, once nothing more is received.
func (s *Server) startWork() (finish func()) {
	var workers, delays, status sync.WaitGroup
	for range s.config.Workers {
		workers.Go(s.worker)
	}
	status.Go(s.serveStatus)
	delays.Go(func() {
		s.delays.run(s.work, s.answer, func(lost *reply) { s.abandon(lost.request, dropShutdown) })
	})
	return func() {
		s.queue.close()
		close(s.status.waiting)
		workers.Wait()
		status.Wait()
		s.delays.close() // only workers add to it
		delays.Wait()
	}
}

// Shutdown stops reading, lets what was received be decided and answered, and waits for the end.
// If ctx ends first, what is left is dropped, the core's calls are cancelled, and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stop)
	}
	if !s.serving {
		s.closeSockets()
		s.mu.Unlock()
		s.giveUp()
		return nil
	}
	s.mu.Unlock()

	select {
	case <-s.served:
		return nil
	case <-ctx.Done():
		left := s.queue.depth() + s.delays.size()
		s.giveUp()
		return fmt.Errorf("radius: shut down with %d requests queued or held back: %w", left, ctx.Err())
	}
}

// closeSockets closes all sockets. s.mu must be held.
func (s *Server) closeSockets() {
	for _, socket := range s.sockets {
		_ = socket.conn.Close()
	}
	s.sockets = nil
}

// readPause is how long a reader waits after an error, so that a lasting one does not keep a
// processor busy.
const readPause = 10 * time.Millisecond

// read receives one socket's packets until the server stops.
func (s *Server) read(socket *socket) {
	r := &reader{socket: socket}
	for {
		b, from, err := r.next()
		switch {
		case err == nil:
			s.receive(b, from)
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		default:
			s.warn("read", socket.local.String(), "RADIUS socket cannot be read",
				slog.Any("socket", socket.local), slog.Any("error", err))
			time.Sleep(readPause)
		}
	}
}

package ldap

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// server is one of the configured servers, with its connections and what is believed about it.
type server struct {
	endpoint  endpoint
	dial      func(context.Context) (*conn, error)
	searches  *pool
	binds     *pool
	writes    *pool
	retryDown time.Duration
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	asked   bool      // whether anything is known about it
	down    error     // why it failed; nil: it is believed to be up
	retryAt time.Time // when to try it again although it is down
}

// worthTrying reports whether s comes in its turn: it is up, or has been down for so long that this one
// caller shall see how it is. Everybody else goes on passing it over meanwhile.
func (s *server) worthTrying() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		return true
	}
	now := s.now()
	if now.Before(s.retryAt) {
		return false
	}
	s.retryAt = now.Add(s.retryDown)
	return true
}

func (s *server) markUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		s.log.Info("LDAP server answers again", "url", s.endpoint.url)
	}
	s.asked, s.down = true, nil
}

// isUp reports whether the last that was heard of s was good.
func (s *server) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked && s.down == nil
}

func (s *server) markDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.log.Warn("LDAP server failed and is passed over", "url", s.endpoint.url, "for", s.retryDown, "error", err)
	}
	s.asked, s.down, s.retryAt = true, err, s.now().Add(s.retryDown)
}

// whyDown returns nil if s is believed to be up, or it is time to look again.
func (s *server) whyDown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil || !s.now().Before(s.retryAt) {
		return nil
	}
	return s.down
}

// purpose chooses the connections for an operation.
type purpose func(*server) *pool

func searching(s *server) *pool { return s.searches }
func binding(s *server) *pool   { return s.binds }

// ask runs operation on the first server that can answer, and returns what it says. Servers that are
// believed to be down come last, each once: when all are down, one of them may have recovered.
//
// What a server definitely said (yes, no such user, wrong password) is final, and no other is asked.
func (d *Directory) ask(ctx context.Context, kind purpose, operation func(context.Context, *conn) error) error {
	return d.askServers(ctx, func(ctx context.Context, s *server) error { return s.run(ctx, kind(s), operation) })
}

func (d *Directory) askServers(ctx context.Context, question func(context.Context, *server) error) error {
	var failures error
	untried := len(d.servers)
	try := func(s *server) (final bool, err error) {
		ctx, cancel := share(ctx, untried)
		defer cancel()
		untried--
		err = question(ctx, s)
		if err != nil {
			err = &serverError{url: s.endpoint.url, err: err}
		}
		return !isServersFault(err), err
	}

	var last []*server
	for _, s := range d.servers {
		if !s.worthTrying() {
			last = append(last, s)
			continue
		}
		final, err := try(s)
		if final {
			return err
		}
		failures = join(failures, err)
	}
	for _, s := range last {
		final, err := try(s)
		if final {
			return err
		}
		failures = join(failures, err)
	}
	return fmt.Errorf("ldap: no server could answer: %w", failures)
}

// fairShare is the time within which every server that is well answers. One that had less is not to blame.
const fairShare = 500 * time.Millisecond

// share gives a server its part of the caller's time: were it the first's alone, a server that hangs would
// leave none for the next.
func share(ctx context.Context, servers int) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded || servers < 2 {
		return ctx, func() {}
	}
	part := time.Until(deadline) / time.Duration(servers)
	if part < fairShare {
		return context.WithTimeout(ctx, part)
	}
	return context.WithTimeoutCause(ctx, part, &slowError{part})
}

// run runs operation on a connection of p. If the server turns out to be down, that is known before the next in
// the queue has its turn.
func (s *server) run(ctx context.Context, p *pool, operation func(context.Context, *conn) error) (err error) {
	waited, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer p.release()
	defer func() {
		if isServersFault(err) && isDown(err) {
			s.markDown(&serverError{url: s.endpoint.url, err: err})
		}
	}()
	// Those who were before us in the queue may have found out that the server hangs.
	if down := s.whyDown(); waited && down != nil {
		return &waitError{fmt.Errorf("it failed while others waited for it: %w", down)}
	}

	if c := p.take(); c != nil {
		err := s.use(ctx, p, c, operation)
		// A server that restarted has closed the connections that waited. One fresh connection tells
		// whether that is all; time-outs are not worth a second wait.
		if !wasClosed(err) || ctx.Err() != nil {
			return err
		}
	}
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	return s.use(ctx, p, c, operation)
}

func (s *server) use(ctx context.Context, p *pool, c *conn, operation func(context.Context, *conn) error) error {
	defer p.put(c)
	err := operation(ctx, c)
	if !isServersFault(err) {
		s.markUp()
	}
	return err
}

package radiusd

import (
	"context"
	"time"

	"layeh.com/radius"

	"tandem/verify"
)

const (
	// statusQueue is how many Status-Server packets may wait while the core is asked.
	statusQueue = 64
	// statusPerSecond is how many of them a client is answered in a second.
	statusPerSecond = 20
	// readyFor is how long the core's word on whether it is ready is good for.
	readyFor = time.Second
)

// statusDesk answers Status-Server packets (RFC 5997). It has a goroutine of its own, so that asking
// the core never keeps a socket's reader or a worker waiting; everything else in it belongs to that
// goroutine.
type statusDesk struct {
	waiting chan *request

	askedAt time.Time
	ready   bool

	window   time.Time      // the second that answered counts in
	answered map[string]int // replies by client name
}

func newStatusDesk() *statusDesk {
	return &statusDesk{waiting: make(chan *request, statusQueue), answered: make(map[string]int)}
}

// receiveStatus hands a Status-Server to the desk.
func (s *Server) receiveStatus(r *request) {
	r.packet = r.clone() // the reader's buffer is about to be used again
	select {
	case s.status.waiting <- r:
	default:
		s.drop(dropStatusRate, r.client, r.path.peer)
	}
}

// serveStatus answers until the desk is closed.
func (s *Server) serveStatus() {
	for r := range s.status.waiting {
		s.answerStatus(r)
	}
}

func (s *Server) answerStatus(r *request) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(p, r.path.peer)
		}
	}()
	now := time.Now()
	if !s.status.admit(r.client.Name, now) {
		s.drop(dropStatusRate, r.client, r.path.peer)
		return
	}
	if now.Sub(s.status.askedAt) >= readyFor {
		ctx, cancel := context.WithTimeout(s.work, r.settings.requestTimeout)
		defer cancel()
		s.status.ready = s.core.Ready(ctx) == nil
		s.status.askedAt = time.Now()
	}
	if !s.status.ready {
		s.drop(dropNotReady, r.client, r.path.peer)
		return
	}
	p, err := radius.Parse(r.raw, []byte(r.client.Secret.Reveal()))
	if err != nil { // inspect is stricter, so this is a fault of ours
		panic(err)
	}
	raw, err := s.attributes.encodeReply(p, verify.Verdict{Outcome: verify.Accept}, r.client)
	if err != nil {
		s.drop(dropReplyTooLarge, r.client, r.path.peer)
		return
	}
	s.metrics.replies.WithLabelValues(radius.CodeAccessAccept.String()).Inc()
	s.send(r, raw)
}

// admit reports whether client may be answered once more in this second.
func (d *statusDesk) admit(client string, now time.Time) bool {
	if now.Sub(d.window) >= time.Second {
		d.window = now
		clear(d.answered)
	}
	d.answered[client]++
	return d.answered[client] <= statusPerSecond
}

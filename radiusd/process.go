package radiusd

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

	"layeh.com/radius"

	"tandem/radiusd/msgauth"
	"tandem/verify"
)

// worker decides requests until the queue is closed and empty.
func (s *Server) worker() {
	for {
		r, ok := s.queue.next()
		if !ok {
			return
		}
		s.process(r)
	}
}

// process takes one request from the queue to its reply. A panic costs this request and no more:
// there is no reply, because nobody knows what was decided.
func (s *Server) process(r *request) {
	defer func() {
		if p := recover(); p != nil {
			s.cache.forget(r.entry)
			s.panicked(p, r.path.peer)
		}
	}()
	if reason := s.stale(r); reason != "" {
		s.abandon(r, reason)
		return
	}
	p, err := radius.Parse(r.raw, []byte(r.client.Secret.Reveal()))
	if err != nil { // inspect is stricter, so this is a fault of ours
		panic(err)
	}
	s.conclude(r, p, s.decide(r, p))
}

// stale returns why a request that waited in the queue is not worth deciding any more, or "".
func (s *Server) stale(r *request) dropReason {
	switch {
	case s.work.Err() != nil:
		return dropShutdown
	case !s.cache.current(r.entry):
		return dropSuperseded // and the code in it stays unused
	case time.Since(r.arrived) >= r.settings.requestTimeout:
		return dropExpired
	}
	return ""
}

// decide asks the core.
func (s *Server) decide(r *request, p *radius.Packet) verify.Verdict {
	ctx, cancel := context.WithDeadline(s.work, r.arrived.Add(r.settings.requestTimeout))
	defer cancel()
	attempt, ok := newAttempt(p, r.client, r.path.peer.Addr())
	if !ok {
		kind := credential(p)
		s.metrics.unchecked.WithLabelValues(kind).Inc()
		s.warn("credential", r.client.Name, "client "+r.client.Name+" sends "+kind+"; Tandem needs PAP",
			slog.String("client", r.client.Name), slog.Any("address", r.path.peer),
			slog.String("advice", "set the authentication protocol of the NAS to PAP"))
		return s.core.Refuse(ctx, attempt, verify.ReasonUnsupportedCreds)
	}
	attempt.CanTell = func(given []verify.Attribute) error {
		_, err := s.attributes.encodeReply(p, verify.Verdict{Outcome: verify.Accept, Attributes: given}, r.client)
		return err
	}
	var v verify.Verdict
	if r.state != nil {
		v = s.core.Resume(ctx, r.state, attempt)
	} else {
		v = s.core.Start(ctx, attempt)
	}
	took := time.Since(r.arrived)
	s.metrics.seconds.Observe(took.Seconds())
	if s.log.Enabled(ctx, slog.LevelDebug) {
		s.log.LogAttrs(ctx, slog.LevelDebug, "RADIUS request decided",
			slog.String("attempt", v.AttemptID), slog.String("client", attempt.Client), slog.String("nas", attempt.NAS),
			slog.Any("address", r.path.peer), slog.String("user", attempt.User),
			slog.String("outcome", v.Outcome.String()), slog.String("reason", string(v.Reason)), slog.Duration("took", took))
	}
	return v
}

// conclude encodes the reply that says v and sends it when it may leave.
func (s *Server) conclude(r *request, p *radius.Packet, v verify.Verdict) {
	if v.Outcome == verify.Unavailable && !r.client.RejectWhenUnavailable {
		s.abandon(r, dropUnavailable)
		return
	}
	code := replyCode(v.Outcome)
	raw, err := s.attributes.encodeReply(p, v, r.client)
	if err != nil && v.Outcome == verify.Accept {
		// An attribute may be what keeps the user in their network: without it, nobody is let in.
		s.log.Error("the reply of an accepted login cannot be made, so the login is rejected: correct [[policies.reply]]",
			slog.String("attempt", v.AttemptID), slog.String("client", r.client.Name), slog.Any("err", err))
		v = verify.Verdict{Outcome: verify.Reject, AttemptID: v.AttemptID, Hold: true}
		code = replyCode(v.Outcome)
		raw, err = s.attributes.encodeReply(p, v, r.client)
	}
	if err != nil {
		reason := dropReplyInvalid
		if errors.Is(err, msgauth.ErrTooLarge) {
			reason = dropReplyTooLarge
		}
		s.abandon(r, reason)
		return
	}
	answer := &reply{request: r, code: code, raw: raw}
	due := r.arrived.Add(r.settings.rejectDelay)
	held := v.Hold || code == radius.CodeAccessReject
	switch {
	case !held || !time.Now().Before(due):
		s.answer(answer)
	case !s.delays.add(answer, due):
		s.abandon(r, dropDelayFull)
	}
}

// answer sends a reply unless the NAS has given up its request meanwhile.
func (s *Server) answer(a *reply) {
	if !s.cache.answer(a.request.entry, a.raw, time.Now()) {
		s.drop(dropSuperseded, a.request.client, a.request.path.peer)
		return
	}
	s.metrics.replies.WithLabelValues(a.code.String()).Inc()
	s.send(a.request, a.raw)
}

// abandon drops a request that was admitted. Nothing is remembered of it, so that its
// retransmission is decided anew.
func (s *Server) abandon(r *request, reason dropReason) {
	s.cache.forget(r.entry)
	s.drop(reason, r.client, r.path.peer)
}

// send puts bytes on the wire.
func (s *Server) send(r *request, b []byte) {
	if err := r.path.send(b); err != nil {
		s.metrics.dropped.WithLabelValues(string(dropSendFailed)).Inc()
		s.warn(string(dropSendFailed), r.client.Name, "RADIUS reply not sent",
			slog.String("client", r.client.Name), slog.Any("address", r.path.peer), slog.Any("error", err))
	}
}

// panicked records a panic that one packet has caused.
func (s *Server) panicked(p any, peer netip.AddrPort) {
	s.metrics.panics.Inc()
	s.log.LogAttrs(s.work, slog.LevelError, "panic while handling a RADIUS packet; it gets no reply: please report this",
		slog.Any("address", peer), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
}

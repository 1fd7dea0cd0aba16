package radiusd

import (
	"time"

	"layeh.com/radius"
)

// request is a packet that has passed every check of its receipt.
type request struct {
	packet
	path   path
	client *Client
	// settings are those in force on arrival; they hold for the request's whole life, so that a
	// reload changes neither its secret nor its timing half-way.
	settings *settings
	arrived  time.Time
	// entry is the request's place in the reply cache; nil for a Status-Server.
	entry *cacheEntry
}

// receive takes one packet from its arrival to the queue, or drops it. The checks come cheapest
// first, and nothing is remembered of a packet before it has passed them: an unknown host costs one
// look-up, and a bad Message-Authenticator never touches the reply cache. b is not kept.
func (s *Server) receive(b []byte, from path) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(p, from.peer)
		}
	}()
	arrived := time.Now()
	s.metrics.received.Inc()
	settings := s.settings.Load()
	client := settings.clients.find(from.peer.Addr())
	if client == nil {
		s.drop(dropUnknownClient, nil, from.peer)
		return
	}
	p, reason := inspect(b)
	if reason == "" && p.code() != radius.CodeAccessRequest && p.code() != radius.CodeStatusServer {
		reason = dropCode
	}
	if reason == "" {
		reason = authenticate(p, client)
	}
	if reason != "" {
		s.drop(reason, client, from.peer)
		return
	}
	r := &request{packet: p, path: from, client: client, settings: settings, arrived: arrived}
	if p.code() == radius.CodeStatusServer {
		s.receiveStatus(r)
		return
	}
	s.admit(r)
}

// admit enters an Access-Request into the reply cache and queues it if it is new.
func (s *Server) admit(r *request) {
	key := cacheKey{asked: r.path.asked, peer: r.path.peer, identifier: r.identifier(), client: r.client.Name}
	what, entry, reply := s.cache.arrive(key, r.authenticator(), r.arrived, r.settings.replyCache)
	switch what {
	case arrivalPending:
		s.metrics.duplicates.WithLabelValues(duplicatePending).Inc()
		return
	case arrivalAnswered:
		s.metrics.duplicates.WithLabelValues(duplicateResent).Inc()
		s.send(r, reply)
		return
	case arrivalNoRoom:
		s.drop(dropCacheFull, r.client, r.path.peer)
		return
	case arrivalNew:
	}
	answersChallenge := r.state != nil && s.core.Plausible(r.state)
	r.entry = entry
	r.packet = r.clone() // the reader's buffer is about to be used again
	if !s.queue.put(r, answersChallenge) {
		s.cache.forget(entry)
		s.drop(dropQueueFull, r.client, r.path.peer)
	}
}

package radiusd

import (
	"github.com/prometheus/client_golang/prometheus"
	"layeh.com/radius"
)

// What metrics.duplicates tells apart.
const (
	duplicatePending = "pending" // dropped: the reply is still to come
	duplicateResent  = "resent"  // answered from the cache
)

// metrics are the server's own: several servers in one process do not mix.
type metrics struct {
	received   prometheus.Counter
	dropped    *prometheus.CounterVec // by reason
	replies    *prometheus.CounterVec // by code
	duplicates *prometheus.CounterVec // by kind
	unchecked  *prometheus.CounterVec // by credential
	panics     prometheus.Counter
	seconds    prometheus.Histogram

	queueDepth, cacheEntries, delayedReplies prometheus.GaugeFunc
}

func newMetrics(q *queue, c *replyCache, d *delayLine) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "tandem", Subsystem: "radius", Name: name, Help: help}
	}
	gauge := func(name, help string, value func() int) prometheus.GaugeFunc {
		opts := prometheus.GaugeOpts{Namespace: "tandem", Subsystem: "radius", Name: name, Help: help}
		return prometheus.NewGaugeFunc(opts, func() float64 { return float64(value()) })
	}
	m := &metrics{
		received: prometheus.NewCounter(counter("packets_received_total", "Packets received, of whatever kind.")),
		dropped: prometheus.NewCounterVec(counter("dropped_total", "Packets and replies dropped, by reason."),
			[]string{"reason"}),
		replies: prometheus.NewCounterVec(counter("replies_total", "Replies sent for the first time, by code."),
			[]string{"code"}),
		duplicates: prometheus.NewCounterVec(counter("duplicates_total", "Retransmissions: pending were dropped, resent got the same reply again."),
			[]string{"kind"}),
		unchecked: prometheus.NewCounterVec(counter("unsupported_credentials_total", "Requests rejected because they carry no cleartext password, by what they carry."),
			[]string{"credential"}),
		panics: prometheus.NewCounter(counter("panics_total", "Packets whose handling ended in a panic. Anything but 0 is a bug.")),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tandem", Subsystem: "radius", Name: "decision_seconds",
			Help:    "Time from a request's arrival to the core's verdict, without the reject delay.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		queueDepth:     gauge("queue_depth", "Requests that wait for a worker.", q.depth),
		cacheEntries:   gauge("cache_entries", "Requests remembered for retransmissions.", c.size),
		delayedReplies: gauge("delayed_replies", "Replies held back by the reject delay.", d.size),
	}
	for _, reason := range allDropReasons {
		m.dropped.WithLabelValues(string(reason))
	}
	for _, code := range []radius.Code{radius.CodeAccessAccept, radius.CodeAccessReject, radius.CodeAccessChallenge} {
		m.replies.WithLabelValues(code.String())
	}
	for _, kind := range []string{credentialCHAP, credentialMSCHAP, credentialEAP, credentialNone} {
		m.unchecked.WithLabelValues(kind)
	}
	for _, kind := range []string{duplicatePending, duplicateResent} {
		m.duplicates.WithLabelValues(kind)
	}
	return m
}

// Collectors returns the server's metrics, for a registry of the caller's.
func (s *Server) Collectors() []prometheus.Collector {
	m := s.metrics
	return []prometheus.Collector{
		m.received, m.dropped, m.replies, m.duplicates, m.unchecked, m.panics, m.seconds,
		m.queueDepth, m.cacheEntries, m.delayedReplies,
	}
}

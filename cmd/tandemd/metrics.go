package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tandem/internal/config"
	"tandem/internal/version"
	"tandem/store/bolt"
	"tandem/verify"
)

// metrics is what /metrics shows. Steps of logins are counted from their audit records, so that the
// two cannot differ.
type metrics struct {
	registry *prometheus.Registry
	steps    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	factors  *prometheus.HistogramVec
	updates  *prometheus.HistogramVec
	reloaded prometheus.Gauge
	// certificates are those of the configuration in force.
	certificates *certificates
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tandem_login_steps_total", Help: "Steps of logins by front door, outcome and reason.",
		}, []string{"door", "outcome", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_login_step_seconds", Help: "How long the core took for a step of a login.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"outcome"}),
	}
	m.factors = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tandem_factor_seconds", Help: "What second factors did (sent, send-failed, right, wrong, unavailable), and how long it took.",
		Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2, 4, 8},
	}, []string{"factor", "event"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tandem_build_info", Help: "Always 1; the labels say which Tandem this is.",
		ConstLabels: prometheus.Labels{"version": version.Version, "commit": version.Commit},
	})
	build.Set(1)
	m.updates = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tandem_store_update_seconds", Help: "How long a transaction took to be on stable storage, or to fail; failed are also those that the core gave up itself. Those that count a failure may wait up to 10 ms for others, on purpose, if the state is in a file.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"result"})
	m.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tandem_config_last_reload_success", Help: "0 if the last reload was refused, so that the configuration in force is not that of the file.",
	})
	m.alarming()
	m.reloaded.Set(1) // or there would be no daemon
	m.certificates = newCertificates()
	m.register(m.steps, m.seconds, m.factors, m.updates, m.reloaded, m.certificates, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// alarming are the ends of a step for which somebody has to look after this host. They are counted from 0, as nobody
// sees a counter rise that begins with 1.
func (m *metrics) alarming() {
	for _, door := range []string{"radius", "pam", "admin"} {
		for _, reason := range []verify.Reason{verify.ReasonDirectoryDown, verify.ReasonStoreDown, verify.ReasonFactorDown, verify.ReasonTooLate, verify.ReasonInternal} {
			m.steps.WithLabelValues(door, verify.Unavailable.String(), string(reason))
		}
		for _, reason := range []verify.Reason{verify.ReasonAuditDown, verify.ReasonClockBehind, verify.ReasonRestored, verify.ReasonThrottled} {
			m.steps.WithLabelValues(door, verify.Reject.String(), string(reason))
		}
	}
}

func (m *metrics) register(c ...prometheus.Collector) { m.registry.MustRegister(c...) }

func (m *metrics) count(r verify.Record) {
	m.steps.WithLabelValues(r.Door, r.Outcome, string(r.Reason)).Inc()
	m.seconds.WithLabelValues(r.Outcome).Observe(r.DurationMS / 1000)
}

// observe is for [verify.Config].
func (m *metrics) observe(factor string, e verify.FactorEvent, took time.Duration) {
	m.factors.WithLabelValues(factor, string(e)).Observe(took.Seconds())
}

func (m *metrics) observeFile(db *bolt.DB) {
	counter := func(name, help string, value func(bolt.Stats) float64) {
		m.register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return value(db.Stats()) }))
	}
	gauge := func(name, help string, value func(bolt.Stats) float64) {
		m.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(db.Stats()) }))
	}
	counter("tandem_store_commits_total", "Commits of the state file.", func(s bolt.Stats) float64 { return float64(s.Commits) })
	counter("tandem_store_updates_total", "Transactions in those commits.", func(s bolt.Stats) float64 { return float64(s.Updates) })
	gauge("tandem_store_bytes", "Size of the state file.", func(s bolt.Stats) float64 { return float64(s.FileSize) })
	gauge("tandem_store_stopped", "1 after a failed write, until the file has been opened anew; nobody is let in meanwhile.", func(s bolt.Stats) float64 {
		if s.Stopped {
			return 1
		}
		return 0
	})
}

// page serves /metrics and /healthz.
type page struct {
	listener net.Listener // nil: switched off
	server   *http.Server
}

func (m *metrics) listen(at config.Address, core *verify.Core) (*page, error) {
	if !at.IsValid() {
		return &page{}, nil
	}
	l, err := net.Listen("tcp", at.String()) //nolint:noctx // listening on an address does not wait
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := core.Ready(r.Context()); err != nil {
			http.Error(w, "cannot decide: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
		if notice := core.Notice(r.Context()); notice != "" {
			_, _ = fmt.Fprintln(w, notice)
		}
	})
	return &page{listener: l, server: &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}}, nil
}

// serve answers until ctx ends.
func (p *page) serve(ctx context.Context) error {
	if p.listener == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = p.server.Close() })
	defer stop()
	if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics page: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/store"
)

// timedStore shows how long transactions take that have to reach stable storage: a slow disk, or a slow network between
// the members of a cluster, is a slow login.
type timedStore struct {
	store.Store
	seconds *prometheus.HistogramVec
}

// Update implements [store.Store].
func (s timedStore) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	began := time.Now()
	err := s.Store.Update(ctx, fn)
	result := "ok"
	if err != nil {
		result = "failed"
	}
	s.seconds.WithLabelValues(result).Observe(time.Since(began).Seconds())
	return err
}

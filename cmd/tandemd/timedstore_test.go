package main

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"tandem/store"
)

// answeringStore answers every Update with err.
type answeringStore struct {
	store.Store
	err error
}

func (s answeringStore) Update(context.Context, func(store.Tx) error) error { return s.err }

// What waits on purpose does not make the disk look slow.
func TestTimedStore(t *testing.T) {
	m := newMetrics()
	for _, ctx := range []context.Context{t.Context(), store.Unhurried(t.Context())} {
		for _, answer := range []error{nil, errors.New("no disk")} {
			if err := (timedStore{answeringStore{err: answer}, m.updates}).Update(ctx, nil); !errors.Is(err, answer) {
				t.Errorf("error %v, want %v", err, answer)
			}
		}
	}
	for result, want := range map[string]uint64{"ok": 1, "failed": 2} {
		var got dto.Metric
		if err := m.updates.WithLabelValues(result).(prometheus.Metric).Write(&got); err != nil {
			t.Fatal(err)
		}
		if n := got.GetHistogram().GetSampleCount(); n != want {
			t.Errorf("%d %s, want %d", n, result, want)
		}
	}
}

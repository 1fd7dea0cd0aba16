package radiusd

import (
	"sync"
	"time"
)

// sampleInterval is how often at most the same complaint is logged.
const sampleInterval = time.Minute

// sampler thins out log lines that a flood of packets would cause. Its keys are made of configured
// names, never of what a packet says, so it stays small.
type sampler struct {
	mu   sync.Mutex
	last map[string]*sample
}

// sample is one complaint: when it was logged last, and how often it was not since.
type sample struct {
	logged time.Time
	silent int
}

// take reports whether the complaint may be logged at now, and how many were not since the last one.
func (s *sampler) take(key string, now time.Time) (silent int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = make(map[string]*sample)
	}
	known := s.last[key]
	if known == nil {
		s.last[key] = &sample{logged: now}
		return 0, true
	}
	if now.Sub(known.logged) < sampleInterval {
		known.silent++
		return 0, false
	}
	silent = known.silent
	*known = sample{logged: now}
	return silent, true
}

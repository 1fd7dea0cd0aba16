package load

import (
	"slices"
	"time"
)

// Result is what a run saw.
type Result struct {
	// Sent is how many logins were begun. Each ends as one of the next four.
	Sent, Accepted, Rejected, Lost int
	// Challenged counts logins that were answered with a challenge first; they go on, and end as one of the above.
	Challenged int
	// Resent counts requests that were sent again, Duplicates answers to what had been answered already.
	Resent, Duplicates int
	// Forged counts answers that were not believed, Unsigned those without a Message-Authenticator.
	Forged, Unsigned int
	// Elapsed is the time from the first request to the last answer.
	Elapsed time.Duration
	// Late is by how much the open loop was behind its schedule, at the 99th percentile.
	Late time.Duration
	// times of answered logins, sorted, without those that are set aside.
	times []time.Duration
}

// Answered is how many logins have an end that the server told.
func (r *Result) Answered() int { return r.Accepted + r.Rejected }

// Rate is answered logins a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Answered()) / r.Elapsed.Seconds()
}

// Percentile is the smallest time that at least p of a hundred logins did not exceed (nearest rank); 0 without any.
func (r *Result) Percentile(p float64) time.Duration { return percentile(r.times, p) }

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(p / 100 * float64(len(sorted)))
	if float64(rank) < p/100*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// add takes in what one socket saw.
func (r *Result) add(o Result) {
	r.Sent += o.Sent
	r.Accepted += o.Accepted
	r.Rejected += o.Rejected
	r.Lost += o.Lost
	r.Challenged += o.Challenged
	r.Resent += o.Resent
	r.Duplicates += o.Duplicates
	r.Forged += o.Forged
	r.Unsigned += o.Unsigned
	r.Elapsed = max(r.Elapsed, o.Elapsed)
	r.times = append(r.times, o.times...)
}

func (r *Result) sort() { slices.Sort(r.times) }

package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Job says what is asked of whom.
type Job struct {
	Server netip.AddrPort
	Secret string
	// Logins are begun in this order, each at most once.
	Logins []Login
	// Sockets is how many source ports there are, 16 if 0. Each has 256 Identifiers.
	Sockets int
	// Outstanding is how many logins wait for an answer at any time (closed loop); Rate is how many are begun a
	// second (open loop). One of them is 0.
	Outstanding int
	Rate        float64
	// Length is after how long no login is begun any more, if Logins last that long.
	Length time.Duration
	// Timeout is when a login counts as lost; 5 s if 0.
	Timeout time.Duration
	// Resend is when a request without an answer is sent again, once; never if 0.
	Resend time.Duration
}

// Login is what one user types.
type Login struct {
	Name string
	// Password goes with the first request, and Answer, if it is not empty, answers the challenge that follows.
	Password, Answer string
	// Aside: its time is not counted among the others'.
	Aside bool
}

// Run is a prepared job.
type Run struct {
	job   Job
	lanes []*lane
}

// Prepare opens the sockets and encodes the requests. The caller ends the Run by Go or Close.
func Prepare(job Job) (_ *Run, err error) {
	if job.Sockets == 0 {
		job.Sockets = 16
	}
	if job.Timeout == 0 {
		job.Timeout = 5 * time.Second
	}
	if (job.Outstanding > 0) == (job.Rate > 0) {
		return nil, errors.New("load: either so many are outstanding, or there is a rate")
	}
	if job.Outstanding > 0 {
		job.Sockets = min(job.Sockets, job.Outstanding)
	}
	r := &Run{job: job}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	for i := range job.Sockets {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(job.Server))
		if err != nil {
			return nil, fmt.Errorf("load: a socket for %v: %w", job.Server, err)
		}
		_ = conn.SetReadBuffer(1 << 20) // as much as the kernel lets us
		l := newLane(conn, job)
		if job.Outstanding > 0 {
			l.window = (job.Outstanding + i) / job.Sockets
		}
		r.lanes = append(r.lanes, l)
	}
	random := make([]byte, 16*len(job.Logins))
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	for i, login := range job.Logins {
		if err := r.lanes[i%len(r.lanes)].prepare(login, [16]byte(random[16*i:])); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
	}
	return r, nil
}

// Close closes the sockets.
func (r *Run) Close() {
	for _, l := range r.lanes {
		_ = l.conn.Close()
	}
}

// Go runs the job to its end, or ctx's, and closes the sockets. The error is a socket's.
func (r *Run) Go(ctx context.Context) (Result, error) {
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wait  sync.WaitGroup
		began = time.Now()
		late  []time.Duration
	)
	for _, l := range r.lanes {
		l.began = began
		wait.Go(func() { l.receive(ctx) })
	}
	if r.job.Rate > 0 {
		wait.Go(func() { late = r.pace(ctx, began) })
	}
	wait.Wait()

	var result Result
	errs := make([]error, 0, len(r.lanes))
	for _, l := range r.lanes {
		result.add(l.result)
		errs = append(errs, l.err)
	}
	result.sort()
	result.Late = percentile(late, 99)
	return result, errors.Join(errs...)
}

package load

import (
	"context"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// pace begins logins on schedule, whatever the server does, and returns by how much it was late. Go's timers
// are a millisecond coarse while the program sleeps, so it sleeps in the kernel, in a thread of its own.
func (r *Run) pace(ctx context.Context, began time.Time) (late []time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() {
		for _, l := range r.lanes {
			l.finishSending()
		}
	}()
	late = make([]time.Duration, 0, len(r.job.Logins))
	gap := time.Duration(float64(time.Second) / r.job.Rate)
	for i := 0; i < len(r.job.Logins) && ctx.Err() == nil; {
		due := time.Duration(float64(i) / r.job.Rate * float64(time.Second))
		now := time.Since(began)
		if due >= r.job.Length {
			break
		}
		if now < due {
			pause := unix.NsecToTimespec(int64(due - now))
			_ = unix.Nanosleep(&pause, nil) // woken early, it sleeps again
			continue
		}
		// All that is due by now, socket by socket.
		last := min(len(r.job.Logins), i+1+int((now-due)/max(gap, 1)))
		for ; i < last; i++ {
			late = append(late, max(0, now-time.Duration(float64(i)/r.job.Rate*float64(time.Second))))
			r.lanes[i%len(r.lanes)].sendOne()
		}
	}
	slices.Sort(late)
	return late
}

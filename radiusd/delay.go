package radiusd

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// delayTick is what a delay is rounded up to, so that a flood of rejects does not wake anybody for each of them.
const delayTick = 10 * time.Millisecond

// delayLine holds replies back until they are due. One goroutine serves all of them.
type delayLine struct {
	max   int
	began time.Time
	// changed tells the goroutine that the first reply is another one, or that no more will come.
	changed chan struct{}

	mu      sync.Mutex // guards what follows
	waiting delayHeap
	count   uint64 // of replies ever added, which orders those due at the same time
	closed  bool
}

// delayed is a reply that waits.
type delayed struct {
	due   time.Time
	order uint64
	reply *reply
}

func newDelayLine(limit int) *delayLine {
	return &delayLine{max: limit, began: time.Now(), changed: make(chan struct{}, 1)}
}

// add lets r wait until due or a little longer, unless too many wait already.
func (d *delayLine) add(r *reply, due time.Time) bool {
	due = d.began.Add((due.Sub(d.began) + delayTick - 1).Truncate(delayTick))
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) >= d.max {
		return false
	}
	d.count++
	added := &delayed{due: due, order: d.count, reply: r}
	heap.Push(&d.waiting, added)
	if d.waiting[0] == added {
		d.wake()
	}
	return true
}

// run hands each reply to send when it is due. It ends once the line is closed and empty, or with
// ctx; what then still waits is handed to lost.
func (d *delayLine) run(ctx context.Context, send, lost func(*reply)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		due, next, closed := d.takeDue(time.Now())
		for _, r := range due {
			send(r)
		}
		if closed && next.IsZero() {
			return
		}
		var isDue <-chan time.Time // never, if nothing waits
		if !next.IsZero() {
			timer.Reset(time.Until(next))
			isDue = timer.C
		}
		select {
		case <-isDue:
		case <-d.changed:
		case <-ctx.Done():
			for _, r := range d.takeAll() {
				lost(r)
			}
			return
		}
	}
}

// takeDue removes what is due at now, and returns when the next one will be: zero if none waits.
func (d *delayLine) takeDue(now time.Time) (due []*reply, next time.Time, closed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.waiting) > 0 {
		if d.waiting[0].due.After(now) {
			return due, d.waiting[0].due, d.closed
		}
		due = append(due, heap.Pop(&d.waiting).(*delayed).reply) //nolint:forcetypeassert // what the heap holds
	}
	return due, time.Time{}, d.closed
}

// takeAll removes everything.
func (d *delayLine) takeAll() []*reply {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*reply, 0, len(d.waiting))
	for _, w := range d.waiting {
		all = append(all, w.reply)
	}
	d.waiting = nil
	return all
}

// close lets run end once nothing waits any more. Nothing may be added afterwards.
func (d *delayLine) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.wake()
}

// wake makes run look again; one pending wake-up is enough.
func (d *delayLine) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// size is how many replies wait.
func (d *delayLine) size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

// delayHeap is a [heap.Interface], the earliest due first.
type delayHeap []*delayed

func (h delayHeap) Len() int      { return len(h) }
func (h delayHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h delayHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].order < h[j].order
	}
	return h[i].due.Before(h[j].due)
}
func (h *delayHeap) Push(x any) { *h = append(*h, x.(*delayed)) } //nolint:forcetypeassert // heap.Push is only called with these
func (h *delayHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}

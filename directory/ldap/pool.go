package ldap

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxIdle is how long an unused connection is kept: firewalls forget them in silence.
const maxIdle = 5 * time.Minute

// pool keeps the connections of one kind to one server: at most so many, the last used first.
type pool struct {
	now    func() time.Time
	dial   func(context.Context) (*conn, error)
	slots  chan struct{} // holds a token for each connection in use
	closed chan struct{}

	mu   sync.Mutex
	idle []*conn // the longest idle first
}

func newPool(limit int, now func() time.Time, dial func(context.Context) (*conn, error)) *pool {
	return &pool{now: now, dial: dial, slots: make(chan struct{}, limit), closed: make(chan struct{})}
}

// acquire gets the right to use one connection, until release gives it back. If all are in use, it waits
// until ctx ends, and reports that it has waited.
func (p *pool) acquire(ctx context.Context) (waited bool, err error) {
	if ctx.Err() != nil { // an operation would only spoil a good connection
		return false, &waitError{ctx.Err()}
	}
	select {
	case <-p.closed:
		return false, errClosed
	case p.slots <- struct{}{}:
		return false, nil
	default:
	}
	select {
	case <-p.closed:
		return true, errClosed
	case <-ctx.Done():
		return true, &waitError{fmt.Errorf("all %d connections are in use: %w", cap(p.slots), ctx.Err())}
	case p.slots <- struct{}{}:
		return true, nil
	}
}

func (p *pool) release() { <-p.slots }

// lookAfter is how long a connection may wait before it is looked at whether the server has closed it meanwhile:
// less is not worth a system call, since an operation that meets a closed connection is repeated on a fresh one.
const lookAfter = time.Second

// take returns an idle connection, or nil.
func (p *pool) take() *conn {
	for {
		c := p.pop()
		if c == nil || p.fresh(c) && c.usable() && (p.now().Sub(c.idle) < lookAfter || c.alive()) {
			return c
		}
		c.close()
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	last := len(p.idle) - 1
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

func (p *pool) fresh(c *conn) bool { return p.now().Sub(c.idle) < maxIdle }

// put keeps c for the next one if it is usable, and ends it else.
func (p *pool) put(c *conn) {
	if !c.usable() {
		c.close()
		return
	}
	c.idle = p.now()
	p.mu.Lock()
	p.idle = append(p.idle, c)
	var old *conn
	if !p.fresh(p.idle[0]) { // those below the one that is always used grow old here
		old, p.idle = p.idle[0], p.idle[1:]
	}
	p.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// close waits for the connections in use and ends all. A second close does nothing.
func (p *pool) close() {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		return
	default:
		close(p.closed)
	}
	p.mu.Unlock()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for c := p.pop(); c != nil; c = p.pop() {
		c.close()
	}
}

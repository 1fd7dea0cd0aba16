package peer

import (
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on, and everything that goes through them arrives later. It delays, and does not
// limit: what is sent in one go arrives in one go.
type Proxy struct {
	listener net.Listener
	to       string
	each     time.Duration
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

// Delay starts a proxy to an address that adds delay to each round trip.
func Delay(to string, delay time.Duration) (*Proxy, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, to: to, each: delay / 2, open: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends all connections and waits for them.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		_ = c.Close() // it may be closed already
	}
	p.open = nil
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !p.keep(near, far) {
			return
		}
		p.running.Go(func() { p.pass(near, far) })
		p.running.Go(func() { p.pass(far, near) })
	}
}

// keep has Close close them too; false if that is over.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.open[c] = true
	}
	return !p.closed
}

// piece is what was read at once, and when it is due at the other end.
type piece struct {
	data []byte
	due  time.Time
}

// pass copies one direction until it ends, then closes both ends.
func (p *Proxy) pass(from, to net.Conn) {
	pieces := make(chan piece, 1024)
	var written sync.WaitGroup
	written.Go(func() {
		for piece := range pieces {
			time.Sleep(time.Until(piece.due))
			if _, err := to.Write(piece.data); err != nil {
				_ = from.Close() // and the reader ends
			}
		}
		_ = to.Close()
	})
	for {
		data := make([]byte, 4096)
		n, err := from.Read(data)
		if n > 0 {
			pieces <- piece{data[:n], time.Now().Add(p.each)}
		}
		if err != nil {
			break
		}
	}
	close(pieces)
	written.Wait()
}

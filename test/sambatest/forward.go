package sambatest

import (
	"io"
	"net"
	"sync"

	"tandem/test/freeport"
)

// forwarder carries connections from a free port of 127.0.0.1 to Samba's port in its namespace.
type forwarder struct {
	address  string
	listener net.Listener
	dial     func() (net.Conn, error)

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]bool // nil: closed
}

func forward(dial func() (net.Conn, error)) (*forwarder, error) {
	address, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	f := &forwarder{address: address, listener: l, dial: dial, open: map[net.Conn]bool{}}
	f.running.Go(f.accept)
	return f, nil
}

// accept ends when the listener is closed.
func (f *forwarder) accept() {
	for {
		outer, err := f.listener.Accept()
		if err != nil {
			return
		}
		inner, err := f.dial()
		if err != nil || !f.keep(outer, inner) {
			_ = outer.Close()
			continue
		}
		f.running.Go(func() { f.carry(outer, inner) })
		f.running.Go(func() { f.carry(inner, outer) })
	}
}

// keep notes connections for close; false if that has been already, and then they are closed.
func (f *forwarder) keep(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		if f.open == nil {
			_ = c.Close()
			continue
		}
		f.open[c] = true
	}
	return f.open != nil
}

// carry copies one way. When one side ends, both do.
func (f *forwarder) carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range []net.Conn{to, from} {
		_ = c.Close()
		delete(f.open, c)
	}
}

func (f *forwarder) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	for c := range f.open {
		_ = c.Close()
	}
	f.open = nil
	f.mu.Unlock()
	f.running.Wait()
}

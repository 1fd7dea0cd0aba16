package etcdtest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A Wire is how one client reaches a cluster: a proxy before each member. Other wires, and those who use
// [Cluster.Endpoints], feel nothing of what is done to it.
type Wire struct {
	scheme string
	links  []*Link
}

// Wire lays a wire to all members. It is taken away at the end of the test.
func (c *Cluster) Wire(t testing.TB) *Wire {
	t.Helper()
	w := &Wire{scheme: c.scheme}
	for _, m := range c.members {
		l, err := newLink(m.client)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.close)
		w.links = append(w.links, l)
	}
	return w
}

// Endpoints are the proxies' addresses, as URLs, in the order of the members.
func (w *Wire) Endpoints() []string {
	endpoints := make([]string, len(w.links))
	for i, l := range w.links {
		endpoints[i] = w.scheme + "://" + l.listener.Addr().String()
	}
	return endpoints
}

// Link is the proxy before member i.
func (w *Wire) Link(i int) *Link { return w.links[i] }

// Cut cuts all links.
func (w *Wire) Cut() { w.each((*Link).Cut) }

// Hang makes all links hang.
func (w *Wire) Hang() { w.each((*Link).Hang) }

// Heal heals all links.
func (w *Wire) Heal() { w.each((*Link).Heal) }

func (w *Wire) each(do func(*Link)) {
	for _, l := range w.links {
		do(l)
	}
}

// A fault is what is wrong with a link.
type fault int

const (
	none fault = iota
	cut
	hang
	loseRequests
	loseReplies
)

// A Link is a TCP proxy before one member. All methods may be called by many goroutines at once.
type Link struct {
	listener net.Listener
	target   string
	// goroutines are the acceptor and two for each connection; close ends them.
	goroutines sync.WaitGroup

	mu          sync.Mutex
	changed     *sync.Cond // fault or closed has changed
	fault       fault
	delay       time.Duration
	closed      bool
	connections map[net.Conn]struct{}
}

func newLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{listener: listener, target: target, connections: map[net.Conn]struct{}{}}
	l.changed = sync.NewCond(&l.mu)
	l.goroutines.Go(l.accept)
	return l, nil
}

// Cut breaks all connections, and those that are tried.
func (l *Link) Cut() { l.set(cut) }

// Hang holds everything back in both directions, as a network does that drops packets. New connections are
// accepted. What was held back arrives after Heal.
func (l *Link) Hang() { l.set(hang) }

// LoseRequests drops what goes to the member from now on.
func (l *Link) LoseRequests() { l.set(loseRequests) }

// LoseReplies drops what comes from the member from now on.
func (l *Link) LoseReplies() { l.set(loseReplies) }

// Heal ends the fault. Connections that have lost something are broken, as TCP would have it.
func (l *Link) Heal() { l.set(none) }

// Delay lets everything arrive so much later.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

func (l *Link) set(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f == cut || l.fault == loseRequests || l.fault == loseReplies {
		l.breakConnections()
	}
	l.fault = f
	l.changed.Broadcast()
}

// breakConnections is called with mu held.
func (l *Link) breakConnections() {
	for c := range l.connections {
		_ = c.Close()
	}
	clear(l.connections)
}

func (l *Link) close() {
	l.mu.Lock()
	l.closed = true
	l.breakConnections()
	l.changed.Broadcast()
	l.mu.Unlock()
	_ = l.listener.Close()
	l.goroutines.Wait()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.goroutines.Go(func() { l.connect(client) })
	}
}

func (l *Link) connect(client net.Conn) {
	defer func() { _ = client.Close() }()
	if !l.register(client) {
		return
	}
	defer l.forget(client)
	member, err := net.DialTimeout("tcp", l.target, patience)
	if err != nil {
		return
	}
	defer func() { _ = member.Close() }()
	if !l.register(member) {
		return
	}
	defer l.forget(member)
	var replies sync.WaitGroup
	replies.Go(func() { l.pump(client, member, loseReplies) })
	l.pump(member, client, loseRequests)
	replies.Wait()
}

func (l *Link) register(c net.Conn) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.fault == cut {
		return false
	}
	l.connections[c] = struct{}{}
	return true
}

func (l *Link) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.connections, c)
}

// pump copies until one side ends, and then ends the other.
func (l *Link) pump(to, from net.Conn, loses fault) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.lost(loses, from) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// lost waits for as long as the link hangs or is slow, and tells whether what c sent is to be dropped.
func (l *Link) lost(loses fault, c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.delay; d > 0 {
		l.mu.Unlock()
		time.Sleep(d)
		l.mu.Lock()
	}
	for l.fault == hang && !l.closed {
		l.changed.Wait()
	}
	_, whole := l.connections[c]
	return l.fault == loses || !whole
}

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
)

// A badNetwork is a UDP proxy before a server that loses, doubles and delays packets in both directions, and so
// changes their order.
type badNetwork struct {
	front  *net.UDPConn
	target *net.UDPAddr
	// goroutines are the reader of front, one for each client, and one for each packet that is late.
	goroutines sync.WaitGroup

	mu      sync.Mutex // guards what follows
	random  *rand.Rand
	clients map[netip.AddrPort]*net.UDPConn
	tally   struct{ lost, doubled, late, passed int }
}

// The odds of what happens to a packet, in percent, and how late one is at most.
const (
	losePercent   = 20
	doublePercent = 25
	latePercent   = 30
	latest        = 300 * time.Millisecond
)

func newBadNetwork(t testing.TB, target string) *badNetwork {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	b := &badNetwork{front: front, target: to, random: rand.New(rand.NewPCG(5, 6)), clients: map[netip.AddrPort]*net.UDPConn{}}
	b.goroutines.Go(b.requests)
	t.Cleanup(b.close)
	return b
}

func (b *badNetwork) close() {
	_ = b.front.Close() // ends the reader, which alone adds clients
	b.mu.Lock()
	for _, c := range b.clients {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.goroutines.Wait()
}

func (b *badNetwork) requests() {
	buffer := make([]byte, radius.MaxPacketLength)
	for {
		n, from, err := b.front.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return // closed
		}
		if to := b.client(from); to != nil {
			b.pass(buffer[:n], func(packet []byte) { _, _ = to.Write(packet) })
		}
	}
}

// client is the socket from which the server hears a client; nil: there is none to be had.
func (b *badNetwork) client(from netip.AddrPort) *net.UDPConn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clients[from]; c != nil {
		return c
	}
	c, err := net.DialUDP("udp", nil, b.target)
	if err != nil {
		return nil
	}
	b.clients[from] = c
	b.goroutines.Go(func() {
		buffer := make([]byte, radius.MaxPacketLength)
		for {
			n, err := c.Read(buffer)
			if err != nil {
				return // closed, or the server has gone
			}
			b.pass(buffer[:n], func(packet []byte) { _, _ = b.front.WriteToUDPAddrPort(packet, from) })
		}
	})
	return c
}

// pass hands a packet on: not at all, once, or more often, now or later.
func (b *badNetwork) pass(packet []byte, write func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.random.IntN(100) < losePercent {
		b.tally.lost++
		return
	}
	copies := 1
	for b.random.IntN(100) < doublePercent {
		b.tally.doubled++
		copies++
	}
	for range copies {
		b.tally.passed++
		if b.random.IntN(100) >= latePercent {
			write(packet)
			continue
		}
		b.tally.late++
		late, own := time.Duration(b.random.Int64N(int64(latest))), append([]byte(nil), packet...)
		b.goroutines.Go(func() {
			time.Sleep(late)
			write(own)
		})
	}
}

// requestID marks a request in the audit.
func requestID(user string, i int) string { return fmt.Sprintf("%s login %d", user, i) }

func askThrough(b *badNetwork, user, code, id string) outcome {
	return outcomeOf(radiusclient.Exchange(context.Background(),
		radiusclient.Config{Addr: b.front.LocalAddr().String(), Secret: secret.New(sharedSecret), Timeout: 250 * time.Millisecond, Retries: 11},
		radiusclient.Request{User: user, Password: secret.New(code), NASIdentifier: id, CallingStation: home}))
}

// decided counts the audit's lines by the NAS-Identifiers of requests.
func (n *node) decided(t testing.TB) map[string]int {
	t.Helper()
	times := map[string]int{}
	for _, l := range n.audit(t) {
		times[l.NAS]++
	}
	return times
}

// TestRow03_BadNetwork: whatever becomes of packets, each request is decided once, and gets its one answer.
func TestRow03_BadNetwork(t *testing.T) {
	const people, logins = 30, 20
	e := newEstate(t, 1, inFile(""), people, 0, 0)
	n := e.nodes[0]
	network := newBadNetwork(t, n.addr)
	var all sync.WaitGroup
	for _, p := range e.people {
		all.Go(func() {
			for i := range logins {
				step, _ := p.token.press(time.Now())
				sent := time.Since(e.began)
				o := askThrough(network, p.name, p.token.code(step), requestID(p.name, i))
				p.record(step, o, sent, "bad network")
				if o == rejected {
					t.Errorf("%s: a fresh code was rejected: its request was decided twice", requestID(p.name, i))
				}
			}
			if err := p.check(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	decided := n.decided(t)
	var in int64
	for _, p := range e.people {
		in += p.counts.accepts
		for i := range logins {
			if times := decided[requestID(p.name, i)]; times > 1 {
				t.Errorf("%s was decided %d times", requestID(p.name, i), times)
			}
		}
	}
	network.mu.Lock()
	t.Logf("%d of %d logins got in; packets: %+v", in, people*logins, network.tally)
	network.mu.Unlock()
	if in < people*logins*9/10 {
		t.Errorf("%d of %d logins got in, want nearly all", in, people*logins)
	}
}

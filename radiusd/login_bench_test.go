package radiusd

import (
	"net/netip"
	"testing"
)

// BenchmarkLogin is what one login costs here, from the received bytes to the sent ones, without
// sockets and with a core that says yes at once.
func BenchmarkLogin(b *testing.B) {
	r := newIdleRig(b, &fakeCore{}, func(c *Config) { c.Logger = quiet() })
	r.sock.write = func(raw, _ []byte, _ netip.AddrPort) (int, int, error) { return len(raw), 0, nil }
	raw := ask{password: "password123456"}.bytes(b)
	port := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		port++ // each packet is a new request
		r.put(raw, netipPort(fromLenient, port))
		select {
		case waiting := <-r.queue.others:
			r.process(waiting)
		default: // after 65,536 of them, a retransmission
		}
	}
}

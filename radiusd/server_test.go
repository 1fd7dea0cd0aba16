package radiusd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/verify"
)

// loopback is a client that covers this host.
func loopback() Client {
	c := strict()
	c.Name = "loopback"
	c.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	return c
}

// start serves on real sockets until the test ends, and returns their addresses.
func start(t testing.TB, core Core, change func(*Config)) (*Server, []netip.AddrPort) {
	t.Helper()
	config := Config{
		Listen: []string{"127.0.0.1:0"}, Core: core, Workers: 8, Logger: quiet(),
		Settings: Settings{Clients: []Client{loopback()}, RejectDelay: time.Millisecond},
	}
	if change != nil {
		change(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	addrs := s.Addrs()
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, addrs
}

// dial connects a UDP socket to the server: it hears only what comes from that very address.
func dial(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends raw once and returns the next packet that comes back.
func exchange(conn *net.UDPConn, raw []byte) ([]byte, error) {
	if _, err := conn.Write(raw); err != nil {
		return nil, err
	}
	return next(conn)
}

// next returns the next packet that comes.
func next(conn *net.UDPConn) ([]byte, error) {
	buffer := make([]byte, radius.MaxPacketLength)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	n, err := conn.Read(buffer)
	return buffer[:n], err
}

func TestRepliesLeaveFromTheAddressThatWasAsked(t *testing.T) {
	_, addrs := start(t, &fakeCore{}, func(c *Config) { c.Listen = []string{"0.0.0.0:0"} })
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.9.8.7"} {
		asked := netip.AddrPortFrom(netip.MustParseAddr(ip), addrs[0].Port())
		raw := ask{}.bytes(t)
		reply, err := exchange(dial(t, asked), raw)
		if err != nil {
			t.Fatalf("ask %v: %v", asked, err)
		}
		parseReply(t, reply, raw, testSecret)
	}
}

func TestBothWildcardsStandSideBySide(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	_, addrs := start(t, &fakeCore{}, func(c *Config) {
		c.Listen = []string{fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf("[::]:%d", port), "[::1]:0"}
	})
	for _, to := range []netip.AddrPort{
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), addrs[0].Port()),
		netip.AddrPortFrom(netip.MustParseAddr("::1"), addrs[1].Port()),
		addrs[2],
	} {
		raw := ask{}.bytes(t)
		reply, err := exchange(dial(t, to), raw)
		if err != nil {
			t.Fatalf("ask %v: %v", to, err)
		}
		parseReply(t, reply, raw, testSecret)
	}
}

// On [::] the destination is read from the kernel, so that hosts with several addresses work.
func TestIPv6DestinationIsKnown(t *testing.T) {
	s, err := listen("[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close()
	to := netip.AddrPortFrom(netip.IPv6Loopback(), s.local.Port())
	if _, err := dial(t, to).Write([]byte("packet")); err != nil {
		t.Fatal(err)
	}
	b, from, err := (&reader{socket: s}).next()
	if err != nil || string(b) != "packet" || from.asked != to {
		t.Errorf("received %q for %v (%v), want it for %v", b, from.asked, err, to)
	}
}

func TestListenErrorsSayWhatToDo(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		"localhost:1812":           "want an IP address and a port",
		":1812":                    "want an IP address and a port",
		"127.0.0.1":                "want an IP address and a port",
		taken.LocalAddr().String(): "is another RADIUS server running",
		"192.0.2.1:1812":           "does this host not have the address",
	} {
		s, err := New(Config{Listen: []string{"127.0.0.1:0", address}, Core: &fakeCore{}, Settings: Settings{Clients: []Client{loopback()}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), address) {
			t.Errorf("listen on %s: %v", address, err)
		}
		if len(s.Addrs()) != 0 {
			t.Error("sockets were left open")
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(Config{Workers: -1, Queue: -1, Settings: Settings{
		ReplyCache: time.Minute, RejectDelay: -1, RequestTimeout: -1, Clients: []Client{{Name: "x"}},
	}})
	for _, want := range []string{"no core", "no address", "workers is -1", "queue is -1", "5s to 30s", "reject delay", "request timeout", `client "x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestServerServesOnce(t *testing.T) {
	s, _ := start(t, &fakeCore{}, nil)
	for deadline := time.Now().Add(10 * time.Second); ; {
		s.mu.Lock()
		serving := s.serving
		s.mu.Unlock()
		if serving {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not start")
		}
		time.Sleep(time.Millisecond)
	}
	if err := s.Serve(t.Context()); !errors.Is(err, ErrStarted) {
		t.Errorf("the second Serve returned %v", err)
	}
}

func TestShutdownFinishesWhatWasReceived(t *testing.T) {
	core, gate := gated()
	s, err := New(Config{
		Listen: []string{"127.0.0.1:0"}, Core: core, Workers: 2, Logger: quiet(),
		Settings: Settings{Clients: []Client{loopback()}, RejectDelay: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s.Addrs()[0])
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	const requests = 10 // two are being decided, eight are queued
	for id := range byte(requests) {
		if _, err := conn.Write(ask{id: id}.bytes(t)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "10 requests to arrive", func() bool { return s.cache.size() == requests })

	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for i := range requests {
		v := verify.Verdict{Outcome: verify.Accept}
		if i%2 == 0 {
			v.Outcome = verify.Reject // held back
		}
		gate <- v
	}
	seen := make(map[byte]radius.Code)
	for range requests {
		reply, err := next(conn)
		if err != nil {
			t.Fatalf("after %d replies: %v", len(seen), err)
		}
		seen[reply[1]] = radius.Code(reply[0])
	}
	if len(seen) != requests {
		t.Errorf("replies to %v, want to all of %d", seen, requests)
	}
	if err := errors.Join(<-down, <-served); err != nil {
		t.Error(err)
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		if _, err = next(conn); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the socket is still open: %v", err)
		}
	}
}

func TestShutdownGivesUpAtItsDeadline(t *testing.T) {
	core, _ := gated() // never decides
	s, addrs := start(t, core, func(c *Config) { c.Workers = 1 })
	conn := dial(t, addrs[0])
	for id := range byte(3) {
		if _, err := conn.Write(ask{id: id}.bytes(t)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "3 requests to arrive", func() bool { return s.cache.size() == 3 && s.queue.depth() == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Shutdown(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 requests") {
		t.Errorf("Shutdown returned %v", err)
	}
	<-s.served
	if got := count(t, s.metrics.dropped.WithLabelValues(string(dropShutdown))); got != 2 {
		t.Errorf("%d queued requests were dropped, want 2", got)
	}
}

func TestShutdownDropsHeldRepliesAtItsDeadline(t *testing.T) {
	s, addrs := start(t, always(verify.Verdict{Outcome: verify.Reject}), func(c *Config) { c.RejectDelay = time.Hour })
	if _, err := dial(t, addrs[0]).Write(ask{}.bytes(t)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a reply to be held back", func() bool { return s.delays.size() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("Shutdown did not say that it gave up")
	}
	<-s.served
	if got := count(t, s.metrics.dropped.WithLabelValues(string(dropShutdown))); got != 1 {
		t.Errorf("%d replies were dropped, want 1", got)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Core: &fakeCore{}, Settings: Settings{Clients: []Client{loopback()}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}

func TestShutdownWithoutServe(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Core: &fakeCore{}, Settings: Settings{Clients: []Client{loopback()}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil || len(s.Addrs()) != 0 {
		t.Errorf("%v, sockets %v", err, s.Addrs())
	}
	if err := s.Serve(t.Context()); err != nil {
		t.Error(err)
	}
}

// Reloads under load: every request is answered, once, under the settings it arrived under.
func TestRow49_ReloadUnderLoadLosesNothing(t *testing.T) {
	var decided atomic.Int64
	core := &fakeCore{decide: func(context.Context, []byte, verify.Attempt) verify.Verdict {
		decided.Add(1)
		return verify.Verdict{Outcome: verify.Accept}
	}}
	s, addrs := start(t, core, nil)

	const senders, each = 8, 200
	done := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			other := loopback()
			other.Policy = fmt.Sprint("policy ", i)
			if err := s.Reload(Settings{Clients: []Client{other, strict()}, RejectDelay: time.Millisecond}); err != nil {
				t.Error(err)
			}
		}
	})
	var sending sync.WaitGroup
	for range senders {
		conn := dial(t, addrs[0])
		sending.Go(func() {
			for i := range each {
				raw := ask{id: byte(i), authenticator: byte(i / 256)}.bytes(t)
				reply, err := exchange(conn, raw)
				if err != nil {
					t.Errorf("request %d: %v", i, err)
					return
				}
				parseReply(t, reply, raw, testSecret)
			}
		})
	}
	sending.Wait()
	close(done)
	reloads.Wait()
	if got := decided.Load(); got != senders*each {
		t.Errorf("%d requests were decided, want %d", got, senders*each)
	}
}

func TestRow49_RequestEndsUnderTheSettingsItArrivedUnder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, gate := gated()
		b := newRig(t, core, nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		synctest.Wait()
		changed := strict()
		changed.Secret = secret.New("another secret")
		if err := b.Reload(Settings{Clients: []Client{changed}, RejectDelay: time.Hour}); err != nil {
			t.Fatal(err)
		}
		gate <- verify.Verdict{Outcome: verify.Reject}
		time.Sleep(DefaultRejectDelay)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessReject) // signed with the secret that the NAS used

		b.put(ask{id: 1}.bytes(t), fromStrict)
		b.noReply()
		b.wantDropped(dropForged, 1)
		newer := ask{id: 2, secret: "another secret"}.bytes(t)
		b.put(newer, fromStrict)
		gate <- verify.Verdict{Outcome: verify.Accept}
		parseReply(t, b.oneReply().raw, newer, "another secret")
	})
}

func TestRow49_BadReloadKeepsTheOldSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		if err := b.Reload(Settings{Clients: []Client{strict(), strict()}}); err == nil {
			t.Fatal("a bad reload was taken")
		}
		raw := ask{}.bytes(t)
		b.put(raw, fromLenient)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessAccept)
	})
}

// A reload does not make a retransmission look new.
func TestRow49_ReloadKeepsTheReplyCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		raw := ask{}.bytes(t)
		b.put(raw, fromStrict)
		b.oneReply()
		if err := b.Reload(Settings{Clients: []Client{strict()}}); err != nil {
			t.Fatal(err)
		}
		b.put(raw, fromStrict)
		b.oneReply()
		b.wantCalls(1)
	})
}

func TestCollectors(t *testing.T) {
	b := newRig(t, &fakeCore{}, nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, strings.TrimPrefix(f.GetName(), "tandem_radius_"))
	}
	want := "cache_entries decision_seconds delayed_replies dropped_total duplicates_total packets_received_total panics_total queue_depth replies_total unsupported_credentials_total"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("the metrics are %s, want %s", got, want)
	}
}

// waitFor polls until it is reached.
func waitFor(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

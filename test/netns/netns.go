// Package netns gives tests networks of their own: network namespaces (network_namespaces(7)) in which every address and
// every port is free, and from which nothing of this machine can be reached.
//
//	here, there := netns.New(t), netns.New(t)
//	netns.Join(here, netip.MustParsePrefix("203.0.113.1/24"), there, netip.MustParsePrefix("203.0.113.2/24"))
//	err := there.Start(exec.Command("server", "--port", "443"))
//	conn, err := here.Dial("203.0.113.2:443")
//
// A network ends with its test; what was started in it is killed then at the latest. It needs root.
package netns

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait; a loaded machine is slow.
const patience = 20 * time.Second

// Network is one namespace. It has a loopback interface, and what Join gives it.
type Network struct {
	t      testing.TB
	work   chan func()
	thread int // its id names the namespace to ip(8)
}

// New makes a network that ends with the test. Without root, which that takes, the test is skipped.
func New(t testing.TB) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	n := &Network{t: t, work: make(chan func())}
	made := make(chan error)
	var running sync.WaitGroup
	running.Go(func() { n.live(made) }) // ends with the channel n.work
	err := <-made
	t.Cleanup(func() {
		close(n.work)
		running.Wait()
	})
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	n.IP("link", "set", "lo", "up")
	return n
}

// live does the work that is to be done inside. A namespace belongs to a thread; this one is never unlocked, so it ends
// with the goroutine, and with the thread end the processes that were started from it.
func (n *Network) live(made chan<- error) {
	runtime.LockOSThread()
	n.thread = unix.Gettid()
	err := unix.Unshare(unix.CLONE_NEWNET)
	made <- err
	for f := range n.work {
		f()
	}
}

// Enter runs f inside, and waits for it. Sockets that f makes belong to the network wherever they are used, as long as
// f itself makes them: other goroutines are not inside.
func (n *Network) Enter(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Start starts a program inside.
func (n *Network) Start(c *exec.Cmd) (err error) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = new(syscall.SysProcAttr)
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	n.Enter(func() { err = c.Start() })
	return err
}

// Dial connects to a TCP address, which has no host name, from inside.
func (n *Network) Dial(address string) (c net.Conn, err error) {
	n.Enter(func() { c, err = net.DialTimeout("tcp", address, patience) })
	return c, err
}

// Listen listens on a TCP address inside until the end of the test.
func (n *Network) Listen(address string) net.Listener {
	n.t.Helper()
	var l net.Listener
	var err error
	n.Enter(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	return l
}

// ListenUDP listens on a UDP address inside until the end of the test.
func (n *Network) ListenUDP(address string) net.PacketConn {
	n.t.Helper()
	var c net.PacketConn
	var err error
	n.Enter(func() { c, err = net.ListenPacket("udp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// IP runs ip(8) inside.
func (n *Network) IP(args ...string) {
	n.t.Helper()
	program, err := exec.LookPath("ip")
	if err != nil {
		program = "/usr/sbin/ip"
	}
	var out strings.Builder
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = &out, &out
	if err = n.Start(c); err == nil {
		err = c.Wait()
	}
	if err != nil {
		n.t.Fatalf("ip %s (apt-get install iproute2): %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

// Join lays a cable between two networks and gives each end its address. Two networks have one cable.
func Join(a *Network, atA netip.Prefix, b *Network, atB netip.Prefix) {
	a.t.Helper()
	a.IP("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", strconv.Itoa(b.thread))
	for n, address := range map[*Network]netip.Prefix{a: atA, b: atB} {
		n.IP("address", "add", address.String(), "dev", "cable")
		n.IP("link", "set", "cable", "up")
	}
}

package sambatest

import (
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own (network_namespaces(7)), with nothing in it but a loopback interface. What
// enter runs, and processes started there, see no other network.
type namespace struct {
	work  chan func()
	ended chan struct{}
}

// newNamespace needs root.
func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go func() { // ends with close
		defer close(n.ended)
		// A namespace belongs to a thread. This one is never unlocked, so it ends with the goroutine.
		runtime.LockOSThread()
		err := unshare()
		made <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-made; err != nil {
		<-n.ended
		return nil, err
	}
	return n, nil
}

// enter runs f inside, and waits for it.
func (n *namespace) enter(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (n *namespace) close() {
	close(n.work)
	<-n.ended
}

// dial connects to a port of the loopback inside. The connection is good everywhere.
func (n *namespace) dial(port string) (c net.Conn, err error) {
	n.enter(func() { c, err = net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), patience) })
	return c, err
}

// unshare puts the thread into a new namespace and turns its loopback on (netdevice(7)).
func unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket in the network namespace: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("turn on the loopback of the network namespace: %w", err)
	}
	return nil
}

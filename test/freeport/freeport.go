// Package freeport finds ports of 127.0.0.1 for servers that tests start.
//
// A port that the kernel chooses is free only while somebody holds it: between its being found and its being
// listened on, any connection of another test may be given it. So ports are taken from below those that the
// kernel hands out, and each is reserved among all tests of this machine, until the process ends, by the name
// of an abstract unix socket.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are tried: above the well-known ones, below Linux's net.ipv4.ip_local_port_range.
const lowest, highest = 20000, 32000

var (
	mu       sync.Mutex
	reserved []net.Listener //nolint:gochecknoglobals // they belong to the process
)

// Find returns a port that is free for UDP and TCP, and no other test's.
func Find() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	var last error
	for range 1000 {
		port := lowest + rand.IntN(highest-lowest)
		name, err := net.Listen("unix", "@tandem-test-port-"+strconv.Itoa(port))
		if err != nil {
			last = err
			continue
		}
		if last = free(port); last == nil {
			reserved = append(reserved, name)
			return port, nil
		}
		_ = name.Close()
	}
	return 0, fmt.Errorf("no free port from %d to %d was found: %w", lowest, highest, last)
}

// Address is Find as "127.0.0.1:port".
func Address() (string, error) {
	port, err := Find()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

func free(port int) error {
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	tcp, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	udp, err := net.ListenPacket("udp", at)
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	return errors.Join(tcp.Close(), udp.Close())
}

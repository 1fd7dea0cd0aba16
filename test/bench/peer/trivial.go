package peer

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"

	"tandem/test/bench/proc"
)

// Trivial starts this program again as the trivial responder: what it does is the least that any server has to do.
func (p Place) Trivial() (*Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	process, err := proc.Start(p.ServerCore, self, "-trivial", addr.String())
	if err != nil {
		return nil, err
	}
	s := &Server{Process: process, Addr: addr}
	if err := s.ready(10 * time.Second); err != nil {
		process.Stop()
		return nil, err
	}
	return s, nil
}

// Accept answers everything that comes to addr with a signed Access-Accept, until ctx ends. It checks nothing.
func Accept(ctx context.Context, addr netip.AddrPort) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return fmt.Errorf("the trivial responder: %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetReadBuffer(4 << 20)
	batch := ipv4.NewPacketConn(conn)
	messages := make([]ipv4.Message, 32)
	buffers := make([][4096]byte, len(messages))
	mac := hmac.New(md5.New, []byte(Secret))
	for {
		for i := range messages {
			messages[i].Buffers = [][]byte{buffers[i][:]}
		}
		n, err := batch.ReadBatch(messages, 0)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the trivial responder: %w", err)
		}
		for i := range messages[:n] {
			reply := messages[i].Buffers[0][:38]
			reply[0] = 2                              // Access-Accept
			binary.BigEndian.PutUint16(reply[2:], 38) // Identifier and authenticator are the request's
			reply[20], reply[21] = 80, 18
			clear(reply[22:])
			mac.Reset()
			mac.Write(reply)
			mac.Sum(reply[:22])
			sum := md5.Sum(append(reply[:38:38], Secret...))
			copy(reply[4:], sum[:])
			messages[i].Buffers[0] = reply
		}
		for sent := 0; sent < n; {
			m, err := batch.WriteBatch(messages[sent:n], 0)
			if err != nil {
				return fmt.Errorf("the trivial responder: %w", err)
			}
			sent += m
		}
	}
}

package radiusd

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"layeh.com/radius"
)

// receiveBuffer is how many octets of requests the kernel is asked to keep for us; it may give less
// (net.core.rmem_max).
const receiveBuffer = 4 << 20

// controlSize is room enough for the one control message asked for (IP_PKTINFO or IPV6_PKTINFO).
const controlSize = 128

// socket is one UDP socket of the server.
type socket struct {
	conn *net.UDPConn
	// local is the address the socket is bound to.
	local netip.AddrPort
	// write sends b with the control message oob.
	write func(b, oob []byte, to netip.AddrPort) (n, oobn int, err error)
}

// path is the way a request came, which is the way its reply has to go back: a NAS ignores a reply
// from another address than the one it asked.
type path struct {
	socket *socket
	// peer is who asked.
	peer netip.AddrPort
	// asked is the address of ours that was asked.
	asked netip.AddrPort
	// link is the index of the interface, where the address does not make sense without it.
	link int
}

// listen binds address, which must hold an IP address and not a name.
func listen(address string) (*socket, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("radius: listen on %q: want an IP address and a port, such as 0.0.0.0:1812 or [::]:1812: %w", address, err)
	}
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6" // sets IPV6_V6ONLY, so that 0.0.0.0 and [::] can stand side by side
	}
	packets, err := (&net.ListenConfig{}).ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, fmt.Errorf("radius: listen on %s: %w (is another RADIUS server running, or does this host not have the address?)", address, err)
	}
	conn := packets.(*net.UDPConn) //nolint:forcetypeassert // what ListenPacket gives for udp4 and udp6
	_ = conn.SetReadBuffer(receiveBuffer)

	local := conn.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // as above
	s := &socket{conn: conn, write: conn.WriteMsgUDPAddrPort, local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port())}
	if err := s.askForDestinations(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("radius: listen on %s: ask the kernel for the packets' destinations: %w (list the host's addresses instead of the wildcard)",
			address, err)
	}
	return s, nil
}

// askForDestinations makes a wildcard socket report which of our addresses each packet was sent to.
func (s *socket) askForDestinations() error {
	switch {
	case !s.local.Addr().IsUnspecified():
		return nil
	case s.local.Addr().Is4():
		return ipv4.NewPacketConn(s.conn).SetControlMessage(ipv4.FlagDst, true)
	default:
		return ipv6.NewPacketConn(s.conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
}

// reader reads one socket's packets. It belongs to one goroutine.
type reader struct {
	socket  *socket
	packet  [radius.MaxPacketLength]byte
	control [controlSize]byte
}

// next waits for a packet. The slice is valid until the next call. What is longer than a RADIUS
// packet can be is cut off, which is what RFC 2865 §3 asks for.
func (r *reader) next() ([]byte, path, error) {
	n, controlled, _, peer, err := r.socket.conn.ReadMsgUDPAddrPort(r.packet[:], r.control[:])
	if err != nil {
		return nil, path{}, err
	}
	asked, link := r.socket.destination(r.control[:controlled])
	return r.packet[:n], path{socket: r.socket, peer: peer, asked: asked, link: link}, nil
}

// destination reads from a packet's control message which of our addresses it was sent to.
func (s *socket) destination(control []byte) (asked netip.AddrPort, link int) {
	if len(control) == 0 {
		return s.local, 0
	}
	var dst net.IP
	if s.local.Addr().Is4() {
		var m ipv4.ControlMessage
		if m.Parse(control) == nil {
			dst = m.Dst
		}
	} else {
		var m ipv6.ControlMessage
		if m.Parse(control) == nil {
			dst, link = m.Dst, m.IfIndex
		}
	}
	addr, ok := netip.AddrFromSlice(dst)
	if !ok {
		return s.local, 0
	}
	if !addr.IsLinkLocalUnicast() {
		link = 0 // let routing choose: the way back may be another one
	}
	return netip.AddrPortFrom(addr, s.local.Port()), link
}

// send sends b back to the peer, from the address that it asked.
func (p path) send(b []byte) error {
	var control []byte
	switch {
	case p.asked == p.socket.local:
	case p.asked.Addr().Is4():
		control = (&ipv4.ControlMessage{Src: p.asked.Addr().AsSlice()}).Marshal()
	default:
		control = (&ipv6.ControlMessage{Src: p.asked.Addr().AsSlice(), IfIndex: p.link}).Marshal()
	}
	_, _, err := p.socket.write(b, control, p.peer)
	return err
}

package vpn

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"tandem/test/netns"
	"tandem/test/slapdtest"
)

// Addresses of the picture in the package's comment.
const (
	gatewayAddress = "203.0.113.1"
	roadAddress    = "203.0.113.2"
	insideAddress  = "10.99.0.1"
	insideNetwork  = "10.99.0.0/24"
	// tunnelNetwork is what the gateways give addresses from.
	tunnelNetwork = "10.98.0.0/24"
)

// sharedSecret has no blanks: radcli's file of secrets is split at them.
const sharedSecret = "a-shared-secret-of-the-tests"

// estate is a gateway's host, with a service behind it and a tandemd beside it, and somebody on the road.
type estate struct {
	t             testing.TB
	gateway, road *netns.Network
	dir           string // everybody may enter: gateways drop their rights
	tandem        *tandem
	// caFile, certFile and keyFile hold the gateway's certificate, in PEM.
	caFile, certFile, keyFile string
}

// newEstate starts a tandemd with that configuration and those users, and no gateway yet.
func newEstate(t testing.TB, config string, users ...*user) *estate {
	t.Helper()
	e := &estate{t: t, gateway: netns.New(t), road: netns.New(t)}
	dir, err := os.MkdirTemp("", "tandem-vpn-") // not t.TempDir, whose long paths are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e.dir = dir
	netns.Join(e.gateway, netip.MustParsePrefix(gatewayAddress+"/24"), e.road, netip.MustParsePrefix(roadAddress+"/24"))
	e.serveInside()
	authority := slapdtest.NewAuthority(t)
	cert, key := authority.Issue(gatewayAddress)
	e.caFile = e.write("ca.pem", string(authority.PEM))
	e.certFile, e.keyFile = e.write("cert.pem", string(cert)), e.write("key.pem", string(key))
	e.tandem = e.startTandem("tandem", "127.0.0.1:1812", config, users...)
	return e
}

// write makes a file that only root may read.
func (e *estate) write(name, text string) string {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
	return path
}

// serveInside tells whoever comes where they come from.
func (e *estate) serveInside() {
	e.t.Helper()
	e.gateway.IP("address", "add", insideAddress+"/32", "dev", "lo")
	l := e.gateway.Listen(insideAddress + ":80")
	go func() { // ends with l
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().String())
			_ = c.Close()
		}
	}()
}

// reach connects from the road to what is inside, and returns the address that it was seen to come from.
func (e *estate) reach() (from netip.Addr, err error) {
	c, err := e.road.Dial(insideAddress + ":80")
	if err != nil {
		return from, err
	}
	defer c.Close()
	said, err := io.ReadAll(c)
	if err != nil {
		return from, err
	}
	seen, err := netip.ParseAddrPort(string(said))
	return seen.Addr(), err
}

// wantReach fails the test unless what is inside can be reached from that address of a tunnel.
func (e *estate) wantReach(address string) {
	e.t.Helper()
	from, err := e.reach()
	if err != nil || from.String() != address || !netip.MustParsePrefix(tunnelNetwork).Contains(from) {
		e.t.Fatalf("through the tunnel: seen from %v, %v; want %s", from, err, address)
	}
}

// wantNoWayIn fails the test if what is inside can be reached.
func (e *estate) wantNoWayIn() {
	e.t.Helper()
	if from, err := e.reach(); err == nil {
		e.t.Fatalf("what is inside can be reached without a tunnel, from %v", from)
	}
}

package radiusd

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
	"tandem/verify"
)

const testSecret = "testing123"

// fakeCore is a Core that does what its fields say, and remembers what it was asked.
type fakeCore struct {
	// decide answers every attempt; nil accepts.
	decide func(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict
	// plausible is the only State that looks like ours.
	plausible string
	ready     func() error

	refused atomic.Int32 // how many attempts it was told to refuse

	mu    sync.Mutex
	asked []coreCall
}

// coreCall is one question that the core was asked.
type coreCall struct {
	attempt verify.Attempt
	state   string
}

func (c *fakeCore) Start(ctx context.Context, a verify.Attempt) verify.Verdict {
	return c.Resume(ctx, nil, a)
}

func (c *fakeCore) Resume(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict {
	c.mu.Lock()
	c.asked = append(c.asked, coreCall{a, string(state)})
	c.mu.Unlock()
	if c.decide == nil {
		return verify.Verdict{Outcome: verify.Accept}
	}
	return c.decide(ctx, state, a)
}

func (c *fakeCore) Refuse(_ context.Context, _ verify.Attempt, reason verify.Reason) verify.Verdict {
	c.refused.Add(1)
	return verify.Verdict{Outcome: verify.Reject, Hold: true, Reason: reason, Message: "No."}
}

func (c *fakeCore) Plausible(state []byte) bool { return string(state) == c.plausible }

func (c *fakeCore) Ready(context.Context) error {
	if c.ready == nil {
		return nil
	}
	return c.ready()
}

// calls returns what the core was asked so far.
func (c *fakeCore) calls() []coreCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// always makes a core that answers everything with v.
func always(v verify.Verdict) *fakeCore {
	return &fakeCore{decide: func(context.Context, []byte, verify.Attempt) verify.Verdict { return v }}
}

// strict is a client as a configuration makes it by default; lenient is one with everything opted out.
func strict() Client {
	return Client{
		Name: "strict", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Secret: secret.New(testSecret),
		RequireMessageAuthenticator: true, LimitProxyState: true, Policy: "default",
	}
}

func lenient() Client {
	return Client{Name: "lenient", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Secret: secret.New(testSecret), Policy: "old"}
}

// Addresses of the clients, and of nobody.
var (
	fromStrict  = netip.MustParseAddrPort("192.0.2.7:50000")
	fromLenient = netip.MustParseAddrPort("198.51.100.7:50000")
	fromUnknown = netip.MustParseAddrPort("203.0.113.7:50000")
)

// rig is a server without sockets: packets are put into its hands, and what it sends is kept.
// In a synctest bubble its time is the test's.
type rig struct {
	*Server
	t    testing.TB
	core *fakeCore
	sock *socket
	logs *bytes.Buffer

	mu   sync.Mutex
	sent []sentPacket
}

// sentPacket is a packet that a rig's server has sent.
type sentPacket struct {
	raw []byte
	to  netip.AddrPort
}

// newRig makes a server that works until the test ends. change may be nil.
func newRig(t testing.TB, core *fakeCore, change func(*Config)) *rig {
	t.Helper()
	b := newIdleRig(t, core, change)
	t.Cleanup(b.startWork())
	return b
}

// newIdleRig makes a server whose workers are not started.
func newIdleRig(t testing.TB, core *fakeCore, change func(*Config)) *rig {
	t.Helper()
	b := &rig{t: t, core: core, logs: new(bytes.Buffer)}
	config := Config{
		Listen: []string{"127.0.0.1:0"}, Core: core, Workers: 4,
		Logger:   slog.New(slog.NewTextHandler(b.logs, nil)),
		Settings: Settings{Clients: []Client{strict(), lenient()}},
	}
	if change != nil {
		change(&config)
	}
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.giveUp)
	b.Server = server
	b.sock = &socket{local: netip.MustParseAddrPort("127.0.0.1:1812"), write: b.record}
	return b
}

func (b *rig) record(raw, oob []byte, to netip.AddrPort) (int, int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, sentPacket{bytes.Clone(raw), to})
	return len(raw), len(oob), nil
}

// put hands the server one packet, as its reader would, in a buffer that is reused afterwards.
func (b *rig) put(raw []byte, from netip.AddrPort) {
	buffer := bytes.Clone(raw)
	b.receive(buffer, path{socket: b.sock, peer: from, asked: b.sock.local})
	for i := range buffer {
		buffer[i] = 0xee
	}
}

// replies returns what was sent since the last call, once everybody waits for something.
func (b *rig) replies() []sentPacket {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.sent
	b.sent = nil
	return sent
}

// oneReply is replies where exactly one is due.
func (b *rig) oneReply() sentPacket {
	b.t.Helper()
	sent := b.replies()
	if len(sent) != 1 {
		b.t.Fatalf("%d replies were sent, want 1", len(sent))
	}
	return sent[0]
}

// noReply fails if anything was sent.
func (b *rig) noReply() {
	b.t.Helper()
	if sent := b.replies(); len(sent) != 0 {
		b.t.Fatalf("%d replies were sent, want none: %x", len(sent), sent[0].raw)
	}
}

// dropped returns how many packets were dropped for reason.
func (b *rig) dropped(reason dropReason) int {
	return count(b.t, b.metrics.dropped.WithLabelValues(string(reason)))
}

// duplicates returns how many retransmissions of a kind there were.
func (b *rig) duplicates(kind string) int {
	return count(b.t, b.metrics.duplicates.WithLabelValues(kind))
}

// wantDropped fails unless so many packets were dropped for reason.
func (b *rig) wantDropped(reason dropReason, want int) {
	b.t.Helper()
	if got := b.dropped(reason); got != want {
		b.t.Errorf("%d packets were dropped for %q, want %d", got, reason, want)
	}
}

// wantCalls fails unless the core was asked so often.
func (b *rig) wantCalls(want int) {
	b.t.Helper()
	synctest.Wait()
	if got := len(b.core.calls()); got != want {
		b.t.Fatalf("the core was asked %d times, want %d", got, want)
	}
}

// ask describes a request; the zero value is a signed Access-Request of alice's.
type ask struct {
	code          radius.Code // 0: Access-Request
	id            byte
	authenticator byte // fills the Request Authenticator
	user          string
	password      string
	hidden        []byte // if not nil, the value of User-Password as it is
	noPassword    bool
	state         string
	extra         radius.Attributes
	unsigned      bool
	secret        string
}

// bytes makes the packet.
func (a ask) bytes(t testing.TB) []byte {
	t.Helper()
	p := &radius.Packet{Code: a.code, Identifier: a.id, Secret: []byte(testSecret)}
	if a.code == 0 {
		p.Code = radius.CodeAccessRequest
	}
	if a.secret != "" {
		p.Secret = []byte(a.secret)
	}
	for i := range p.Authenticator {
		p.Authenticator[i] = a.authenticator
	}
	user := a.user
	if user == "" {
		user = "alice"
	}
	p.Add(rfc2865.UserName_Type, radius.Attribute(user))
	if !a.noPassword {
		hidden := a.hidden
		if hidden == nil {
			var err error
			if hidden, err = radius.NewUserPassword([]byte(a.password), p.Secret, p.Authenticator[:]); err != nil {
				t.Fatal(err)
			}
		}
		p.Add(rfc2865.UserPassword_Type, hidden)
	}
	if a.state != "" {
		p.Add(rfc2865.State_Type, radius.Attribute(a.state))
	}
	p.Attributes = append(p.Attributes, a.extra...)
	encode := msgauth.Encode
	if a.unsigned {
		encode = (*radius.Packet).Encode
	}
	raw, err := encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// parseReply fails unless reply is an authentic reply to request that begins with a Message-Authenticator.
func parseReply(t testing.TB, reply, request []byte, key string) *radius.Packet {
	t.Helper()
	p, err := radius.Parse(reply, []byte(key))
	if err != nil {
		t.Fatalf("the reply %x: %v", reply, err)
	}
	if p.Identifier != request[1] || !radius.IsAuthenticResponse(reply, request, []byte(key)) {
		t.Fatalf("the reply %x is no authentic response to %x", reply, request)
	}
	if len(p.Attributes) == 0 || p.Attributes[0].Type != rfc2869.MessageAuthenticator_Type {
		t.Fatalf("the reply %x does not begin with a Message-Authenticator", reply)
	}
	if !msgauth.Valid(reply, headerLength+2, [16]byte(request[4:20]), []byte(key)) {
		t.Fatalf("the reply %x has a wrong Message-Authenticator", reply)
	}
	return p
}

// wantCode fails unless reply is an authentic reply to request with that code.
func wantCode(t testing.TB, reply sentPacket, request []byte, code radius.Code) *radius.Packet {
	t.Helper()
	p := parseReply(t, reply.raw, request, testSecret)
	if p.Code != code {
		t.Fatalf("the reply is %v, want %v", p.Code, code)
	}
	return p
}

// quiet is a logger for tests that do not read the log.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// count reads a counter.
func count(t testing.TB, counter prometheus.Counter) int {
	t.Helper()
	var m dto.Metric
	if err := counter.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

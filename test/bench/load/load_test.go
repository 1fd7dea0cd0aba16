package load

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/radiusd/msgauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "a secret of the tests"

// server is a RADIUS server that does what the user's name says. It reads requests with the library that Tandem
// uses, so that the load's own encoding is held against it.
type server struct {
	conn net.PacketConn
	addr netip.AddrPort

	mu   sync.Mutex
	seen map[string]int // requests by user
}

func newServer(t *testing.T) *server {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), seen: map[string]int{}}
	var ended sync.WaitGroup
	ended.Go(func() { s.serve(t) })
	t.Cleanup(func() {
		_ = conn.Close()
		ended.Wait()
	})
	return s
}

func (s *server) serve(t *testing.T) {
	b := make([]byte, maxLength)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		request := bytes.Clone(b[:n])
		p, err := radius.Parse(request, []byte(key))
		if err != nil || request[20] != messageAuthenticator || !msgauth.Valid(request, 22, p.Authenticator, []byte(key)) {
			t.Errorf("a bad request: %x (%v)", request, err)
			continue
		}
		name, password := rfc2865.UserName_GetString(p), rfc2865.UserPassword_GetString(p)
		s.mu.Lock()
		s.seen[name]++
		times := s.seen[name]
		s.mu.Unlock()
		for _, answer := range s.answers(t, p, name, password, times) {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (s *server) answers(t *testing.T, p *radius.Packet, name, password string, times int) [][]byte {
	code := radius.CodeAccessReject
	if password == "right" || password == "code" && rfc2865.State_GetString(p) == "challenge" {
		code = radius.CodeAccessAccept
	}
	kind, _, _ := strings.Cut(name, "-")
	reply := p.Response(code)
	switch {
	case kind == "asked" && times == 1:
		reply = p.Response(radius.CodeAccessChallenge)
		reply.Add(rfc2865.State_Type, []byte("challenge"))
	case kind == "silent", kind == "patient" && times == 1:
		return nil
	}
	if kind == "unsigned" {
		b, err := reply.Encode()
		if err != nil {
			t.Error(err)
		}
		return [][]byte{b}
	}
	b, err := msgauth.Encode(reply)
	if err != nil {
		t.Error(err)
	}
	forged := bytes.Clone(b)
	switch kind {
	case "forged": // the Response Authenticator
		forged[4] ^= 1
		return [][]byte{forged}
	case "changed": // a reject that became an accept on its way
		forged[0] = accessAccept
		return [][]byte{forged}
	case "missigned": // the Message-Authenticator, with a Response Authenticator that fits it
		forged[22] ^= 1
		return [][]byte{resign(forged, p.Authenticator)}
	case "twice":
		return [][]byte{b, b}
	case "late": // first somebody else's
		return [][]byte{forged[:10], b}
	}
	return [][]byte{b}
}

// resign computes the Response Authenticator anew.
func resign(b []byte, authenticator [16]byte) []byte {
	p, err := radius.Parse(b, []byte(key))
	if err != nil {
		panic(err)
	}
	p.Authenticator = authenticator
	signed, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return signed
}

// run runs a job. What is lost has to be waited for, and everything else may take its time on a busy machine.
func run(t *testing.T, job Job, lost int) Result {
	t.Helper()
	job.Secret, job.Length, job.Timeout = key, time.Minute, 30*time.Second
	if lost > 0 {
		job.Timeout = time.Second
	}
	r, err := Prepare(job)
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.Go(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// counts are a Result without what a clock makes of it.
type counts struct {
	Sent, Accepted, Rejected, Lost, Challenged, Resent, Duplicates, Forged, Unsigned int
}

func TestAnswersAreCountedRightly(t *testing.T) {
	for _, c := range []struct {
		kind, password, answer string
		resend                 time.Duration
		want                   counts // of ten logins
	}{
		{kind: "plain", password: "right", want: counts{Sent: 10, Accepted: 10}},
		{kind: "plain", password: "wrong", want: counts{Sent: 10, Rejected: 10}},
		{kind: "asked", password: "right", answer: "code", want: counts{Sent: 10, Challenged: 10, Accepted: 10}},
		{kind: "asked", password: "right", answer: "guess", want: counts{Sent: 10, Challenged: 10, Rejected: 10}},
		{kind: "asked", password: "right", want: counts{Sent: 10, Rejected: 10}}, // a challenge that nobody expects is no yes
		{kind: "unsigned", password: "right", want: counts{Sent: 10, Accepted: 10, Unsigned: 10}},
		{kind: "silent", password: "right", want: counts{Sent: 10, Lost: 10}},
		{kind: "silent", password: "right", resend: 10 * time.Millisecond, want: counts{Sent: 10, Lost: 10, Resent: 10}},
		{kind: "patient", password: "right", resend: 10 * time.Millisecond, want: counts{Sent: 10, Accepted: 10, Resent: 10}},
		{kind: "forged", password: "right", want: counts{Sent: 10, Forged: 10, Lost: 10}},
		{kind: "missigned", password: "right", want: counts{Sent: 10, Forged: 10, Lost: 10}},
		{kind: "changed", password: "wrong", want: counts{Sent: 10, Forged: 10, Lost: 10}},
		{kind: "late", password: "right", want: counts{Sent: 10, Accepted: 10, Forged: 10}},
	} {
		for loop, job := range map[string]Job{"closed": {Outstanding: 10, Sockets: 2}, "open": {Rate: 5000, Sockets: 2}} {
			t.Run(c.kind+", "+c.password+", "+c.answer+", "+loop, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				job.Server, job.Resend = s.addr, c.resend
				for i := range 10 {
					job.Logins = append(job.Logins, Login{Name: c.kind + "-" + string(rune('a'+i)), Password: c.password, Answer: c.answer})
				}
				r := run(t, job, c.want.Lost)
				got := counts{r.Sent, r.Accepted, r.Rejected, r.Lost, r.Challenged, r.Resent, r.Duplicates, r.Forged, r.Unsigned}
				if got != c.want {
					t.Errorf("counted %+v, want %+v", got, c.want)
				}
				if r.Answered() != len(r.times) || r.Sent != r.Answered()+r.Lost {
					t.Errorf("%d were sent, %d answered, %d lost, %d timed", r.Sent, r.Answered(), r.Lost, len(r.times))
				}
			})
		}
	}
}

func TestEveryLoginIsBegunOnce(t *testing.T) {
	s := newServer(t)
	job := Job{Server: s.addr, Outstanding: 64}
	const many = 5000 // each Identifier comes round
	for i := range many {
		job.Logins = append(job.Logins, Login{Name: "user-" + time.Duration(i).String(), Password: "right", Aside: i%10 == 0})
	}
	r := run(t, job, 0)
	if r.Accepted != many || len(r.times) != many*9/10 {
		t.Errorf("%d of %d were accepted, and %d timed", r.Accepted, many, len(r.times))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, times := range s.seen {
		if times != 1 {
			t.Fatalf("%s logged in %d times", name, times)
		}
	}
	if len(s.seen) != many {
		t.Errorf("%d users logged in, want %d", len(s.seen), many)
	}
}

func TestTheClosedLoopEndsInTime(t *testing.T) {
	s := newServer(t)
	job := Job{Server: s.addr, Secret: key, Outstanding: 2, Length: time.Nanosecond, Logins: []Login{{Name: "a"}, {Name: "b"}}}
	r, err := Prepare(job)
	if err != nil {
		t.Fatal(err)
	}
	if result, err := r.Go(t.Context()); err != nil || result.Sent != 0 {
		t.Errorf("%d were begun after the end (%v)", result.Sent, err)
	}
}

func TestNobodyListens(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = conn.Close()
	r := run(t, Job{Server: addr, Outstanding: 2, Logins: []Login{{Name: "a", Password: "right"}, {Name: "b", Password: "right"}}}, 2)
	if r.Lost != 2 {
		t.Errorf("%+v", r)
	}
}

func TestACancelledRunEnds(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Prepare(Job{Server: s.addr, Secret: key, Rate: 1, Length: time.Hour, Logins: []Login{{Name: "silent"}, {Name: "silent"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Go(ctx); err != nil {
		t.Error(err)
	}
}

func TestPercentilesAreNearestRanks(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		of   []time.Duration
		p    float64
		want time.Duration
	}{
		{nil, 50, 0},
		{hundred[:1], 50, 1},
		{hundred[:1], 99.9, 1},
		{hundred[:2], 50, 1},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 95, 95},
		{hundred, 99, 99},
		{hundred, 99.9, 100},
		{hundred, 100, 100},
	} {
		if got := percentile(c.of, c.p); got != c.want {
			t.Errorf("p%v of %d is %d, want %d", c.p, len(c.of), got, c.want)
		}
	}
}

func TestMalformedAnswersAreNotBelieved(t *testing.T) {
	c := newCodec(key)
	request, err := c.request(7, [16]byte{1, 2, 3}, "alice", "a password of more than sixteen octets", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":            {},
		"a longer length":  {2, 7, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"another question": {2, 8, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"no answer":        {1, 7, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a torn attribute": append([]byte{2, 7, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 18, 1),
		"a cut signature":  append([]byte{2, 7, 0, 23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 80, 3, 0),
	} {
		if _, err := c.prove(b, request); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	if _, err := c.request(0, [16]byte{}, strings.Repeat("x", 254), "", nil); err == nil {
		t.Error("a name of 254 octets was encoded")
	}
}

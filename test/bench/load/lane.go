package load

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

// batchSize is how many packets one system call receives or sends at most.
const batchSize = 32

// tick is how often a lane without answers looks for what has to be sent again or is lost.
const tick = 20 * time.Millisecond

// lane is one socket with the logins that go over it.
//
// The n-th login has the Identifier n modulo 256, fixed when it is prepared; with challenges, the requests that
// answer them have the odd ones. By the time that a number comes round again its login has long been answered; one
// that has not counts as lost, as it does for the server (RFC 2865 §3: the client has given it up).
type lane struct {
	job    Job
	conn   *net.UDPConn
	batch  *ipv4.PacketConn
	codec  *codec
	window int // 0: open loop
	began  time.Time

	logins  []Login
	packets [][]byte

	mu       sync.Mutex // guards what follows: in the open loop one goroutine sends and another receives
	flights  [256]flight
	waiting  int
	next     int
	finished bool // nothing more will be begun
	out      []ipv4.Message
	result   Result
	err      error
}

// flight is a login that waits for its answer.
type flight struct {
	packet []byte // nil: there is none
	login  int
	begun  time.Duration // since began
	sent   time.Duration
	resent bool
}

func newLane(conn *net.UDPConn, job Job) *lane {
	return &lane{job: job, conn: conn, batch: ipv4.NewPacketConn(conn), codec: newCodec(job.Secret)}
}

// identifier of the n-th login's first request.
func (l *lane) identifier(n int) byte {
	if l.logins[n].Answer != "" {
		return byte(2 * n)
	}
	return byte(n)
}

func (l *lane) prepare(login Login, authenticator [16]byte) error {
	l.logins = append(l.logins, login)
	packet, err := l.codec.request(l.identifier(len(l.logins)-1), authenticator, login.Name, login.Password, nil)
	l.packets = append(l.packets, packet)
	return err
}

// receive takes answers until all logins have ended. In the closed loop it begins the next ones.
func (l *lane) receive(ctx context.Context) {
	in := make([]ipv4.Message, batchSize)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, maxLength)}
	}
	var wake time.Duration
	for {
		now := time.Since(l.began)
		l.mu.Lock()
		l.refill(now)
		l.flush()
		ended := l.err != nil || l.finished && l.waiting == 0
		l.mu.Unlock()
		if ended || ctx.Err() != nil {
			return
		}
		if now >= wake-tick/2 {
			wake = now + tick
			_ = l.conn.SetReadDeadline(l.began.Add(wake))
			l.look(now)
		}
		n, err := l.batch.ReadBatch(in, 0)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.look(time.Since(l.began))
			continue
		case errors.Is(err, syscall.ECONNREFUSED): // nobody listens; the requests will be lost
			continue
		case err != nil:
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
			continue
		}
		now = time.Since(l.began)
		l.mu.Lock()
		for _, m := range in[:n] {
			l.arrived(m.Buffers[0][:m.N], now)
		}
		l.mu.Unlock()
	}
}

// refill begins logins until the window is full.
func (l *lane) refill(now time.Duration) {
	if l.window == 0 {
		return
	}
	for l.waiting < l.window && !l.finished {
		l.begin(now)
	}
}

// sendOne begins the next login of the open loop.
func (l *lane) sendOne() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(time.Since(l.began))
	l.flush()
}

// finishSending says that nothing more will be begun.
func (l *lane) finishSending() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
}

// begin puts the next login's request among those to be sent.
func (l *lane) begin(now time.Duration) {
	if l.next == len(l.logins) || now >= l.job.Length && l.window > 0 {
		l.finished = true
		return
	}
	f := &l.flights[l.identifier(l.next)]
	if f.packet != nil {
		l.lose(f)
	}
	*f = flight{packet: l.packets[l.next], login: l.next, begun: now, sent: now}
	l.packets[l.next] = nil
	l.next++
	l.waiting++
	l.result.Sent++
	l.queue(f.packet)
}

func (l *lane) lose(f *flight) {
	f.packet = nil
	l.waiting--
	l.result.Lost++
}

func (l *lane) queue(packet []byte) {
	l.out = append(l.out, ipv4.Message{Buffers: [][]byte{packet}})
}

// flush sends what is queued.
func (l *lane) flush() {
	for sent := 0; sent < len(l.out); {
		n, err := l.batch.WriteBatch(l.out[sent:], 0)
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // which is about an earlier one
			l.err = err
			return
		}
		sent += max(n, 0)
	}
	l.out = l.out[:0]
}

// arrived takes one packet that came.
func (l *lane) arrived(b []byte, now time.Duration) {
	if len(b) < headerLength {
		l.result.Forged++
		return
	}
	f := &l.flights[b[1]]
	if f.packet == nil {
		l.result.Duplicates++
		return
	}
	a, err := l.codec.prove(b, f.packet)
	if err != nil {
		l.result.Forged++
		return
	}
	if !a.signed {
		l.result.Unsigned++
	}
	login := l.logins[f.login]
	if a.code == accessChallenge && login.Answer != "" && f.packet[1] == l.identifier(f.login) {
		l.result.Challenged++
		l.reply(f, login, a.state, now)
		return
	}
	switch a.code {
	case accessAccept:
		l.result.Accepted++
	default: // a challenge that nobody expects is no yes
		l.result.Rejected++
	}
	if !login.Aside {
		l.result.times = append(l.result.times, now-f.begun)
	}
	l.result.Elapsed = now
	f.packet = nil
	l.waiting--
}

// reply answers a challenge. The Request Authenticator need not be unpredictable here, only new.
func (l *lane) reply(f *flight, login Login, challenge []byte, now time.Duration) {
	authenticator := [16]byte(f.packet[4:headerLength])
	authenticator[0] ^= 0xff
	packet, err := l.codec.request(f.packet[1]|1, authenticator, login.Name, login.Answer, challenge)
	if err != nil {
		l.err = err
		return
	}
	second := &l.flights[packet[1]]
	if second.packet != nil {
		l.lose(second)
	}
	*second = flight{packet: packet, login: f.login, begun: f.begun, sent: now}
	f.packet = nil
	l.queue(packet)
}

// look sends again what has waited for Resend, and gives up what has waited for Timeout.
func (l *lane) look(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.flights {
		f := &l.flights[i]
		switch {
		case f.packet == nil:
		case now-f.sent >= l.job.Timeout:
			l.lose(f)
		case l.job.Resend > 0 && !f.resent && now-f.sent >= l.job.Resend:
			f.resent = true
			l.result.Resent++
			l.queue(f.packet)
		}
	}
	l.flush()
}

package ldap

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"tandem/directory"
	"tandem/test/slapdtest"
)

func TestFailoverAndRecovery(t *testing.T) {
	o := slapdtest.Options{Users: []slapdtest.User{alice}}
	first, second := slapdtest.Start(t, o), slapdtest.Start(t, o)
	now := newClock()
	c := config(first.URL, second.URL)
	c.Now = now.Now
	d := open(t, c)
	dn := slapdtest.UserDN("alice")
	login := func() error {
		t.Helper()
		u, err := d.Lookup(t.Context(), "alice")
		if err != nil {
			return err
		}
		return d.CheckPassword(t.Context(), u, "wonderland")
	}
	served := func(wantFirst, wantSecond int) {
		t.Helper()
		if a, b := first.Binds(dn), second.Binds(dn); a != wantFirst || b != wantSecond {
			t.Fatalf("the first server had %d binds, the second %d; want %d and %d", a, b, wantFirst, wantSecond)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	must(login())
	served(1, 0)

	first.Stop()
	must(login())
	must(d.Ready(t.Context()))
	served(1, 1)

	// It is back, but still passed over: logins do not wait for it.
	first.Start()
	must(login())
	served(1, 2)
	now.advance(c.RetryDown + 16*time.Second)
	must(login())
	served(2, 2)

	// A wrong password is the answer, and nobody else's business.
	if err := d.CheckPassword(t.Context(), lookup(t, d, "alice"), "wrong"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Fatal(err)
	}
	served(3, 2)

	first.Stop()
	second.Stop()
	err := login()
	nothingKnown(t, err)
	if !strings.Contains(err.Error(), first.URL) || !strings.Contains(err.Error(), second.URL) {
		t.Errorf("the error does not name both servers: %v", err)
	}
	if err := d.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), second.URL) {
		t.Errorf("Ready: %v", err)
	}
	// When all are believed to be down, they are asked all the same.
	second.Start()
	must(login())
	must(d.Ready(t.Context()))
	served(3, 3)
}

func TestReadyLooksAgainBeforeItBelieves(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	now := newClock()
	c := config(s.URL)
	c.Now = now.Now
	d := open(t, c)
	s.Stop()
	for range 3 { // nobody has asked yet; and RetryDown alone is no reason to believe
		if err := d.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), s.URL) {
			t.Fatalf("a stopped server: %v", err)
		}
		now.advance(time.Minute)
	}
	s.Start()
	if err := d.Ready(t.Context()); err != nil {
		t.Fatalf("a server that is back, without a login: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "") // t.TempDir may be longer than a socket's path can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	path := filepath.Join(folder, "ldapi")
	listenOn(t, "unix", path, serveLDAP(finds(aliceAttributes())))
	d := open(t, config("ldapi://"+strings.ReplaceAll(path, "/", "%2F")))
	if err := d.CheckPassword(t.Context(), lookup(t, d, "alice"), "wonderland"); err != nil {
		t.Error(err)
	}
}

func TestRestartedServerCostsNoLogin(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	d := open(t, config(s.URL))
	u := lookup(t, d, "alice")
	for range 3 {
		if err := d.CheckPassword(t.Context(), u, "wonderland"); err != nil {
			t.Fatal(err)
		}
		s.Stop()
		s.Start()
		lookup(t, d, "alice")
	}
}

func TestAConnectionClosedUnnoticedIsReplaced(t *testing.T) {
	// Each connection is good for one bind; the server hangs up when the second one arrives.
	server := listen(t, func(c net.Conn) {
		request, err := ber.ReadPacket(c)
		if err != nil {
			return
		}
		_, _ = c.Write(message(request.Children[0].Value.(int64), yes(request.Children[1])[0]))
		_, _ = ber.ReadPacket(c)
	})
	d := open(t, config(server.url))
	for i := range 5 {
		if err := d.CheckPassword(t.Context(), &directory.User{DN: "uid=alice"}, "x"); err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
	}
	if err := d.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// reset ends a connection as a crash or a firewall does.
func reset(c net.Conn) {
	_ = c.(*recorded).Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

func TestRow20_AHangOrAResetIsNoAnswer(t *testing.T) {
	paused := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	paused.Pause()
	good := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	dn := slapdtest.UserDN("alice")
	onBind := func(do func(c net.Conn, request *ber.Packet)) string {
		return listen(t, func(c net.Conn) {
			if request, err := ber.ReadPacket(c); err == nil {
				do(c, request)
			}
		}).url
	}
	yesTo := func(request *ber.Packet) []byte {
		return message(request.Children[0].Value.(int64), yes(request.Children[1])[0])
	}
	for what, url := range map[string]string{
		"slapd stopped in its tracks": paused.URL,
		"no answer":                   listen(t, hang).url,
		"reset in mid-bind":           onBind(func(c net.Conn, _ *ber.Packet) { reset(c) }),
		"closed in mid-bind":          onBind(func(net.Conn, *ber.Packet) {}),
		"half an answer": onBind(func(c net.Conn, r *ber.Packet) {
			whole := yesTo(r)
			_, _ = c.Write(whole[:len(whole)-1])
			hang(c)
		}),
		"an answer to another question": onBind(func(c net.Conn, r *ber.Packet) {
			_, _ = c.Write(message(99, yes(r.Children[1])[0]))
			hang(c)
		}),
		"garbage": onBind(func(c net.Conn, _ *ber.Packet) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }),
		"a notice of disconnection": onBind(func(c net.Conn, _ *ber.Packet) {
			_, _ = c.Write(message(0, result(&ber.Packet{Identifier: ber.Identifier{Tag: 23}}, 52)[0]))
		}),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conf := config(url)
			conf.OperationTimeout = time.Second
			d := open(t, conf)
			u := &directory.User{ID: "1", DN: dn}
			start := time.Now()
			err := d.CheckPassword(t.Context(), u, "wonderland")
			nothingKnown(t, err)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := len(d.servers[0].binds.idle); n != 0 {
				t.Errorf("%d connections of unknown state are kept", n)
			}
			if err := d.Ready(t.Context()); err == nil {
				t.Error("the server is believed to be up")
			}

			// The next server is asked, in the time of one login.
			conf.URLs = append(conf.URLs, good.URL)
			d = open(t, conf)
			if err := d.CheckPassword(within(t, 5*time.Second), u, "wonderland"); err != nil {
				t.Errorf("with a second server: %v", err)
			}
		})
	}
}

func TestRow20_AHangLeavesTimeForTheNextServer(t *testing.T) {
	c := config(listen(t, hang).url, listen(t, hang).url, listen(t, serveLDAP(yes)).url)
	c.OperationTimeout = time.Minute
	u := &directory.User{DN: slapdtest.UserDN("alice")}
	if err := open(t, c).CheckPassword(within(t, 3*time.Second), u, "wonderland"); err != nil {
		t.Error(err)
	}
}

func TestRow20_TheCallersDeadlineHolds(t *testing.T) {
	d := open(t, config(listen(t, hang).url))
	start := time.Now()
	_, err := d.Lookup(within(t, 100*time.Millisecond), "alice")
	nothingKnown(t, err)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if err := d.servers[0].whyDown(); err != nil {
		t.Errorf("a caller in a hurry is no reason to blame the server: %v", err)
	}
}

func TestACallerWhoHasGoneSpoilsNoConnection(t *testing.T) {
	server := listen(t, serveLDAP(yes))
	d := open(t, config(server.url))
	u := &directory.User{DN: slapdtest.UserDN("alice")}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 3 {
		if err := d.CheckPassword(t.Context(), u, "x"); err != nil {
			t.Fatal(err)
		}
		if err := d.CheckPassword(gone, u, "x"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections were needed", n)
	}
}

func TestACallerInAHurryBlamesNoServer(t *testing.T) {
	d := open(t, config(listen(t, hang).url, listen(t, hang).url))
	nothingKnown(t, d.CheckPassword(within(t, 200*time.Millisecond), &directory.User{DN: "uid=alice"}, "x"))
	for _, s := range d.servers {
		if err := s.whyDown(); err != nil {
			t.Error(err)
		}
	}
}

func TestOnlyOneLoginTriesAServerThatIsDown(t *testing.T) {
	now := newClock()
	s := &server{retryDown: 15 * time.Second, now: now.Now, log: open(t, config("ldap://127.0.0.1:9")).log}
	s.markDown(errors.New("it hangs"))
	now.advance(14 * time.Second)
	if s.worthTrying() {
		t.Error("tried too early")
	}
	now.advance(time.Second)
	if !s.worthTrying() || s.worthTrying() {
		t.Error("not exactly one caller tries it")
	}
	s.markUp()
	for range 2 {
		if !s.worthTrying() {
			t.Error("it is up")
		}
	}
}

func TestPoolsAreBoundedAndReused(t *testing.T) {
	var now, most atomic.Int64
	server := listen(t, func(c net.Conn) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		serveLDAP(yes)(c)
	})
	c := config(server.url)
	c.BindConnections = 3
	d := open(t, c)
	u := &directory.User{DN: slapdtest.UserDN("alice")}
	for range 10 {
		if err := d.CheckPassword(t.Context(), u, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections for logins one after the other", n)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := d.CheckPassword(t.Context(), u, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 3 {
		t.Errorf("%d connections at once, 3 are allowed", n)
	}
}

func TestWaitingForAConnectionEndsWithTheCaller(t *testing.T) {
	c := config(listen(t, hang).url)
	c.BindConnections, c.OperationTimeout = 1, 2*time.Second
	d := open(t, c)
	u := &directory.User{DN: slapdtest.UserDN("alice")}
	var first sync.WaitGroup
	first.Go(func() { nothingKnown(t, d.CheckPassword(t.Context(), u, "x")) })
	for len(d.servers[0].binds.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	err := d.CheckPassword(within(t, 50*time.Millisecond), u, "x")
	nothingKnown(t, err)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
	// Who waits longer learns from the first that the server hangs, and does not wait as long once more.
	start := time.Now()
	nothingKnown(t, d.CheckPassword(t.Context(), u, "x"))
	if took := time.Since(start); took > 3500*time.Millisecond {
		t.Errorf("it waited %v for a server that was known to hang", took)
	}
	first.Wait()
}

func TestOldConnectionsAreReplaced(t *testing.T) {
	server := listen(t, serveLDAP(yes))
	now := newClock()
	c := config(server.url)
	c.Now = now.Now
	d := open(t, c)
	for want := 1; want <= 3; want++ {
		if err := d.CheckPassword(t.Context(), &directory.User{DN: "uid=alice"}, "x"); err != nil {
			t.Fatal(err)
		}
		if n := server.connections(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
		now.advance(maxIdle)
	}
}

func TestConnectionsThatNobodyNeedsEnd(t *testing.T) {
	now := newClock()
	c := config(listen(t, serveLDAP(yes)).url)
	c.Now = now.Now
	p := open(t, c).servers[0].binds
	for range 2 {
		conn, err := p.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.put(conn)
		now.advance(maxIdle)
	}
	if n := len(p.idle); n != 1 {
		t.Errorf("%d connections are kept, want the last one alone", n)
	}
}

func TestUserBindsAndSearchesAreOnConnectionsOfTheirOwn(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	d := open(t, config(s.URL))
	for range 3 {
		u := lookup(t, d, "alice")
		_ = d.CheckPassword(t.Context(), u, "wrong")
		if err := d.CheckPassword(t.Context(), u, "wonderland"); err != nil {
			t.Fatal(err)
		}
	}
	log := s.Log()
	asUser := regexp.MustCompile(`(conn=\d+) op=\d+ BIND dn="uid=alice.*method=128`).FindAllStringSubmatch(log, -1)
	if len(asUser) != 6 {
		t.Fatalf("%d binds as the user:\n%s", len(asUser), log)
	}
	for _, m := range asUser {
		if regexp.MustCompile(m[1] + ` op=\d+ SRCH`).MatchString(log) {
			t.Errorf("%s binds as a user and searches:\n%s", m[1], log)
		}
	}
	if n := s.Binds(slapdtest.ServiceDN); n != 1 {
		t.Errorf("the service account was bound %d times for one connection", n)
	}
}

func TestAfterCloseNothingIsAsked(t *testing.T) {
	server := listen(t, serveLDAP(yes))
	d := open(t, config(server.url))
	u := &directory.User{DN: "uid=alice"}
	if err := d.CheckPassword(t.Context(), u, "x"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.CheckPassword(t.Context(), u, "x"); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := d.Lookup(t.Context(), "alice"); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

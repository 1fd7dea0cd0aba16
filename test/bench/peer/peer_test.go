package peer

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/test/bench/load"
	"tandem/test/bench/people"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheTrivialResponderIsBelieved(t *testing.T) {
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := Accept(ctx, addr); err != nil {
			t.Error(err)
		}
	})
	defer ended.Wait()
	defer cancel()

	job := load.Job{Server: addr, Secret: Secret, Outstanding: 8, Length: time.Minute, Resend: 20 * time.Millisecond}
	for i := range 300 {
		job.Logins = append(job.Logins, load.Login{Name: people.Get(i + 1).Name, Password: "a password and 123456"})
	}
	run, err := load.Prepare(job)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Go(t.Context())
	if err != nil || r.Accepted != 300 || r.Forged+r.Unsigned+r.Lost > 0 {
		t.Errorf("%d of 300 were accepted, %d forged, %d unsigned, %d lost (%v)", r.Accepted, r.Forged, r.Unsigned, r.Lost, err)
	}
}

func TestTheProxyDelaysAndChangesNothing(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	var ended sync.WaitGroup
	ended.Go(func() {
		c, err := echo.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})
	defer ended.Wait()

	const delay = 40 * time.Millisecond
	proxy, err := Delay(echo.Addr().String(), delay)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	for _, word := range []string{"first ", "second"} {
		if _, err := io.WriteString(c, word); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 12)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "first second" {
		t.Errorf("%q came back (%v)", got, err)
	}
	if took := time.Since(began); took < delay { // how much more it was is the machine's business
		t.Errorf("the round trip took %v, want %v at least", took, delay)
	}
	if err := proxy.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(got); err == nil {
		t.Error("the connection outlives the proxy")
	}
}

func TestSlowUsersAreTheSameForBothServers(t *testing.T) {
	for n, want := range map[int]bool{1: false, 49: false, 50: true, 100: true, 101: false, 12350: true} {
		name := people.Get(n).Name
		ends := name[len(name)-2:] == "00" || name[len(name)-2:] == "50" // slowUsers
		if Slow(n) != want || ends != want {
			t.Errorf("user %s: %v by number, %v by name, want %v", name, Slow(n), ends, want)
		}
	}
}

package etcdtest

import (
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemberKeepsItsData(t *testing.T) {
	c := Start(t, 1)
	etcd := c.Client()
	if _, err := etcd.Put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	before := c.Pid(0)
	c.Kill(0)
	c.Restart(0)
	c.WaitHealthy()
	found, err := etcd.Get(t.Context(), "a")
	if err != nil || len(found.Kvs) != 1 || string(found.Kvs[0].Value) != "1" {
		t.Errorf("%v, %v", found, err)
	}
	if c.Pid(0) == before {
		t.Error("it was not killed")
	}
	c.Pause(0)
	if c.healthy(c.members[0]) == nil {
		t.Error("a paused member answers")
	}
	c.Resume(0)
	c.WaitHealthy()
}

func TestLink(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	arrived := make(chan string, 10)
	go func() { // an echo, until the listener is closed
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				b := make([]byte, 1)
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					arrived <- string(b)
					_, _ = c.Write(b)
				}
			}()
		}
	}()
	for _, tt := range []struct {
		name              string
		fault             func(*Link)
		arrives, answered bool
	}{
		{"no fault", (*Link).Heal, true, true},
		{"slow", func(l *Link) { l.Delay(20 * time.Millisecond) }, true, true},
		{"requests lost", (*Link).LoseRequests, false, false},
		{"replies lost", (*Link).LoseReplies, true, false},
		{"hangs", (*Link).Hang, false, false},
		{"cut", (*Link).Cut, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := newLink(server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			c, err := net.Dial("tcp", l.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			say := func(b string, patience time.Duration) (answered bool) {
				_, _ = c.Write([]byte(b))
				_ = c.SetReadDeadline(time.Now().Add(patience))
				_, err := io.ReadFull(c, make([]byte, 1))
				return err == nil
			}
			if !say("1", patience) || <-arrived != "1" {
				t.Fatal("the link is broken from the beginning")
			}
			tt.fault(l)
			answered := say("2", 200*time.Millisecond)
			if arrives := len(arrived) == 1; arrives != tt.arrives || answered != tt.answered {
				t.Errorf("arrives: %t, answered: %t", arrives, answered)
			}
			if len(arrived) > 0 {
				<-arrived
			}
			if tt.name == "hangs" {
				l.Heal()
				if <-arrived != "2" {
					t.Error("what was held back is lost")
				}
			}
		})
	}
}

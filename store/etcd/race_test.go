package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"tandem/store"
	"tandem/test/etcdtest"
)

func TestRow25_TwoNodesRaceForOneCode(t *testing.T) {
	c := etcdtest.Start(t, 1)
	o := Options{Endpoints: c.Endpoints(), Timeout: 10 * time.Second}
	nodes := []*Store{mustOpen(t, o), mustOpen(t, o)}
	const codes, atOnce = 1000, 8
	var all sync.WaitGroup
	for lane := range atOnce {
		all.Go(func() {
			for n := lane; n < codes; n += atOnce {
				code := fmt.Sprint("code ", n)
				results := make(chan error, len(nodes))
				for _, node := range nodes {
					go func() { results <- claim(context.Background(), node, code) }()
				}
				won := 0
				for range nodes {
					switch err := <-results; {
					case err == nil:
						won++
					case !errors.Is(err, errTaken):
						t.Error(err)
					}
				}
				if won != 1 {
					t.Errorf("%s was accepted %d times", code, won)
				}
			}
		})
	}
	all.Wait()
	if conflicts := nodes[0].Stats().Conflicts + nodes[1].Stats().Conflicts; conflicts == 0 {
		t.Error("the nodes never met: the test shows nothing")
	}
}

// The reply to a commit, or the commit itself, is lost on the way. The other members are there, so that who
// tries again gets through, and finds out what it must not.
func TestRow25_UnknownResultIsAReject(t *testing.T) {
	c := etcdtest.Start(t, 3)
	for _, tt := range []struct {
		name    string
		lose    func(*etcdtest.Link)
		written bool
	}{
		{"the reply is lost", (*etcdtest.Link).LoseReplies, true},
		{"the request is lost", (*etcdtest.Link).LoseRequests, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire, prefix := c.Wire(t), freshPrefix()
			s := mustOpen(t, Options{Endpoints: wire.Endpoints(), Prefix: prefix, Timeout: time.Second})
			other := mustOpen(t, Options{Endpoints: c.Endpoints(), Prefix: prefix})
			link, ran := wire.Link(int(s.cluster.current.Load())), 0
			err := s.Update(t.Context(), func(tx store.Tx) error {
				ran++
				held, err := tx.Get("code")
				if err != nil {
					return err
				}
				if held != nil {
					return errTaken
				}
				tx.Put("code", []byte("used"), 0)
				tt.lose(link) // from here on, so it is the commit that is lost
				return nil
			})
			link.Heal()
			if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || ran != 1 {
				t.Errorf("the function ran %d times, and the result is: %v; want once, and unknown", ran, err)
			}
			if s.Stats().Unknown != 1 {
				t.Errorf("%+v, want one unknown", s.Stats())
			}
			held, err := value(other, "code")
			if written := held != nil; err != nil || written != tt.written {
				t.Fatalf("written: %t, want %t (%v)", written, tt.written, err)
			}
			// Whichever it was, the code is good for at most one yes from now on, and for none if it was written.
			won := 0
			for _, node := range []*Store{other, s, other} {
				switch err := claim(t.Context(), node, "code"); {
				case err == nil:
					won++
				case !errors.Is(err, errTaken):
					t.Error(err)
				}
			}
			if want := map[bool]int{true: 0, false: 1}[tt.written]; won != want {
				t.Errorf("accepted %d times afterwards, want %d", won, want)
			}
		})
	}
}

// unsure is a member that looks well until it is to commit, and then says only how that failed.
type unsure struct {
	etcdserverpb.UnimplementedKVServer
	says    codes.Code
	commits atomic.Int32
}

func (u *unsure) Range(context.Context, *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	return &etcdserverpb.RangeResponse{Header: &etcdserverpb.ResponseHeader{Revision: 2}}, nil
}

func (u *unsure) Txn(context.Context, *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	if u.commits.Add(1) == 1 { // Open's
		return &etcdserverpb.TxnResponse{Succeeded: true, Header: &etcdserverpb.ResponseHeader{Revision: 2}}, nil
	}
	return nil, status.Error(u.says, "so it is said")
}

func TestRow25_CommitIsSentOnce(t *testing.T) {
	for _, says := range []codes.Code{
		codes.Canceled, codes.DeadlineExceeded, codes.Unavailable, codes.Unknown, codes.Internal, codes.Aborted, codes.DataLoss,
	} {
		t.Run(says.String(), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server, u := grpc.NewServer(), &unsure{says: says}
			etcdserverpb.RegisterKVServer(server, u)
			ended := make(chan error)
			go func() { ended <- server.Serve(listener) }()
			defer func() {
				server.Stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			s := mustOpen(t, Options{Endpoints: []string{"http://" + listener.Addr().String()}})
			if err := claim(t.Context(), s, "code"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v, want unavailable", err)
			}
			if sent := u.commits.Load() - 1; sent != 1 {
				t.Errorf("the commit was sent %d times", sent)
			}
		})
	}
}

func TestContextEndsDuringTheCommit(t *testing.T) {
	c := etcdtest.Start(t, 1)
	wire := c.Wire(t)
	s := mustOpen(t, Options{Endpoints: wire.Endpoints(), Timeout: 4 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := s.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Get("a")
		tx.Put("a", nil, 0)
		wire.Link(0).Delay(300 * time.Millisecond)
		return err
	})
	wire.Link(0).Delay(0)
	if err != nil || ctx.Err() == nil {
		t.Errorf("error %v, want the outcome of the commit that was under way", err)
	}
	if held, err := value(s, "a"); held == nil || err != nil {
		t.Errorf("%q, %v, want what was written", held, err)
	}
}

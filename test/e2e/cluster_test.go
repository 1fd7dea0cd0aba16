package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/etcdtest"
)

// newNodes starts daemons that share one etcd cluster.
func newNodes(t *testing.T, n int, extra string) (*etcdtest.Cluster, []*daemon, *token) {
	t.Helper()
	cluster := etcdtest.Start(t, 3)
	var endpoints []string
	for _, e := range cluster.Endpoints() {
		endpoints = append(endpoints, fmt.Sprintf("%q", e))
	}
	key := newToken("alice")
	config := strings.Replace(head, "file = \"state.db\"", "type = \"etcd\"\nfile = \"state.db\"\n[store.etcd]\nendpoints = ["+strings.Join(endpoints, ", ")+"]", 1)
	nodes := make([]*daemon, n)
	for i := range nodes {
		d := &daemon{t: t, dir: t.TempDir(), addr: freeUDP(t)}
		for name, text := range usersFile(t, map[string]*token{"alice": key}) {
			d.write(name, text)
		}
		d.write("config.toml", config+onFile+extra)
		d.start()
		t.Cleanup(d.stop)
		nodes[i] = d
	}
	return cluster, nodes, key
}

func TestRow25_OneCodeOnThreeNodes(t *testing.T) {
	_, nodes, key := newNodes(t, 3, "[[policies]]\nname = \"default\"\nmode = \"code-only\"\n")
	steady(t, 20*time.Second)
	code := key.totp(t, 0)
	var accepts atomic.Int32
	var all sync.WaitGroup
	for i := range 150 {
		all.Go(func() {
			reply, err := radiusclient.Exchange(context.Background(), nodes[i%3].client(4*time.Second, 0),
				radiusclient.Request{User: "alice", Password: secret.New(code), NASIdentifier: "vpn1"})
			if err == nil && reply.Code == radius.CodeAccessAccept {
				accepts.Add(1)
			}
		})
	}
	all.Wait()
	if accepts.Load() != 1 {
		t.Fatalf("%d accepts for one code on three nodes", accepts.Load())
	}
}

func TestRow06_RetransmissionToAnotherNode(t *testing.T) {
	_, nodes, key := newNodes(t, 2, "")
	steady(t, 15*time.Second)
	code := key.totp(t, 0)
	nodes[0].want(nodes[0].try("alice", alicePassword+code), radius.CodeAccessAccept, "the first node")
	nodes[1].want(nodes[1].try("alice", alicePassword+code), radius.CodeAccessReject, "its reply was lost, and the NAS asks the second")
	if r := nodes[1].lastReason(); r != "replayed-code" {
		t.Errorf("reason %s", r)
	}
}

func TestNodesShareChallengesAndThrottles(t *testing.T) {
	_, nodes, key := newNodes(t, 2, "[throttle]\nsource_burst = 3\n")
	steady(t, 20*time.Second)
	open := nodes[0].try("alice", alicePassword)
	nodes[0].want(open, radius.CodeAccessChallenge, "opened on one node")
	nodes[1].want(nodes[1].try("alice", key.totp(t, 0), open.State...), radius.CodeAccessAccept, "answered on another")
	nodes[0].want(nodes[0].try("alice", key.totp(t, 1), open.State...), radius.CodeAccessReject, "answered again on the first")
	for i := range 3 {
		nodes[i%2].want(nodes[i%2].try("alice", "wrong"), radius.CodeAccessReject, "a guess")
	}
	for _, d := range nodes {
		d.want(d.try("alice", alicePassword+key.totp(t, 1)), radius.CodeAccessReject, "throttled on every node")
		if r := d.lastReason(); r != "throttled" {
			t.Errorf("reason %s", r)
		}
	}
	if out, status := nodes[1].tandem("", "unlock", "alice"); status != 0 {
		t.Fatal(out)
	}
	nodes[0].want(nodes[0].try("alice", alicePassword+key.totp(t, 1)), radius.CodeAccessAccept, "unlocked on the other node")
}

func TestRow47_MembersDie(t *testing.T) {
	cluster, nodes, key := newNodes(t, 2, "[[policies]]\nname = \"default\"\nmode = \"code-only\"\n")
	steady(t, 25*time.Second)
	nodes[0].want(nodes[0].try("alice", key.totp(t, -1)), radius.CodeAccessAccept, "all members up")
	first := cluster.Leader()
	cluster.Kill(first)
	began := time.Now()
	reply := nodes[1].exchangeFrom("127.0.0.1", 2*time.Second, radiusclient.Request{User: "alice", Password: secret.New(key.totp(t, 0))})
	if reply == nil { // one retransmission, by a NAS that waits for 2 s
		reply = nodes[1].exchangeFrom("127.0.0.1", 2*time.Second, radiusclient.Request{User: "alice", Password: secret.New(key.totp(t, 0))})
	}
	if reply == nil {
		t.Fatalf("no answer %v after the leader was killed\n%s", time.Since(began), nodes[1].said())
	}
	second := cluster.Leader()
	cluster.Kill(second)
	last := radiusclient.Request{User: "alice", Password: secret.New(key.totp(t, 1))}
	if reply := nodes[0].exchangeFrom("127.0.0.1", 6*time.Second, last); reply != nil {
		t.Fatalf("one member of three, and the answer is %v instead of silence", reply.Code)
	}
	nodes[0].waitFor("/healthz to say so", func() bool {
		code, _ := nodes[0].page("/healthz")
		return code == http.StatusServiceUnavailable
	})
	if _, err := radiusclient.Status(context.Background(), nodes[0].client(time.Second, 0)); err == nil {
		t.Error("Status-Server is answered while nobody can decide")
	}
	cluster.Restart(first)
	nodes[0].waitFor("the node to heal by itself", func() bool {
		code, _ := nodes[0].page("/healthz")
		return code == http.StatusOK
	})
	// What nobody decided may have been written all the same: then the code counts as used.
	reply = nodes[0].exchangeFrom("127.0.0.1", 8*time.Second, last)
	if reply == nil || reply.Code != radius.CodeAccessAccept && nodes[0].lastReason() != "replayed-code" {
		t.Fatalf("after healing: %+v\n%s", reply, nodes[0].said())
	}
}

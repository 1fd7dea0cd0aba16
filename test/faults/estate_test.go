package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"tandem/directory"
	"tandem/test/etcdtest"
	"tandem/test/freeport"
)

// config is what all nodes have in common. NAS 127.0.0.1 asks for the code alone, as PAM does; NAS 127.0.0.2 is one
// whose users are first asked for a password, then for the code.
const config = `
[log]
level = "warn"
[audit]
file = "audit.jsonl"
[metrics]
listen = "ADDRESS"
[admin]
socket = "admin.sock"
[radius]
listen = ["ADDRESS"]
reject_delay = "100ms"
[[radius.clients]]
name = "vpn"
networks = ["127.0.0.1"]
secret = "SECRET"
[[radius.clients]]
name = "portal"
networks = ["127.0.0.2"]
secret = "SECRET"
policy = "challenge"
[pam]
socket = "pam.sock"
[directory]
type = "file"
[directory.file]
path = "users.toml"
[totp]
period = "PERIOD"
digits = DIGITS
range = REACH
[hotp]
digits = DIGITS
[[policies]]
name = "default"
mode = "code-only"
[[policies]]
name = "challenge"
mode = "challenge"
`

// wide are throttles as wide as they can be: mostly, what is tested is not guessing.
const wide = `
[throttle]
source_burst = 1000
source_refill = "1s"
user_burst = 10000
user_refill = "1s"
`

// An estate is the nodes that share one state.
type estate struct {
	t     testing.TB
	nodes []*node
	// people are the users of the nodes. Each logs in by one goroutine at a time.
	people []*person
	// began is when the clock of all histories began. busy is how long the loads took that have ended.
	began time.Time
	busy  time.Duration
}

// newEstate starts n nodes; rest gives what else is in the i-th one's configuration. hotp, totp and challenged are how many
// people have such tokens, and how many of them (with a HOTP token) are asked for password and code.
func newEstate(t testing.TB, n int, rest func(i int) string, hotp, totp, challenged int) *estate {
	t.Helper()
	e := &estate{t: t, began: time.Now()}
	for i := range hotp + totp + challenged {
		kind := directory.TypeHOTP
		if i >= hotp && i < hotp+totp {
			kind = directory.TypeTOTP
		}
		e.people = append(e.people, newPerson(fmt.Sprintf("user%03d", i), kind, i >= hotp+totp, e))
	}
	users := e.usersFile()
	for i := range n {
		address, err := freeport.Address()
		if err != nil {
			t.Fatal(err)
		}
		node := &node{name: fmt.Sprintf("node %d", i+1), dir: t.TempDir(), addr: address}
		text := strings.NewReplacer("ADDRESS", address, "SECRET", sharedSecret, "PERIOD", period.String(),
			"DIGITS", fmt.Sprint(digits), "REACH", fmt.Sprint(reach)).Replace(config) + rest(i)
		for file, text := range map[string]string{"config.toml": text, "users.toml": users} {
			if err := os.WriteFile(node.path(file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := node.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := node.stop(); err != nil {
				t.Error(err)
			}
		})
		e.nodes = append(e.nodes, node)
	}
	e.waitReady()
	return e
}

// waitReady waits until all nodes can decide.
func (e *estate) waitReady() {
	e.t.Helper()
	for _, n := range e.nodes {
		if err := n.waitReady(); err != nil {
			e.t.Fatal(err)
		}
	}
}

const password = "correct horse"

func (e *estate) usersFile() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // the hash is not what is tested
	if err != nil {
		e.t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range e.people {
		fmt.Fprintf(&b, "[[users]]\nname = %q\npassword = %q\n%s", p.name, hash, p.token.toml())
	}
	return b.String()
}

// kills is how often a node was killed.
func (e *estate) kills() (sum int64) {
	for _, n := range e.nodes {
		sum += n.kills.Load()
	}
	return sum
}

// inFile is the rest of the configuration of a host that keeps its state in a file in dir; empty: the node's own folder.
func inFile(dir string) func(int) string {
	return func(int) string { return wide + fmt.Sprintf("[store]\nfile = %q\n", filepath.Join(dir, "state.db")) }
}

// inCluster is the rest of the configuration of nodes that reach the cluster each by a wire of its own.
func inCluster(wires []*etcdtest.Wire) func(int) string {
	return func(i int) string {
		var endpoints []string
		for m := range wires[i].Endpoints() {
			// Each node has another member that is the nearest.
			endpoints = append(endpoints, fmt.Sprintf("%q", wires[i].Endpoints()[(i+m)%len(wires[i].Endpoints())]))
		}
		return wide + fmt.Sprintf("[store]\ntype = \"etcd\"\nfile = \"state.db\" # beside it is the witness\n[store.etcd]\nendpoints = [%s]\n", strings.Join(endpoints, ", "))
	}
}

// newCluster starts n nodes on a cluster of three members, and makes the schedule of what happens to them.
func newCluster(t testing.TB, n, hotp, totp, challenged int, faults []fault) *schedule {
	t.Helper()
	cluster, wires := newWires(t, n)
	s := newSchedule(newEstate(t, n, inCluster(wires), hotp, totp, challenged), faults)
	s.cluster, s.wires = cluster, wires
	return s
}

// newWires starts a cluster of three members, and lays a wire to it for each of n nodes.
func newWires(t testing.TB, n int) (*etcdtest.Cluster, []*etcdtest.Wire) {
	t.Helper()
	cluster := etcdtest.Start(t, 3)
	wires := make([]*etcdtest.Wire, n)
	for i := range wires {
		wires[i] = cluster.Wire(t)
	}
	return cluster, wires
}

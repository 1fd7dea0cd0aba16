// Package etcdtest runs real etcd clusters for tests: Debian's etcd-server, in folders of the test's own, on
// free ports of 127.0.0.1.
//
//	c := etcdtest.Start(t, 3)            // or etcdtest.Start(t, 3, etcdtest.WithTLS(), etcdtest.WithUser("tandem", "…", "tandem/"))
//	… c.Endpoints() …
//	c.Kill(c.Leader()); c.Restart(0)     // kill -9; the same ports and the same data
//	c.Pause(1); c.Resume(1)              // a member that hangs: connections open, no answer comes
//
// A [Wire] is a set of TCP proxies, one before each member, through which one client reaches the cluster while
// others go their own way. It can be cut, hang, be slow, or lose one direction:
//
//	w := c.Wire(t)
//	… w.Endpoints() …
//	w.Link(0).LoseReplies()              // requests arrive, and nobody hears what became of them
//	w.Cut(); w.Heal()                    // this client alone has lost the cluster
//
// Heartbeats and elections are ten times quicker than etcd's defaults. The members end with the test. A test
// machine without etcd is a failed test, not a skipped one.
package etcdtest

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/test/freeport"
)

const (
	heartbeat = 50 * time.Millisecond
	election  = 500 * time.Millisecond
	// patience bounds every wait for etcd; a loaded machine is slow.
	patience = 30 * time.Second
)

// A Cluster is some etcd members that know each other.
type Cluster struct {
	// CAFile, CertFile and KeyFile are what a client presents and trusts; empty without [WithTLS].
	CAFile, CertFile, KeyFile string

	t       testing.TB
	folder  string
	scheme  string
	tls     *tls.Config // a client's; nil without TLS
	user    *user
	members []*member
}

// An Option says more about what a cluster is to be.
type Option func(*Cluster)

// WithTLS makes members speak only TLS, with certificates by an authority made for the test, and demand a
// certificate of clients.
func WithTLS() Option { return func(c *Cluster) { c.scheme = "https" } }

// WithUser switches authentication on. The user may read and write keys that begin with prefix, and nothing
// else.
func WithUser(name, password, prefix string) Option {
	return func(c *Cluster) { c.user = &user{name, password, prefix} }
}

// Start runs a cluster of so many members until the end of the test.
func Start(t testing.TB, members int, options ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t, folder: t.TempDir(), scheme: "http"}
	for _, option := range options {
		option(c)
	}
	if c.scheme == "https" {
		c.makeCertificates()
	}
	t.Cleanup(c.stop)
	for attempt := 1; ; attempt++ {
		err := c.startAll(members, attempt)
		if err == nil {
			break
		}
		c.stop()
		// Somebody else may have taken a port between our look and etcd's.
		if attempt == 3 {
			t.Fatalf("etcd does not start: %v", err)
		}
	}
	if c.user != nil {
		c.enableAuth()
	}
	return c
}

// Endpoints are the members' own addresses, as URLs.
func (c *Cluster) Endpoints() []string {
	endpoints := make([]string, len(c.members))
	for i, m := range c.members {
		endpoints[i] = c.scheme + "://" + m.client
	}
	return endpoints
}

// Kill ends member i as a power cut would, with SIGKILL, and waits until it has gone.
func (c *Cluster) Kill(i int) { c.members[i].kill() }

// Restart runs member i again after Kill, on the same ports with the same data. It does not wait until the
// member serves: without a majority it could not.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	if err := c.members[i].start(); err != nil {
		c.t.Fatal(err)
	}
}

// Pause stops member i in its tracks (SIGSTOP).
func (c *Cluster) Pause(i int) { c.t.Helper(); c.members[i].pause(c.t) }

// Resume ends a Pause.
func (c *Cluster) Resume(i int) { c.t.Helper(); c.members[i].resume(c.t) }

// Pid is the process of member i.
func (c *Cluster) Pid(i int) int { return c.members[i].process.Process.Pid }

// WaitHealthy waits until every member serves, and so has a leader.
func (c *Cluster) WaitHealthy() {
	c.t.Helper()
	if err := c.waitHealthy(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) waitHealthy() error {
	for _, m := range c.members {
		if err := c.waitFor(m); err != nil {
			return fmt.Errorf("%w\n%s", err, m.tail())
		}
	}
	return nil
}

func (c *Cluster) waitFor(m *member) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := c.healthy(m)
		switch {
		case err == nil:
			return nil
		case m.gone():
			return fmt.Errorf("%s has ended", m.name)
		case time.Now().After(deadline):
			return fmt.Errorf("%s is not healthy after %v: %w", m.name, patience, err)
		}
	}
}

// startAll starts all members on ports that are free at present.
func (c *Cluster) startAll(n, attempt int) error {
	program, err := exec.LookPath("etcd")
	if err != nil {
		c.t.Fatal("this test needs etcd: apt-get install etcd-server")
	}
	ports, err := freePorts(2 * n)
	if err != nil {
		return err
	}
	c.members = nil
	var peers []string
	for i := range n {
		m := &member{
			name:   fmt.Sprintf("m%d", i),
			client: ports[2*i],
			peer:   ports[2*i+1],
			folder: filepath.Join(c.folder, fmt.Sprintf("m%d.%d", i, attempt)),
			path:   program,
		}
		if err := os.Mkdir(m.folder, 0o700); err != nil {
			return err
		}
		c.members = append(c.members, m)
		peers = append(peers, m.name+"=http://"+m.peer)
	}
	for _, m := range c.members {
		m.args = append(c.arguments(m), "--initial-cluster", strings.Join(peers, ","))
		if err := m.start(); err != nil {
			return err
		}
	}
	return c.waitHealthy()
}

func (c *Cluster) arguments(m *member) []string {
	arguments := []string{
		"--name", m.name,
		"--data-dir", filepath.Join(m.folder, "data"),
		"--listen-client-urls", c.scheme + "://" + m.client,
		"--advertise-client-urls", c.scheme + "://" + m.client,
		"--listen-peer-urls", "http://" + m.peer,
		"--initial-advertise-peer-urls", "http://" + m.peer,
		"--initial-cluster-state", "new",
		"--heartbeat-interval", fmt.Sprint(heartbeat.Milliseconds()),
		"--election-timeout", fmt.Sprint(election.Milliseconds()),
		"--bcrypt-cost", "4", // quick, for passwords that protect nothing
		"--logger", "zap", "--log-level", "warn", "--log-outputs", "stderr",
	}
	if c.tls != nil {
		arguments = append(arguments, "--client-cert-auth",
			"--trusted-ca-file", c.CAFile,
			"--cert-file", filepath.Join(c.folder, "member.pem"),
			"--key-file", filepath.Join(c.folder, "member.key"))
	}
	return arguments
}

func (c *Cluster) stop() {
	for _, m := range c.members {
		m.kill()
	}
}

// freePorts returns n addresses of 127.0.0.1 that nobody listens on.
func freePorts(n int) (addresses []string, err error) {
	for range n {
		a, err := freeport.Address()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, a)
	}
	return addresses, nil
}

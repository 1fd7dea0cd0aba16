package etcdtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type user struct{ name, password, prefix string }

// rootPassword is root's, once authentication is on.
const rootPassword = "root-password"

// Client is a client of etcd's own, as root, for looking at what is kept and for doing damage. It is closed at
// the end of the test.
func (c *Cluster) Client() *clientv3.Client {
	c.t.Helper()
	config := clientv3.Config{
		Endpoints:   c.Endpoints(),
		TLS:         c.tls,
		DialTimeout: patience,
		Logger:      zap.NewNop(),
	}
	if c.user != nil {
		config.Username, config.Password = "root", rootPassword
	}
	client, err := clientv3.New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Leader is the member that leads at present. It fails the test if there is none for long.
func (c *Cluster) Leader() int {
	c.t.Helper()
	client := c.Client()
	defer func() { _ = client.Close() }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for i, endpoint := range c.Endpoints() {
			if c.members[i].process == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			status, err := client.Status(ctx, endpoint)
			cancel()
			if err == nil && status.Leader == status.Header.MemberId {
				return i
			}
		}
	}
	c.t.Fatalf("no member leads after %v", patience)
	return 0
}

// enableAuth makes root and the user.
func (c *Cluster) enableAuth() {
	c.t.Helper()
	asked := c.user
	c.user = nil // nobody has to log in yet
	client := c.Client()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for _, step := range []func() error{
		func() error { _, err := client.RoleAdd(ctx, "root"); return err },
		func() error { _, err := client.UserAdd(ctx, "root", rootPassword); return err },
		func() error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := client.RoleAdd(ctx, "prefix"); return err },
		func() error {
			_, err := client.RoleGrantPermission(ctx, "prefix", asked.prefix,
				clientv3.GetPrefixRangeEnd(asked.prefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := client.UserAdd(ctx, asked.name, asked.password); return err },
		func() error { _, err := client.UserGrantRole(ctx, asked.name, "prefix"); return err },
		func() error { _, err := client.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			c.t.Fatalf("switch authentication on: %v", err)
		}
	}
	c.user = asked
}

// healthy asks m whether it can serve. A member without a leader cannot.
func (c *Cluster) healthy(m *member) error {
	client := http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{TLSClientConfig: c.tls, DisableKeepAlives: true},
	}
	reply, err := client.Get(c.scheme + "://" + m.client + "/health")
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	var state struct{ Health string }
	if err := json.NewDecoder(reply.Body).Decode(&state); err != nil {
		return fmt.Errorf("read /health: %w", err)
	}
	if state.Health != "true" {
		return errors.New("it says itself that it is not")
	}
	return nil
}

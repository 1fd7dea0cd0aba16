package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"layeh.com/radius"

	"tandem/test/etcdtest"
)

// hotpUser is a users file with alice and her HOTP token.
func hotpUser(k *token) map[string]string {
	return map[string]string{"users.toml": fmt.Sprintf("[[users]]\nname = \"alice\"\n[[users.devices]]\ntype = \"HOTP\"\nname = \"token\"\nsecret = %q\n", k.base32())}
}

const codeOnly = "[[policies]]\nname = \"default\"\nmode = \"code-only\"\n"

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

// ok runs the admin's command, which must succeed.
func (d *daemon) ok(args ...string) string {
	d.t.Helper()
	out, status := d.tandem("", args...)
	if status != 0 {
		d.t.Fatalf("tandem %s: %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

func TestRow26_StateThatWasRestored(t *testing.T) {
	key := newToken("alice")
	d := newDaemon(t, onFile+codeOnly, hotpUser(key))
	old := key.press(t)
	d.want(d.try("alice", old), radius.CodeAccessAccept, "before the backup")
	d.ok("store", "backup", d.path("backup"))
	lost := key.press(t)
	d.want(d.try("alice", lost), radius.CodeAccessAccept, "after the backup")
	d.stop()
	if err := errors.Join(os.Remove(d.path("state.db")), os.Remove(d.path("state.db.witness"))); err != nil {
		t.Fatal(err)
	}
	d.ok("store", "restore", d.path("backup"))
	d.start()
	if out := d.radclient(fmt.Sprintf("User-Name = alice, User-Password = %q, NAS-Identifier = vpn1, Message-Authenticator = 0x00", lost)); !strings.Contains(out, "Access-Reject") {
		t.Errorf("a code that the restored state has forgotten:\n%s", out)
	}
	if r := d.lastReason(); r != "state-restored" {
		t.Errorf("reason %s", r)
	}
	d.want(d.try("alice", key.at(t, 2)), radius.CodeAccessReject, "the next code: nobody knows that it is")
	if out, status := d.tandem("", "store", "status"); status != 1 || !strings.Contains(out, "RESTORED") || !strings.Contains(out, "accept-restore") {
		t.Errorf("%d\n%s", status, out)
	}
	d.stop()
	d.ok("store", "accept-restore", "--margin", "20")
	d.start()
	for _, n := range []uint64{1, 2, 20} {
		d.want(d.try("alice", key.at(t, n)), radius.CodeAccessReject, "a code that may have been used")
	}
	d.want(d.try("alice", key.at(t, 21)), radius.CodeAccessAccept, "the first code beyond the margin")
}

// A file that is copied back by hand, or a disk that is rolled back while the witness is not.
func TestRow26_FileThatWasCopiedBack(t *testing.T) {
	key := newToken("alice")
	d := newDaemon(t, onFile+codeOnly, hotpUser(key))
	d.want(d.try("alice", key.press(t)), radius.CodeAccessAccept, "before a crash")
	d.kill()
	d.start() // a crash alone is no reason
	d.want(d.try("alice", key.press(t)), radius.CodeAccessAccept, "after a crash")
	d.kill()
	copied, err := os.ReadFile(d.path("state.db"))
	if err != nil {
		t.Fatal(err)
	}
	d.start()
	used, knew := key.press(t), d.witness()
	d.want(d.try("alice", used), radius.CodeAccessAccept, "after the copy")
	d.waitFor("the witness to be told", func() bool { return d.witness() != knew })
	d.kill()
	if err := os.WriteFile(d.path("state.db"), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.want(d.try("alice", used), radius.CodeAccessReject, "a code that the copy does not know")
	if _, body := d.page("/healthz"); !strings.HasPrefix(body, "ok\n") || !strings.Contains(body, "tandem store accept-restore") {
		t.Errorf("/healthz says %q", body)
	}
	if r := d.lastReason(); r != "state-restored" || !strings.Contains(d.said(), "the state went back") {
		t.Errorf("reason %s\n%s", r, d.said())
	}
	if out, _ := d.tandem("", "check"); !strings.Contains(out, "warn  state") || !strings.Contains(out, "accept-restore") {
		t.Error(out)
	}
}

// witness is what the witness of the state file knows. It is told of a commit after the answer, and soon.
func (d *daemon) witness() string {
	d.t.Helper()
	b, err := os.ReadFile(d.path("state.db.witness"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// A state in etcd that is restored below nodes that run. (That etcd itself went back is tested in store/etcd.)
func TestRow26_StateThatWasRestoredBelowNodes(t *testing.T) {
	cluster := etcdtest.Start(t, 1)
	key := newToken("alice")
	config := strings.Replace(head, "[store]\n", "[store]\ntype = \"etcd\"\n", 1) + onFile + codeOnly +
		fmt.Sprintf("[store.etcd]\nendpoints = [%q]\n", cluster.Endpoints()[0])
	nodes := make([]*daemon, 2)
	for i := range nodes {
		d := &daemon{t: t, dir: t.TempDir(), addr: freeUDP(t)}
		d.write("users.toml", hotpUser(key)["users.toml"])
		d.write("config.toml", config)
		d.start()
		t.Cleanup(d.stop)
		nodes[i] = d
	}
	d := nodes[0]
	d.want(d.try("alice", key.press(t)), radius.CodeAccessAccept, "before the backup")
	d.ok("store", "backup", d.path("backup"))
	lost := key.press(t)
	d.want(d.try("alice", lost), radius.CodeAccessAccept, "after the backup")
	// Over the state that is there only by force, and the nodes stop until they are started anew.
	if out, status := d.tandem("", "store", "restore", d.path("backup")); status == 0 || !strings.Contains(out, "--force") {
		t.Errorf("%d\n%s", status, out)
	}
	d.ok("store", "restore", "--force", d.path("backup"))
	for _, d := range nodes {
		if reply := d.try("alice", key.at(t, 2)); reply != nil && reply.Code != radius.CodeAccessReject {
			t.Errorf("a node goes on after a restore: %v", reply.Code)
		}
		if status, body := d.page("/healthz"); status != 503 || !strings.Contains(body, "restart this node") {
			t.Errorf("%d %s", status, body)
		}
		d.stop()
		d.start()
	}
	nodes[1].want(nodes[1].try("alice", key.at(t, 2)), radius.CodeAccessReject, "not accepted yet")
	if r := nodes[1].lastReason(); r != "state-restored" {
		t.Errorf("reason %s", r)
	}
	// The counter was not lowered: the lost code is known. With etcd the nodes run on meanwhile.
	nodes[1].want(nodes[1].try("alice", lost), radius.CodeAccessReject, "a code that was used")
	if r := nodes[1].lastReason(); r != "replayed-code" {
		t.Errorf("reason %s", r)
	}
	nodes[1].ok("store", "accept-restore", "--margin", "10")
	if out := d.ok("store", "status"); !strings.Contains(out, "leads") || strings.Count(out, "\nnode ") != 2 || !strings.Contains(out, "accepted with a margin of 10") {
		t.Error(out)
	}
	d.want(d.try("alice", key.at(t, 12)), radius.CodeAccessAccept, "accepted on the other node")
}

func TestRow51_MovedStateIsServedOnce(t *testing.T) {
	cluster := etcdtest.Start(t, 1)
	key := newToken("alice")
	d := newDaemon(t, onFile+codeOnly, hotpUser(key))
	used := key.press(t)
	d.want(d.try("alice", used), radius.CodeAccessAccept, "on the file")
	etcd := strings.Replace(head, "[store]\n", "[store]\ntype = \"etcd\"\n", 1) + onFile + codeOnly +
		fmt.Sprintf("[store.etcd]\nendpoints = [%q]\n", cluster.Endpoints()[0])
	d.write("etcd.toml", etcd)
	if out, status := d.tandem("", "store", "migrate", "--to", d.path("etcd.toml")); status == 0 || !strings.Contains(out, "stop it first") {
		t.Fatalf("moved away under a daemon that runs: %d\n%s", status, out)
	}
	d.stop()
	d.ok("store", "migrate", "--to", d.path("etcd.toml"))
	d.run()
	if err := <-d.ended; err == nil || !strings.Contains(d.said(), "the state was moved away: it goes on in etcd") {
		t.Fatalf("%v\n%s", err, d.said())
	}
	d.write("config.toml", etcd)
	d.start()
	d.want(d.try("alice", used), radius.CodeAccessReject, "its code was used on the file")
	if r := d.lastReason(); r != "replayed-code" {
		t.Errorf("reason %s", r)
	}
	d.want(d.try("alice", key.press(t)), radius.CodeAccessAccept, "nothing was lost, so nothing is to be accepted")
}

// A daemon is started on a file of the schema before. (A newer one is refused: store/bolt, store/etcd.)
func TestRow51_Upgrade(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("..", "..", "store", "bolt", "testdata", "schema-1.db"))
	if err != nil {
		t.Fatal(err)
	}
	key := newToken("alice")
	d := &daemon{t: t, dir: t.TempDir(), addr: freeUDP(t)}
	d.write("users.toml", hotpUser(key)["users.toml"])
	d.write("config.toml", head+onFile+codeOnly)
	if err := os.WriteFile(d.path("state.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := d.ok("store", "status"); !strings.Contains(out, "schema     1") || !strings.Contains(out, "mark 1") {
		t.Error(out)
	}
	d.start()
	if !strings.Contains(d.said(), "migrated the state file") {
		t.Error(d.said())
	}
	d.want(d.try("alice", key.press(t)), radius.CodeAccessAccept, "after the upgrade")
	d.stop()
	if out := d.ok("store", "status"); !strings.Contains(out, "schema     3") || !strings.Contains(out, "mark 2") {
		t.Error(out)
	}
}

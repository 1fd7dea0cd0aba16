package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
	"tandem/radiusd/radiusclient"
)

// onFile configures the users file and two clients: one strict, one that sends no Message-Authenticator.
const onFile = `
[[radius.clients]]
name = "vpn"
networks = ["127.0.0.1"]
secret = "` + sharedSecret + `"
[[radius.clients]]
name = "old-vpn"
networks = ["127.0.0.9"]
secret = "` + sharedSecret + `"
require_message_authenticator = false
[directory]
type = "file"
[directory.file]
path = "users.toml"
`

// usersFile holds people who all have alice's password and one TOTP device each.
func usersFile(t testing.TB, tokens map[string]*token) map[string]string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(alicePassword), bcrypt.MinCost) // the hash is not what is tested
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for name, k := range tokens {
		fmt.Fprintf(&b, "[[users]]\nname = %q\npassword = %q\n[[users.devices]]\ntype = \"TOTP\"\nname = \"phone\"\nsecret = %q\n", name, hash, k.base32())
	}
	return map[string]string{"users.toml": b.String()}
}

func newFileDaemon(t testing.TB, extra string) (*daemon, *token) {
	t.Helper()
	key := newToken("alice")
	return newDaemon(t, onFile+extra, usersFile(t, map[string]*token{"alice": key})), key
}

// radclient sends one Access-Request with Debian's radclient and returns what it printed.
func (d *daemon) radclient(attributes string, args ...string) string {
	d.t.Helper()
	path, err := exec.LookPath("radclient")
	if err != nil {
		d.t.Fatal("radclient is missing: apt-get install freeradius-utils")
	}
	c := exec.Command(path, append(args, "-x", "-r", "1", "-t", "3", d.addr, "auth", sharedSecret)...)
	c.Stdin = strings.NewReader(attributes)
	out, _ := c.CombinedOutput() // it exits 1 for rejects and silence: the output tells
	return string(out)
}

func TestRow01_RadclientWithAndWithoutMessageAuthenticator(t *testing.T) {
	d, key := newFileDaemon(t, "")
	steady(t, 15*time.Second)
	login := func(n int64) string {
		return fmt.Sprintf("User-Name = alice, User-Password = %q, NAS-Identifier = vpn1", alicePassword+key.totp(t, n))
	}
	if out := d.radclient(login(-1)); !strings.Contains(out, "No reply") {
		t.Errorf("a strict client without Message-Authenticator was answered:\n%s", out)
	}
	if said := d.said(); !strings.Contains(said, "Message-Authenticator") || !strings.Contains(said, "vpn") || !strings.Contains(said, "require_message_authenticator = false") {
		t.Errorf("the log does not name the client and the fix:\n%s", said)
	}
	if out := d.radclient(login(-1) + ", Message-Authenticator = 0x00"); !strings.Contains(out, "Received Access-Accept") {
		t.Errorf("a strict client with Message-Authenticator:\n%s", out)
	}
	if out := d.radclient(login(0) + ", Packet-Src-IP-Address = 127.0.0.9"); !strings.Contains(out, "Received Access-Accept") {
		t.Errorf("a lenient client:\n%s", out)
	}
	if out := d.radclient(login(1) + ", Packet-Src-IP-Address = 127.0.0.9, Proxy-State = 0x01"); !strings.Contains(out, "No reply") {
		t.Errorf("a lenient client with Proxy-State was answered:\n%s", out)
	}
	if out := d.radclient(login(1) + ", Message-Authenticator = 0x00, Proxy-State = 0x0102, Proxy-State = 0x03"); !strings.Contains(out, "Received Access-Accept") ||
		!strings.Contains(strings.ReplaceAll(out, "\n", " "), "Proxy-State = 0x0102") {
		t.Errorf("Proxy-State:\n%s", out)
	}
}

func TestRow03_RetransmissionGetsTheSameBytesAndOneAuditLine(t *testing.T) {
	d, key := newFileDaemon(t, "")
	steady(t, 10*time.Second)
	conn, err := net.Dial("udp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := d.accessRequest(7, "alice", alicePassword+key.totp(t, 0))
	var first []byte
	for i := range 4 {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(reply)
		if err != nil {
			t.Fatalf("copy %d: %v\n%s", i, err, d.said())
		}
		if i == 0 {
			first = reply[:n]
			if radius.Code(first[0]) != radius.CodeAccessAccept {
				t.Fatalf("code %d", first[0])
			}
		} else if !bytes.Equal(first, reply[:n]) {
			t.Fatalf("copy %d got other bytes:\n%x\n%x", i, first, reply[:n])
		}
	}
	if lines := d.audit(); len(lines) != 1 {
		t.Fatalf("%d audit lines for one request: %+v", len(lines), lines)
	}
}

// accessRequest is a signed Access-Request of our own making.
func (d *daemon) accessRequest(id byte, user, typed string) []byte {
	d.t.Helper()
	p := radius.New(radius.CodeAccessRequest, []byte(sharedSecret))
	p.Identifier = id
	hidden, err := radius.NewUserPassword([]byte(typed), p.Secret, p.Authenticator[:])
	if err != nil {
		d.t.Fatal(err)
	}
	p.Add(rfc2865.UserName_Type, radius.Attribute(user))
	p.Add(rfc2865.UserPassword_Type, hidden)
	raw, err := msgauth.Encode(p)
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// TestRow25_ThousandCopiesOfOneCode is the promise of the project, over the wire.
func TestRow25_ThousandCopiesOfOneCode(t *testing.T) {
	d, key := newFileDaemon(t, "[[policies]]\nname = \"default\"\nmode = \"code-only\"\n")
	steady(t, 20*time.Second)
	code := key.totp(t, 0)
	var accepts, rejects, silent atomic.Int32
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			reply, err := radiusclient.Exchange(context.Background(), d.client(3*time.Second, 0),
				radiusclient.Request{User: "alice", Password: secret.New(code), NASIdentifier: "vpn1"})
			switch {
			case err != nil:
				silent.Add(1)
			case reply.Code == radius.CodeAccessAccept:
				accepts.Add(1)
			default:
				rejects.Add(1)
			}
		})
	}
	all.Wait()
	t.Logf("%d accepts, %d rejects, %d without an answer", accepts.Load(), rejects.Load(), silent.Load())
	if accepts.Load() != 1 {
		t.Fatalf("%d accepts for one code", accepts.Load())
	}
}

func TestRow44_KilledAfterTheYes(t *testing.T) {
	d, key := newFileDaemon(t, "")
	for i := range 3 {
		steady(t, 10*time.Second)
		code := key.totp(t, int64(i)-1)
		d.want(d.try("alice", alicePassword+code), radius.CodeAccessAccept, "first use")
		d.kill()
		d.start()
		d.want(d.try("alice", alicePassword+code), radius.CodeAccessReject, "after kill -9")
		if r := d.lastReason(); r != "replayed-code" {
			t.Fatalf("reason %s", r)
		}
	}
}

func TestRow49_ReloadUnderLoad(t *testing.T) {
	tokens := map[string]*token{}
	for i := range 40 {
		name := fmt.Sprintf("user%02d", i)
		tokens[name] = newToken(name)
	}
	d := newDaemon(t, onFile, usersFile(t, tokens))
	steady(t, 20*time.Second)
	stop := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				d.hangUp("reloaded")
			}
		}
	})
	var failed atomic.Int32
	var logins sync.WaitGroup
	for name, k := range tokens {
		logins.Go(func() {
			for n := int64(-1); n <= 1; n++ {
				reply := d.try(name, alicePassword+k.totp(t, n))
				if reply == nil || reply.Code != radius.CodeAccessAccept {
					failed.Add(1)
				}
			}
		})
	}
	logins.Wait()
	close(stop)
	reloads.Wait()
	if failed.Load() != 0 {
		t.Fatalf("%d of 120 logins were lost or rejected while the configuration was reloaded\n%s", failed.Load(), d.said())
	}
}

func TestRow49_BadFileKeepsTheOldOne(t *testing.T) {
	d, key := newFileDaemon(t, "")
	steady(t, 15*time.Second)
	d.write("config.toml", head+onFile+"[totp]\ndigits = 12\n")
	d.hangUp("reload refused")
	if said := d.said(); !strings.Contains(said, "totp.digits") || !strings.Contains(said, "config.toml:") {
		t.Errorf("the log does not say what is wrong and where:\n%s", said)
	}
	d.want(d.try("alice", alicePassword+key.totp(t, 0)), radius.CodeAccessAccept, "with the old configuration")

	d.write("config.toml", head+onFile+"[[policies]]\nname = \"default\"\nmode = \"challenge\"\n[log]\nlevel = \"debug\"\n")
	d.hangUp("reloaded")
	d.want(d.try("alice", alicePassword), radius.CodeAccessChallenge, "with the new configuration")

	d.write("config.toml", head+strings.ReplaceAll(onFile, "users.toml", "none.toml"))
	d.hangUp("reload refused")
	d.want(d.try("alice", alicePassword), radius.CodeAccessChallenge, "the users file of the new one is missing")
}

func TestRow50_SecretsNeverShow(t *testing.T) {
	d, key := newFileDaemon(t, "[log]\nlevel = \"debug\"\nformat = \"json\"\n")
	steady(t, 15*time.Second)
	good, bad := key.totp(t, 0), key.wrong(t)
	d.want(d.try("alice", alicePassword+good), radius.CodeAccessAccept, "right")
	d.want(d.try("alice", alicePassword+bad), radius.CodeAccessReject, "wrong code")
	d.want(d.try("alice", "hunter2hunter2"), radius.CodeAccessReject, "wrong password")
	d.want(d.try("evil\r\n{\"forged\":1}", "x"), radius.CodeAccessReject, "line break in the name")
	explained, _ := d.tandem("hunter2hunter2\n", "try", "alice", "--explain")
	everything := d.said() + explained
	for _, l := range d.audit() {
		everything += fmt.Sprintf("%+v\n", l)
	}
	for name, hidden := range map[string]string{
		"password": alicePassword, "code": good, "wrong code": bad, "wrong password": "hunter2", "shared secret": sharedSecret, "token key": key.base32(),
	} {
		if strings.Contains(everything, hidden) {
			t.Errorf("the %s shows in logs, audit or explanation", name)
		}
	}
	for _, l := range strings.Split(strings.TrimSpace(d.said()), "\n") {
		if !strings.HasPrefix(l, "{\"time\"") {
			t.Errorf("a forged or torn log line: %q", l)
		}
	}
}

func TestUnavailableCanBeAReject(t *testing.T) {
	key := newToken("alice")
	config := strings.Replace(onLDAP("ldap://127.0.0.1:1"), "policy = \"append\"", "policy = \"append\"\nwhen_unavailable = \"reject\"", 1)
	d := newDaemonThatCannotDecide(t, config)
	reply := d.exchangeFrom("127.0.0.1", 6*time.Second, radiusclient.Request{User: "alice", Password: secret.New(alicePassword + key.totp(t, 0))})
	d.want(reply, radius.CodeAccessReject, "nobody can decide, and the client wants a reject")
	if reply := d.exchangeFrom("127.0.0.4", 3*time.Second, radiusclient.Request{User: "alice", Password: secret.New("x")}); reply != nil {
		t.Errorf("%v instead of silence", reply.Code)
	}
	if _, err := radiusclient.Status(context.Background(), d.client(time.Second, 0)); err == nil {
		t.Error("Status-Server is answered while nobody can decide")
	}
	if code, body := d.page("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "127.0.0.1:1") {
		t.Errorf("/healthz: %d %s", code, body)
	}
}

func TestPages(t *testing.T) {
	d, key := newFileDaemon(t, "")
	steady(t, 10*time.Second)
	d.want(d.try("alice", alicePassword+key.totp(t, 0)), radius.CodeAccessAccept, "right")
	d.want(d.try("nobody", "x"), radius.CodeAccessReject, "unknown")
	if code, body := d.page("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	_, body := d.page("/metrics")
	for _, line := range []string{
		`tandem_login_steps_total{door="radius",outcome="accept",reason="ok"} 1`,
		`tandem_login_steps_total{door="radius",outcome="reject",reason="unknown-user"} 1`,
		"tandem_store_stopped 0", "tandem_build_info{",
	} {
		if !strings.Contains(body, line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
	if strings.Contains(body, "alice") {
		t.Error("/metrics names users")
	}
}

func TestRow49_ReloadThatRenamesAPolicy(t *testing.T) {
	tokens := map[string]*token{}
	for i := range 30 {
		name := fmt.Sprintf("user%02d", i)
		tokens[name] = newToken(name)
	}
	named := func(policy string) string {
		return head + "workers = 4\n" + strings.ReplaceAll(onFile, "networks", "policy = \""+policy+"\"\nnetworks") +
			"[[policies]]\nname = \"" + policy + "\"\nmode = \"auto\"\n"
	}
	d := newDaemon(t, onFile, usersFile(t, tokens))
	d.stop()
	d.write("config.toml", named("before"))
	d.start()
	steady(t, 20*time.Second)
	open := d.try("user00", alicePassword)
	d.want(open, radius.CodeAccessChallenge, "a challenge before the reload")

	d.write("config.toml", named("after"))
	var lost atomic.Int32
	var logins sync.WaitGroup
	for name, k := range tokens {
		logins.Go(func() {
			if reply := d.try(name, alicePassword+k.totp(t, -1)); reply == nil || reply.Code != radius.CodeAccessAccept {
				lost.Add(1)
			}
		})
	}
	d.hangUp("reloaded")
	logins.Wait()
	if lost.Load() != 0 {
		t.Errorf("%d of 30 right logins were lost or rejected\n%s", lost.Load(), d.said())
	}
	d.want(d.try("user00", tokens["user00"].totp(t, 0), open.State...), radius.CodeAccessAccept, "its answer after the reload")
}

func TestDaemonOutlivesAShortageOfFiles(t *testing.T) {
	d, key := newFileDaemon(t, "")
	steady(t, 15*time.Second)
	var before unix.Rlimit
	limit := func(l unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(d.process.Process.Pid, unix.RLIMIT_NOFILE, &l, &before); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Prlimit(d.process.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	limit(unix.Rlimit{Cur: 3, Max: before.Max})
	conn, err := net.Dial("unix", filepath.Join(d.dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d.waitFor("the shortage to be noticed", func() bool { return strings.Contains(d.said(), "could not be accepted") })
	limit(unix.Rlimit{Cur: before.Max, Max: before.Max})
	if out, status := d.tandem("", "check"); status != 0 {
		t.Fatalf("%s\n%s", out, d.said())
	}
	d.want(d.try("alice", alicePassword+key.totp(t, 0)), radius.CodeAccessAccept, "after it")
}

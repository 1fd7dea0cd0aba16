package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/radiusd/upstream"
	"tandem/test/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shared = "a shared secret of the tests"

// freeRADIUS is Debian's server with alice in its users file.
type freeRADIUS struct {
	t       *testing.T
	dir     string
	address string
	process *exec.Cmd
}

const radiusdConf = `
prefix = /usr
name = upstream
localstatedir = DIR
logdir = DIR
raddbdir = DIR
run_dir = DIR
libdir = /usr/lib/freeradius
pidfile = DIR/pid
max_request_time = 5
log {
	destination = stdout
}
security {
	allow_core_dumps = no
	reject_delay = 0
	status_server = yes
}
thread pool {
	start_servers = 1
	max_servers = 4
}
modules {
	pap {
	}
	files {
		filename = DIR/users
	}
}
client test {
	ipaddr = 127.0.0.1
	secret = "SECRET"
	require_message_authenticator = yes
}
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = PORT
	}
	authorize {
		files
		pap
		Autz-Type Status-Server {
			update reply {
				Message-Authenticator := 0x00
			}
		}
	}
	# Servers of before July 2024 sign their replies only if they are told to.
	post-auth {
		update reply {
			Message-Authenticator := 0x00
		}
		Post-Auth-Type REJECT {
			update reply {
				Message-Authenticator := 0x00
			}
		}
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
	}
}
`

const users = `
alice Cleartext-Password := "right"
	Class = "staff",
	Class += 0x00ff,
	Framed-IP-Address = 192.0.2.7,
	Cisco-AVPair = "shell:priv-lvl=15",
	Tunnel-Type:1 = VLAN,
	Tunnel-Private-Group-Id:1 = "42",
	Session-Timeout = 60

carol Cleartext-Password := "right", Auth-Type := Reject
`

func newFreeRADIUS(t *testing.T) *freeRADIUS {
	t.Helper()
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	f := &freeRADIUS{t: t, dir: t.TempDir(), address: address}
	_, port, _ := net.SplitHostPort(address)
	conf := strings.NewReplacer("DIR", f.dir, "PORT", port, "SECRET", shared).Replace(radiusdConf)
	for name, text := range map[string]string{"radiusd.conf": conf, "users": users} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.start()
	return f
}

func (f *freeRADIUS) start() {
	f.t.Helper()
	path, err := exec.LookPath("freeradius")
	if err != nil {
		f.t.Fatal("freeradius is missing: apt-get install freeradius")
	}
	f.process = exec.Command(path, "-f", "-d", f.dir, "-n", "radiusd", "-l", "stdout")
	log, err := os.Create(filepath.Join(f.dir, "log"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	f.process.Stdout, f.process.Stderr = log, log
	if err := f.process.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(f.stop)
	for deadline := time.Now().Add(15 * time.Second); ; {
		if _, err := radiusclient.Status(f.t.Context(), radiusclient.Config{Addr: f.address, Secret: secret.New(shared), Timeout: 200 * time.Millisecond}); err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(f.dir, "log"))
			f.t.Fatalf("freeradius does not answer:\n%s", text)
		}
	}
}

func (f *freeRADIUS) stop() {
	if f.process != nil {
		_ = f.process.Process.Kill()
		_ = f.process.Wait()
		f.process = nil
	}
}

func newChecker(t *testing.T, servers []string, pass ...string) *upstream.Checker {
	t.Helper()
	c, err := upstream.New(upstream.Config{
		Name: "nps", Servers: servers, Secret: secret.New(shared), Timeout: 300 * time.Millisecond, Retries: 1,
		Rest: 200 * time.Millisecond, NASIdentifier: "tandem", Pass: pass, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func user(name string) *directory.User { return &directory.User{ID: "id-" + name, Name: name} }

func TestYesAndNo(t *testing.T) {
	c := newChecker(t, []string{newFreeRADIUS(t).address})
	for _, test := range []struct {
		user, password string
		want           error
	}{
		{"alice", "right", nil},
		{"alice", "wrong", directory.ErrWrongPassword},
		{"carol", "right", directory.ErrWrongPassword},
		{"nobody", "right", directory.ErrWrongPassword},
		{"alice", "", directory.ErrWrongPassword},
		{"alice", strings.Repeat("x", 129), directory.ErrWrongPassword},
	} {
		if err := c.CheckPassword(t.Context(), user(test.user), test.password); !errors.Is(err, test.want) {
			t.Errorf("%s, %q: %v, want %v", test.user, test.password, err, test.want)
		}
	}
}

func TestAttributesArePassedByList(t *testing.T) {
	address := newFreeRADIUS(t).address
	c := newChecker(t, []string{address}, "class", "Framed-IP-Address", "Cisco-AVPair", "Tunnel-Private-Group-Id")
	given, err := c.Vouch(t.Context(), user("alice"), "right")
	if err != nil {
		t.Fatal(err)
	}
	const want = "[{0:25:octets 0x7374616666} {0:25:octets 0x00ff} {0:8:octets 0xc0000207} {9:1:octets 0x7368656c6c3a707269762d6c766c3d3135} {0:81:octets 0x013432}]"
	if got := fmt.Sprint(given); got != want {
		t.Errorf("passed %s, want %s", got, want)
	}
	if given, err := newChecker(t, []string{address}).Vouch(t.Context(), user("alice"), "right"); err != nil || len(given) != 0 {
		t.Errorf("with an empty list: %v, %v", given, err)
	}
}

func TestListMustBeSensible(t *testing.T) {
	for name, want := range map[string]string{"Filter-Idd": "did you mean Filter-Id", "Tunnel-Password": "cannot be passed on", "State": "is not for policies"} {
		if _, err := upstream.New(upstream.Config{Name: "nps", Pass: []string{name}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailoverAndRecovery(t *testing.T) {
	first, second := newFreeRADIUS(t), newFreeRADIUS(t)
	c := newChecker(t, []string{first.address, second.address})
	first.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := c.CheckPassword(ctx, user("alice"), "right"); err != nil {
		t.Fatal(err)
	}
	second.stop()
	// Nobody is there: nothing is known, which is no wrong password.
	if err := c.CheckPassword(ctx, user("alice"), "right"); err == nil || errors.Is(err, directory.ErrWrongPassword) {
		t.Fatal(err)
	}
	first.start()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := c.CheckPassword(t.Context(), user("alice"), "right")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestRow20_SilentServerIsNoNo(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := newChecker(t, []string{silent.LocalAddr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := c.CheckPassword(ctx, user("alice"), "right"); err == nil || errors.Is(err, directory.ErrWrongPassword) {
		t.Error(err)
	}
}

func TestLittleTimeProvesNothing(t *testing.T) {
	var servers []string
	for range 2 {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		servers = append(servers, c.LocalAddr().String())
	}
	var log bytes.Buffer
	c, err := upstream.New(upstream.Config{Name: "nps", Servers: servers, Secret: secret.New(shared), Timeout: 3 * time.Second, Rest: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _ = c.Vouch(ctx, user("alice"), "x")
	_ = c.Close()
	if strings.Contains(log.String(), "left alone") {
		t.Fatal("after 10 ms of silence the preferred server is left alone for a minute")
	}
}

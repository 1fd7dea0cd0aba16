package vpn

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/test/pause"
)

// forOcserv is what tandemd is told of an ocserv of Debian 12: its RADIUS library, radcli 1.2.11, sends no
// Message-Authenticator.
const forOcserv = `
[[radius.clients]]
name = "ocserv"
networks = ["127.0.0.0/8"]
secret = "` + sharedSecret + `"
require_message_authenticator = false
`

// ocserv is a gateway for Cisco's protocol.
type ocserv struct {
	*estate
	*program
	control string // the socket that occtl asks
}

// startOcserv runs ocserv. servers are the RADIUS servers, in the order in which they are asked.
func (e *estate) startOcserv(servers ...string) *ocserv {
	e.t.Helper()
	var secrets strings.Builder
	for _, s := range servers {
		host, _, _ := strings.Cut(s, ":")
		fmt.Fprintln(&secrets, host, sharedSecret)
	}
	radcli := e.write("radcli.conf", fmt.Sprintf(`authserver %s
servers %s
dictionary /etc/radcli/dictionary
radius_timeout 2
radius_retries 1
default_realm
bindaddr *
`, strings.Join(servers, ","), e.write("radcli.servers", secrets.String())))
	g := &ocserv{estate: e, control: filepath.Join(e.dir, "occtl.sock")}
	config := e.write("ocserv.conf", fmt.Sprintf(`auth = "radius[config=%s,groupconfig=true,nas-identifier=ocserv]"
tcp-port = 443
udp-port = 443
run-as-user = nobody
run-as-group = nogroup
socket-file = %s
occtl-socket-file = %s
use-occtl = true
pid-file = %s
server-cert = %s
server-key = %s
device = vpns
ipv4-network = %s
route = %s
auth-timeout = 60
max-ban-score = 0
cisco-client-compat = true
`, radcli, filepath.Join(e.dir, "ocserv.sock"), g.control, filepath.Join(e.dir, "ocserv.pid"), e.certFile, e.keyFile, tunnelNetwork, insideNetwork))
	g.program = start(e.t, e.gateway, exec.Command(find(e.t, "ocserv", "ocserv"), "--foreground", "--debug", "3", "--config", config))
	g.waitFor("initialized ocserv")
	return g
}

// tunnelScript is what openconnect calls when there is a tunnel, instead of vpnc-script, which would rewrite this
// machine's resolv.conf. The address it was given is written to the file $TOLD.
const tunnelScript = `#!/bin/sh
set -e
[ "$reason" = connect ] || exit 0
PATH=$PATH:/usr/sbin:/sbin
ip link set "$TUNDEV" up mtu "$INTERNAL_IP4_MTU"
ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
i=0
while [ "$i" -lt "${CISCO_SPLIT_INC:-0}" ]; do
  eval "ip route add \"\$CISCO_SPLIT_INC_${i}_ADDR/\$CISCO_SPLIT_INC_${i}_MASKLEN\" dev \"\$TUNDEV\""
  i=$((i + 1))
done
printf %s "$INTERNAL_IP4_ADDRESS" >"$TOLD.new"
mv "$TOLD.new" "$TOLD"
`

// openconnect is somebody's client.
type openconnect struct {
	*program
	gateway *ocserv
	stdin   io.Writer
	told    string // where tunnelScript writes
}

// dial starts the client, which will ask for u's passwords.
func (g *ocserv) dial(u *user) *openconnect {
	g.estate.t.Helper()
	e := g.estate
	script := e.write("tunnel", tunnelScript)
	if err := os.Chmod(script, 0o700); err != nil {
		e.t.Fatal(err)
	}
	dir, err := os.MkdirTemp(e.dir, "client-")
	if err != nil {
		e.t.Fatal(err)
	}
	c := &openconnect{gateway: g, told: filepath.Join(dir, "address")}
	command := exec.Command(find(e.t, "openconnect", "openconnect"), "--verbose", "--cafile", e.caFile, "--no-system-trust",
		"--user", u.name, "--script", script, "https://"+gatewayAddress)
	command.Env = append(os.Environ(), "TOLD="+c.told)
	in, err := command.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	c.stdin = in
	c.program = start(e.t, e.road, command)
	return c
}

// question matches the field that ocserv shows, "Password:", "Password1:" and so on.
var question = regexp.MustCompile(`(?m)^Password\d*:`)

// questions are the fields so far.
func (c *openconnect) questions() int { return len(question.FindAllString(c.said(), -1)) }

// story is what all three have said.
func (c *openconnect) story() string {
	return strings.Join([]string{"openconnect:", c.said(), "ocserv:", c.gateway.said(), "tandemd:", c.gateway.tandem.said()}, "\n")
}

// asked waits for question n, counted from 1, and returns what stands over the field.
func (c *openconnect) asked(n int) string {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("question %d", n), c.story, func() bool {
		there := c.questions() >= n
		if !there && !c.running() {
			c.t.Fatalf("openconnect ended before question %d\n%s", n, c.story())
		}
		return there
	})
	said := c.said()
	at := question.FindAllStringIndex(said, -1)[n-1][0]
	lines := strings.Split(strings.TrimSpace(said[:at]), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// answer waits for question n and types the answer.
func (c *openconnect) answer(n int, text string) {
	c.t.Helper()
	c.asked(n)
	if _, err := io.WriteString(c.stdin, text+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// wantTunnel waits for the tunnel, uses it, and returns its address.
func (c *openconnect) wantTunnel() (address string) {
	c.t.Helper()
	eventually(c.t, "a tunnel", c.story, func() bool {
		b, err := os.ReadFile(c.told)
		address = string(b)
		if err != nil && !c.running() {
			c.t.Fatalf("openconnect ended before it had a tunnel\n%s", c.story())
		}
		return err == nil
	})
	c.gateway.wantReach(address)
	return address
}

// hangUp ends the session as a user does.
func (c *openconnect) hangUp() {
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	<-c.ended
	c.gateway.wantNoWayIn()
}

// login dials and answers all questions.
func (g *ocserv) login(u *user, answers ...string) *openconnect {
	c := g.dial(u)
	for i, text := range answers {
		c.answer(i+1, text)
	}
	return c
}

// refused answers all questions, after which there must be no tunnel. It returns what stands over the field that ocserv
// then asks with again, or "" if it hangs up.
func (g *ocserv) refused(u *user, answers ...string) string {
	g.estate.t.Helper()
	c := g.login(u, answers...)
	eventually(g.estate.t, "another question, or the end", c.story, func() bool { return !c.running() || c.questions() > len(answers) })
	if _, err := os.Stat(c.told); err == nil {
		g.estate.t.Fatalf("there is a tunnel\n%s", c.story())
	}
	g.wantNoWayIn()
	defer c.stop()
	if c.questions() > len(answers) {
		return c.asked(len(answers) + 1)
	}
	return ""
}

const rejected = "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes."

func TestOcservAsksForTheCode(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv, alice)
	e.wantNoWayIn()
	g := e.startOcserv("127.0.0.1:1812")
	c := g.dial(alice)
	if text := c.asked(1); text != "Please enter your password." {
		t.Errorf("over the first field: %q", text)
	}
	c.answer(1, password)
	if text := c.asked(2); text != "Code:" {
		t.Errorf("over the second field: %q", text)
	}
	e.tandem.want("alice", "challenge", "code-wanted")
	used := alice.press(t)
	c.answer(2, used)
	c.wantTunnel()
	e.tandem.want("alice", "accept", "ok")
	if l := e.tandem.audit()[1]; l.Client != "ocserv" || l.NAS != "ocserv" {
		t.Errorf("client %q, NAS %q", l.Client, l.NAS)
	}
	c.hangUp()

	// After a reject that answers a challenge, ocserv hangs up.
	for typed, reason := range map[string]string{used: "replayed-code", alice.wrong(t): "wrong-code"} {
		if text := g.refused(alice, password, typed); text != "" {
			t.Errorf("%s: asked again: %q", reason, text)
		}
		e.tandem.want("alice", "reject", reason)
	}

	// After one that answers a first password, it asks again: what is typed then is a new login.
	c = g.dial(alice)
	c.answer(1, "wrong")
	if text := c.asked(2); text != rejected {
		t.Errorf("after a wrong password: %q", text)
	}
	c.answer(2, password)
	c.answer(3, alice.press(t))
	c.wantTunnel()
	c.hangUp()
}

func TestOcservWithTheCodeAppended(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv+"[[policies]]\nname = \"default\"\nmode = \"append\"\n", alice)
	g := e.startOcserv("127.0.0.1:1812")
	used := password + alice.press(t)
	c := g.login(alice, used)
	c.wantTunnel()
	e.tandem.want("alice", "accept", "ok")
	c.hangUp()
	for typed, reason := range map[string]string{
		used:                      "replayed-code",
		password + alice.wrong(t): "wrong-code",
		"wrong" + alice.press(t):  "wrong-password",
	} {
		if text := g.refused(alice, typed); text != rejected {
			t.Errorf("%s: over the field: %q", reason, text)
		}
		e.tandem.want("alice", "reject", reason)
	}
}

// TestOcservLetsUsersChoose goes through three challenges in a row: each has a State of its own.
func TestOcservLetsUsersChoose(t *testing.T) {
	t.Parallel()
	bob := &user{name: "bob", entry: "[[users.devices]]\ntype = \"TOTP\"\nname = \"phone\"\nsecret = \"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\"\n"}
	e := newEstate(t, forOcserv+"[[policies]]\nname = \"default\"\nmode = \"challenge\"\nchoose = \"ask\"\nfactors = [\"totp\", \"hotp\"]\n", bob)
	g := e.startOcserv("127.0.0.1:1812")
	c := g.dial(bob)
	c.answer(1, password)
	if text := c.asked(2); !strings.HasPrefix(text, "Choose a number: 1 ") || !strings.Contains(text, " 2 ") {
		t.Errorf("over the second field: %q", text)
	}
	c.answer(2, "7")
	if text := c.asked(3); !strings.HasPrefix(text, "That is not on the list.") {
		t.Errorf("after a number that is not on the list: %q", text)
	}
	c.answer(3, "2")
	if text := c.asked(4); text != "Code:" {
		t.Errorf("after the choice: %q", text)
	}
	c.answer(4, bob.press(t))
	c.wantTunnel()
}

// TestOcservWithSecondTries has Tandem ask again after a wrong code, where ocserv would hang up.
func TestOcservWithSecondTries(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv+"[[policies]]\nname = \"default\"\ntries = 3\n", alice)
	c := e.startOcserv("127.0.0.1:1812").dial(alice)
	c.answer(1, password)
	c.answer(2, alice.wrong(t))
	if text := c.asked(3); text != "Wrong code. Code:" {
		t.Errorf("after a wrong code: %q", text)
	}
	c.answer(3, alice.press(t))
	c.wantTunnel()
}

func TestOcservAndGuessing(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv+"[throttle]\nsource_burst = 2\n", alice)
	g := e.startOcserv("127.0.0.1:1812")
	for range 2 {
		g.refused(alice, password, alice.wrong(t))
		e.tandem.want("alice", "reject", "wrong-code")
	}
	if text := g.refused(alice, password+alice.press(t)); text != rejected {
		t.Errorf("a right code while there were too many failures: %q", text)
	}
	e.tandem.want("alice", "reject", "throttled")
	e.tandem.command("unlock", "alice")
	g.login(alice, password, alice.press(t)).wantTunnel()
}

// TestOcservGoesToTheNextServer has the first server hang: it keeps its port, and says nothing.
func TestOcservGoesToTheNextServer(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv, alice)
	second := e.startTandem("second", "127.0.0.2:1812", forOcserv, alice)
	g := e.startOcserv("127.0.0.1:1812", "127.0.0.2:1812")
	if err := pause.Process(e.tandem.cmd.Process); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.tandem.cmd.Process.Signal(syscall.SIGCONT) }()
	began := time.Now()
	g.login(alice, password, alice.press(t)).wantTunnel()
	t.Logf("a login of two questions took %v", time.Since(began).Round(100*time.Millisecond))
	second.want("alice", "accept", "ok")
}

// TestOcservIsToldOfTheUser has Tandem say which address, group, session length and network a user has.
func TestOcservIsToldOfTheUser(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice", groups: []string{"staff"}, entry: `attributes = { vpnAddress = ["10.98.0.77"] }`}
	bob := &user{name: "bob"}
	e := newEstate(t, forOcserv+`
[[policies]]
name = "default"
[[policies.reply]]
attribute = "Framed-IP-Address"
value = "{vpnAddress}"
[[policies.reply]]
attribute = "Class"
value = "OU={groups}"
[[policies.reply]]
attribute = "Session-Timeout"
value = "28800"
[[policies.reply]]
when = 'not inGroup("staff")'
attribute = "Framed-Route"
value = "10.77.0.0/16"
`, alice, bob)
	g := e.startOcserv("127.0.0.1:1812")
	c := g.login(alice, password, alice.press(t))
	if address := c.wantTunnel(); address != "10.98.0.77" {
		t.Errorf("address %s", address)
	}
	if !strings.Contains(c.said(), "X-CSTP-Session-Timeout: 28800\n") {
		t.Errorf("another length of the session:\n%s", c.said())
	}
	out, err := exec.Command(find(t, "occtl", "ocserv"), "--socket-file", g.control, "show", "user", "alice").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Groupname: staff\n") {
		t.Errorf("%v\n%s", err, out)
	}
	c.hangUp()

	// Routes that Tandem gives replace those of ocserv.conf.
	c = g.login(bob, password, bob.press(t))
	c.waitFor("X-CSTP-Split-Include: 10.77.0.0/255.255.0.0")
	if strings.Contains(c.said(), "X-CSTP-Split-Include: 10.99.0.0") {
		t.Errorf("the gateway's own route, too:\n%s", c.said())
	}
}

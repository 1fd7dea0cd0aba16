package vpn

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"layeh.com/radius"

	"tandem/pamhelper/module"
	"tandem/test/hosttest"
)

// startOpenVPN runs an OpenVPN server by command, which has all of its arguments but the configuration. plugin is the
// line that says who checks passwords.
func (e *estate) startOpenVPN(plugin string, command func(args ...string) *exec.Cmd) *program {
	e.t.Helper()
	config := e.write("openvpn.conf", fmt.Sprintf(`dev tun
proto udp
local %s
port 1194
topology subnet
server 10.98.0.0 255.255.255.0
push "route 10.99.0.0 255.255.255.0"
ca %s
cert %s
key %s
dh none
verify-client-cert none
username-as-common-name
auth-gen-token
tmp-dir %s
status %s 1
status-version 1
verb 4
%s
`, gatewayAddress, e.caFile, e.certFile, e.keyFile, e.dir, filepath.Join(e.dir, "status"), plugin))
	p := start(e.t, e.gateway, command("--config", config))
	p.waitFor("Initialization Sequence Completed")
	return p
}

// openvpn is somebody's client, with its management interface, by which programs with windows steer it.
type openvpn struct {
	*estate
	*program
	management net.Conn
	lines      *bufio.Scanner
}

// dialOpenVPN starts the client. config holds further lines.
func (e *estate) dialOpenVPN(config string) *openvpn {
	e.t.Helper()
	dir, err := os.MkdirTemp(e.dir, "client-")
	if err != nil {
		e.t.Fatal(err)
	}
	socket := filepath.Join(dir, "management")
	c := &openvpn{estate: e}
	c.program = start(e.t, e.road, exec.Command(find(e.t, "openvpn", "openvpn"), "--config", e.write("client.ovpn", fmt.Sprintf(`client
dev tun
proto udp
remote %s 1194
nobind
ca %s
remote-cert-tls server
auth-user-pass
auth-nocache
management %s unix
management-hold
management-query-passwords
verb 4
%s
`, gatewayAddress, e.caFile, socket, config))))
	eventually(e.t, "OpenVPN's management interface", c.said, func() bool {
		c.management, err = net.Dial("unix", socket)
		return err == nil
	})
	e.t.Cleanup(func() { _ = c.management.Close() })
	c.lines = bufio.NewScanner(c.management)
	c.tell("state on")
	c.tell("hold release")
	return c
}

func (c *openvpn) tell(command string) {
	c.program.t.Helper()
	if _, err := fmt.Fprintln(c.management, command); err != nil {
		c.program.t.Fatal(err)
	}
}

// errVerificationFailed is what the server said to the password.
var errVerificationFailed = errors.New("verification failed")

// connected matches the state that names the tunnel's address.
var connected = regexp.MustCompile(`^>STATE:\d+,CONNECTED,SUCCESS,([\d.]+),`)

// login types in the name, the password, and, if the client asks for it, the code. It returns the tunnel's address.
func (c *openvpn) login(u *user, password, code string) (address string, err error) {
	c.program.t.Helper()
	for c.lines.Scan() {
		line := c.lines.Text()
		switch {
		case strings.HasPrefix(line, ">PASSWORD:Need 'Auth' username/password"):
			if strings.HasSuffix(line, " SC:1,Code") { // as docs/vpn/openvpn.md has clients ask
				b64 := base64.StdEncoding.EncodeToString
				password = "SCRV1:" + b64([]byte(password)) + ":" + b64([]byte(code))
			}
			c.tell(fmt.Sprintf("username \"Auth\" %q", u.name))
			c.tell("password \"Auth\" \"" + password + "\"")
		case strings.HasPrefix(line, ">PASSWORD:Verification Failed: 'Auth'"):
			return "", errVerificationFailed
		case connected.MatchString(line):
			return connected.FindStringSubmatch(line)[1], nil
		}
	}
	c.program.t.Fatalf("OpenVPN hung up: %v\n%s", c.lines.Err(), c.said())
	return "", nil
}

// TestOpenVPNAsksForTheCodeByPAM is the way that docs/vpn/openvpn.md advises: OpenVPN's own PAM plugin, pam_tandem.so,
// and two fields in the client.
func TestOpenVPNAsksForTheCodeByPAM(t *testing.T) {
	t.Parallel()
	h := hosttest.New(t)
	alice := &user{name: "alice"}
	socket := filepath.Join(h.Dir(), "pam.sock")
	e := newEstate(t, forOcserv+fmt.Sprintf("[pam]\nsocket = %q\n", socket), alice)
	h.WritePAM("openvpn", fmt.Sprintf("auth required %s socket=%s\naccount required pam_permit.so\n", buildModule(t, h.Dir()), socket))
	server := e.startOpenVPN(`setenv deferred_auth_pam 1
plugin `+openVPNPlugin(t, "openvpn-plugin-auth-pam.so", "openvpn")+` "openvpn login USERNAME Password PASSWORD Code OTP"`,
		func(args ...string) *exec.Cmd {
			return h.Command(context.Background(), find(t, "openvpn", "openvpn"), args...)
		})
	e.wantNoWayIn()

	const twoFields = "static-challenge \"Code\" 1\n"
	// The client negotiates new keys after 3 seconds. It is asked for no code then: the server gave it a token.
	c := e.dialOpenVPN(twoFields + "reneg-sec 3\n")
	used := alice.press(t)
	address, err := c.login(alice, password, used)
	if err != nil {
		t.Fatalf("%v\n%s", err, server.said())
	}
	e.wantReach(address)
	e.tandem.want("alice", "accept", "ok")
	c.waitFor("TLS: soft reset")
	eventually(t, "new keys", server.said, func() bool { return strings.Count(server.said(), "Control Channel: TLS") >= 2 })
	e.wantReach(address)
	if n := len(e.tandem.audit()); n != 2 { // the password, and the code
		t.Errorf("%d lines in the audit\n%s", n, e.tandem.said())
	}
	c.stop()
	e.wantNoWayIn()

	for typed, reason := range map[string]string{used: "replayed-code", alice.wrong(t): "wrong-code"} {
		c := e.dialOpenVPN(twoFields)
		if address, err := c.login(alice, password, typed); !errors.Is(err, errVerificationFailed) {
			t.Errorf("%s: %q, %v", reason, address, err)
		}
		e.tandem.want("alice", "reject", reason)
		e.wantNoWayIn()
		c.stop()
	}
}

// TestOpenVPNWithTheCodeAppended uses Debian's RADIUS plugin, which wants accounting to work, too.
func TestOpenVPNWithTheCodeAppended(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice"}
	e := newEstate(t, forOcserv+"[[policies]]\nname = \"default\"\nmode = \"append\"\n", alice)
	go account(e.gateway.ListenUDP("127.0.0.1:1813"))
	plugin := openVPNPlugin(t, "radiusplugin.so", "openvpn-auth-radius")
	config := e.write("radiusplugin.cnf", fmt.Sprintf(`NAS-Identifier=openvpn
Service-Type=5
Framed-Protocol=1
NAS-Port-Type=5
NAS-IP-Address=127.0.0.1
OpenVPNConfig=%s
subnet=255.255.255.0
overwriteccfiles=false
useauthcontrolfile=true
server
{
	authport=1812
	acctport=1813
	name=127.0.0.1
	retry=1
	wait=5
	sharedsecret=%s
}
`, filepath.Join(e.dir, "openvpn.conf"), sharedSecret))
	server := e.startOpenVPN("plugin "+plugin+" "+config, func(args ...string) *exec.Cmd {
		return exec.Command(find(t, "openvpn", "openvpn"), args...)
	})
	used := password + alice.press(t)
	c := e.dialOpenVPN("")
	address, err := c.login(alice, used, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, server.said())
	}
	e.wantReach(address)
	e.tandem.want("alice", "accept", "ok")
	c.stop()
	for typed, reason := range map[string]string{used: "replayed-code", password + alice.wrong(t): "wrong-code"} {
		c := e.dialOpenVPN("")
		if address, err := c.login(alice, typed, ""); !errors.Is(err, errVerificationFailed) {
			t.Errorf("%s: %q, %v", reason, address, err)
		}
		e.tandem.want("alice", "reject", reason)
		c.stop()
	}
}

// openVPNPlugin finds a plugin of OpenVPN's.
func openVPNPlugin(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path := filepath.Join("/usr/lib/openvpn", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: apt-get install %s", err, debianPackage)
	}
	return path
}

// buildModule builds pam_tandem.so.
func buildModule(t testing.TB, dir string) string {
	t.Helper()
	src := filepath.Join(dir, "module")
	if err := os.CopyFS(src, module.Sources); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-C", src).CombinedOutput(); err != nil {
		t.Fatalf("build the module (apt-get install gcc make libpam0g-dev): %v\n%s", err, out)
	}
	return filepath.Join(src, "pam_tandem.so")
}

// account answers all accounting requests (RFC 2866) until c is closed: Tandem itself does no accounting.
func account(c net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		request, err := radius.Parse(b[:n], []byte(sharedSecret))
		if err != nil || request.Code != radius.CodeAccountingRequest {
			continue
		}
		if reply, err := request.Response(radius.CodeAccountingResponse).Encode(); err == nil {
			_, _ = c.WriteTo(reply, from)
		}
	}
}

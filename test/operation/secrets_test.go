package operation

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/slapdtest"
)

// login is one of alice's, with a code of her token; it says whether she got in.
func (d *daemon) login(counter int) bool {
	d.t.Helper()
	reply, err := radiusclient.Exchange(d.t.Context(), radiusclient.Config{Addr: d.radius, Secret: secret.New(sharedSecret), Retries: 2},
		radiusclient.Request{User: "alice", Password: secret.New(alicePassword + hotp(d.t, counter))})
	if err != nil {
		d.t.Fatalf("%v\n%s", err, d.log.String())
	}
	return reply.Code == radius.CodeAccessAccept
}

// TestNewRADIUSSecret: a NAS that has the new secret already is not believed, keeps on asking, and is answered after the
// reload.
func TestNewRADIUSSecret(t *testing.T) {
	d := newDaemon(t, usersFile, nil)
	const next = "another shared secret"
	reply := make(chan error, 1)
	go func() {
		r, err := radiusclient.Exchange(t.Context(), radiusclient.Config{Addr: d.radius, Secret: secret.New(next), Timeout: 500 * time.Millisecond, Retries: 20},
			radiusclient.Request{User: "alice", Password: secret.New(alicePassword + hotp(t, 0))})
		if err == nil && r.Code != radius.CodeAccessAccept {
			err = fmt.Errorf("%v", r.Code)
		}
		reply <- err
	}()
	d.eventually("the request is dropped", func() bool {
		return strings.Contains(d.page("/metrics"), `tandem_radius_dropped_total{reason="message-authenticator-wrong"} 1`)
	})
	d.write("radius.secret", next+"\n")
	if !d.reload() {
		t.Fatal("the reload was refused")
	}
	if err := <-reply; err != nil {
		t.Error(err)
	}
}

// TestNewLDAPPassword: the service account has two passwords for a while, and nobody notices.
func TestNewLDAPPassword(t *testing.T) {
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{{
		Name: "alice", Password: alicePassword, Devices: []string{fmt.Sprintf(`[{"type":"HOTP","name":"token","_secret":%q}]`, aliceKey)},
	}}})
	d := newDaemon(t, fmt.Sprintf("[directory]\ntype = \"ldap\"\n[directory.ldap]\nurls = [%q]\nbind_dn = %q\nbind_password_file = \"ldap.password\"\nbase = %q\n",
		slapd.URL, slapdtest.ServiceDN, slapdtest.PeopleBase), map[string]string{"ldap.password": slapdtest.ServicePassword + "\n"})
	const next = "another password"
	counter := 0
	well := func(step string) {
		t.Helper()
		if !d.login(counter) {
			t.Errorf("%s: alice does not get in\n%s", step, d.log.String())
		}
		counter++
	}
	modify := func(change, value string) {
		t.Helper()
		c := exec.Command("ldapmodify", "-x", "-H", slapd.URL, "-D", slapdtest.AdminDN, "-w", slapdtest.AdminPassword)
		c.Stdin = strings.NewReader(fmt.Sprintf("dn: %s\nchangetype: modify\n%s: userPassword\nuserPassword: %s\n", slapdtest.ServiceDN, change, value))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("ldapmodify: %v (apt-get install ldap-utils)\n%s", err, out)
		}
	}
	well("before")
	modify("add", next)
	well("with two passwords")
	d.write("ldap.password", next+"\n")
	if out, ok := d.sh("tandem check"); !ok {
		t.Errorf("tandem check: %s", out)
	}
	if !d.reload() {
		t.Fatal("the reload was refused")
	}
	well("after the reload")
	modify("delete", slapdtest.ServicePassword)
	well("without the old password")
}

// TestReloadRefused: a configuration with mistakes changes nothing, and the metrics say that there is one.
func TestReloadRefused(t *testing.T) {
	d := newDaemon(t, usersFile, nil)
	const gauge = "tandem_config_last_reload_success "
	good, ok := d.sh("cat config.toml")
	if !ok || !strings.Contains(d.page("/metrics"), gauge+"1\n") {
		t.Fatal("at the start the configuration in force is that of the file")
	}
	d.write("config.toml", strings.Replace(good, "[radius]", "[radios]", 1))
	if d.reload() || !strings.Contains(d.page("/metrics"), gauge+"0\n") {
		t.Error("a reload with mistakes is not to be seen")
	}
	if !d.login(0) {
		t.Error("alice does not get in")
	}
	d.write("config.toml", good)
	if !d.reload() || !strings.Contains(d.page("/metrics"), gauge+"1\n") {
		t.Error("a reload that mends it is not to be seen")
	}
}

// TestAuditThatCannotBeWritten is counted as what it is: nobody is let in.
func TestAuditThatCannotBeWritten(t *testing.T) {
	d := newDaemon(t, usersFile, nil)
	if out, ok := d.sh("mv audit.jsonl audit.jsonl.1; mkdir audit.jsonl"); !ok {
		t.Fatal(out)
	}
	if d.login(0) {
		t.Error("alice got in without a record")
	}
	for _, line := range []string{
		`tandem_login_steps_total{door="radius",outcome="reject",reason="audit-unavailable"} 1`,
		`tandem_login_steps_total{door="radius",outcome="reject",reason="clock-behind"} 0`, // counted from 0
	} {
		if !strings.Contains(d.page("/metrics"), line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
	if strings.Contains(d.page("/metrics"), `outcome="accept"`) {
		t.Error("an accept was counted")
	}
}

package packages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installed is what an installation leaves of folders and configuration, whatever the package's form.
const installed = `drwxr-x--- root:tandem /etc/tandem
-rw-r----- root:tandem /etc/tandem/config.toml
drwx------ tandem:tandem /var/lib/tandem
drwxr-x--- tandem:tandem /var/log/tandem
`

const (
	config    = "/etc/tandem/config.toml"
	usersFile = "/etc/tandem/users.toml"
	dropInDir = "/etc/systemd/system/tandemd.service.d/"
	examples  = "/usr/share/doc/tandem/examples/systemd/"
)

// host is a Debian with the packages, and an administrator's year with them.
type host struct{ *debian }

// debian is one life of the packages, in the order in which things happen to them.
func (m made) debian(t *testing.T) {
	h := &host{newDebian(t)}
	h.boot()
	defer func() {
		if t.Failed() {
			t.Log(h.run("journalctl", "--no-pager", "-n", "30", "-u", "tandemd"))
		}
	}()
	before := h.sums("/etc")
	for _, step := range []struct {
		name string
		do   func(made)
	}{
		{"install", h.install},
		{"start by hand", h.byHand},
		{"start as a service", h.service},
		{"a daemon that is stuck", h.stuck},
		{"log in over ssh", h.logIn},
		{"external commands", h.externalCommands},
		{"credentials", h.credentials},
		{"the host's own passwords", h.localPasswords},
		{"rotate the audit", h.rotate},
		{"upgrade", h.upgrade},
		{"downgrade", h.downgrade},
		{"every service asks", h.everyService},
		{"remove", h.remove},
		{"purge", func(made) { h.purge(before) }},
	} {
		t.Log(step.name)
		if step.do(m); t.Failed() {
			t.FailNow()
		}
	}
}

// dpkg installs packages as apt does without anybody at the terminal.
func (h *host) dpkg(files ...string) string {
	h.t.Helper()
	args := []string{"dpkg", "--force-confdef", "--force-confold", "--install"}
	for _, f := range files {
		inside := "/root/" + filepath.Base(f)
		run(h.t, "cp", f, h.path(inside))
		args = append(args, inside)
	}
	return h.run(args...)
}

func (h *host) install(m made) {
	pam := h.sums("/etc/pam.d")
	h.dpkg(file(h.t, m.older, "tandem_*_amd64.deb"), file(h.t, m.older, "libpam-tandem_*_amd64.deb"))
	if got := h.modes("/etc/tandem", config, "/var/lib/tandem", "/var/log/tandem"); got != installed {
		h.t.Errorf("installed as\n%s, want\n%s", got, installed)
	}
	if h.sums("/etc/pam.d") != pam {
		h.t.Error("the installation changed /etc/pam.d")
	}
	for _, unit := range []string{"tandemd.service", "tandemd.socket"} {
		for question, want := range map[string]string{"is-enabled": "disabled\n", "is-active": "inactive\n"} {
			if out, _ := h.try("", "systemctl", question, unit); out != want {
				h.t.Errorf("systemctl %s %s: %s", question, unit, out)
			}
		}
	}
	for _, program := range [][]string{{"tandem", "version"}, {"tandemd", "--version"}, {"/usr/libexec/tandem/tandem-pam", "--version"}} {
		if out := h.run(program...); !strings.HasPrefix(out, "tandem v1.0.0 (abc1234, 2026-11-21T21:35:10Z) go") {
			h.t.Errorf("%s says %s", program, out)
		}
	}
	if out, err := h.try("", "tandem", "check"); err == nil || !strings.Contains(out, "radius.secret") {
		h.t.Errorf("before it is configured, tandem check says %s", out)
	}
}

// edit changes a file inside, keeping its rights. Each old is there, and is replaced by the new that follows it.
func (h *host) edit(path string, oldNew ...string) {
	h.t.Helper()
	text := read(h.t, h.path(path))
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			h.t.Fatalf("%s has no %q:\n%s", path, oldNew[i], text)
		}
		text = strings.Replace(text, oldNew[i], oldNew[i+1], 1)
	}
	if err := os.WriteFile(h.path(path), []byte(text), 0); err != nil { // it exists
		h.t.Fatal(err)
	}
}

// appended adds text to a file inside, and returns what takes it away again.
func (h *host) appended(path, text string) (undo func()) {
	h.t.Helper()
	before := read(h.t, h.path(path))
	h.edit(path, before, before+text)
	return func() { h.edit(path, before+text, before) }
}

// checked waits until tandemd can decide, and returns what `tandem check` says then.
func (h *host) checked(environment ...string) (out string) {
	h.t.Helper()
	waitFor(h.t, "tandemd", func() bool {
		var err error
		out, err = h.try("", append(append([]string{"env"}, environment...), "tandem", "check")...)
		return err == nil && strings.Contains(out, "and can decide")
	})
	return out
}

// byHand does what the comment in config.toml and docs/ssh.md say, and starts tandemd as its user.
func (h *host) byHand(made) {
	h.edit(config, `"192.0.2.1"`, `"127.0.0.1"`, "#[pam]", "[pam]", "#socket =", "socket =")
	write(h.t, h.path("/etc/tandem/radius.secret"), 0o640, "a shared secret of the tests\n")
	write(h.t, h.path(usersFile), 0o640, users(h.t))
	h.run("chgrp", "tandem", "/etc/tandem/radius.secret", usersFile)
	h.run("install", "-d", "-o", "tandem", "-g", "tandem", "/run/tandem") // RuntimeDirectory= of the unit

	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	tandemd := h.command(ctx, "runuser", "-u", "tandem", "--", "/usr/sbin/tandemd")
	if err := tandemd.Start(); err != nil {
		h.t.Fatal(err)
	}
	for l := range strings.Lines(h.checked()) {
		if !strings.HasPrefix(l, "ok ") {
			h.t.Errorf("tandem check says %s", l)
		}
	}
	if out := h.login("alice", code(h.t, "alice", 0)); !strings.HasPrefix(out, "ACCEPT") {
		h.t.Errorf("a login: %s", out)
	}
	h.run("sh", "-c", "kill $(pidof tandemd)")
	if err := tandemd.Wait(); err != nil {
		h.t.Errorf("tandemd ended with %v", err)
	}
	h.run("rm", "-r", "/run/tandem")
	h.run("sh", "-c", "rm /var/lib/tandem/*") // what follows uses the same codes
}

// login tries a user's password with a code through the daemon itself, or over RADIUS with the option --radius.
func (h *host) login(user, code string, options ...string) string {
	h.t.Helper()
	out, _ := h.try(password+code, append([]string{"tandem", "try", user}, options...)...)
	return out
}

// service starts the unit, in its sandbox, and reloads it.
func (h *host) service(made) {
	h.run("systemctl", "enable", "--now", "--quiet", "tandemd.socket", "tandemd.service")
	for l := range strings.Lines(h.checked()) {
		if !strings.HasPrefix(l, "ok ") {
			h.t.Errorf("tandem check says %s", l)
		}
	}
	if got := h.modes("/run/tandem/pam.sock", "/run/tandem/admin.sock", "/var/lib/tandem", "/var/log/tandem"); got != `srw-rw-rw- tandem:tandem /run/tandem/pam.sock
srw------- tandem:tandem /run/tandem/admin.sock
drwx------ tandem:tandem /var/lib/tandem
drwxr-x--- tandem:tandem /var/log/tandem
` {
		h.t.Errorf("the service has\n%s", got)
	}
	h.run("systemctl", "reload", "tandemd")
	waitFor(h.t, "the reload", func() bool {
		return strings.Contains(h.run("journalctl", "--no-pager", "-u", "tandemd"), "msg=reloaded")
	})
}

// stuck: systemd starts a daemon anew that gives no sign of life, and leaves one alone that does.
func (h *host) stuck(made) {
	write(h.t, h.path(dropInDir+"watchdog.conf"), 0o644, "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n")
	h.restart()
	restarts := func() string { return strings.TrimSpace(h.run("systemctl", "show", "-P", "NRestarts", "tandemd")) }
	began := time.Now()
	waitFor(h.t, "more than the watchdog's time", func() bool { return time.Since(began) > 4*time.Second })
	if n := restarts(); n != "0" {
		h.t.Errorf("a daemon that is well was started anew %s times", n)
	}
	h.run("systemctl", "kill", "--signal=STOP", "tandemd")
	waitFor(h.t, "systemd to start it anew", func() bool { return restarts() == "1" })
	h.checked()
	h.run("rm", dropInDir+"watchdog.conf")
	h.restart()
}

// restart puts drop-ins and settings in force that a reload does not.
func (h *host) restart(environment ...string) {
	h.t.Helper()
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "restart", "tandemd")
	h.checked(environment...)
}

// example puts a drop-in of the examples in force, edited, and returns what takes it away again.
func (h *host) example(name string, oldNew ...string) (undo func()) {
	h.t.Helper()
	h.run("install", "-D", "-m", "644", examples+name, dropInDir+name)
	h.edit(dropInDir+name, oldNew...)
	return func() { h.run("rm", dropInDir+name) }
}

const sshd = `
ListenAddress 127.0.0.1
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication yes
AuthenticationMethods keyboard-interactive:pam
`

func (h *host) logIn(made) {
	h.run("useradd", "-m", "-s", "/bin/sh", "alice")
	if out, err := h.try("alice:unix password\n", "chpasswd"); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	write(h.t, h.path("/etc/ssh/sshd_config.d/50-tandem.conf"), 0o644, sshd)
	var line string
	for l := range strings.Lines(read(h.t, h.path("/usr/share/doc/libpam-tandem/examples/pam.d/sshd"))) {
		if strings.HasPrefix(l, "auth") {
			line = l
		}
	}
	h.edit("/etc/pam.d/sshd", "@include common-auth\n", line)
	h.run("systemctl", "restart", "ssh")

	right := code(h.t, "alice", 0)
	for _, login := range []struct {
		what, password, code string
		in                   bool
	}{
		{"a wrong code", password, "000000", false},
		{"the host's own password", "unix password", "000000", false},
		{"password and code", password, right, true},
		{"the same code again", password, right, false},
	} {
		out, err := h.ssh(map[string]string{"Password: ": login.password, "Code: ": login.code})
		if in := err == nil && out == "in as alice\n"; in != login.in {
			h.t.Errorf("%s: in: %v: %s", login.what, in, out)
		}
	}
	h.wantReason("replayed-code")
}

// wantReason looks why the last attempt ended as it did.
func (h *host) wantReason(want string) {
	h.t.Helper()
	audit := h.audit()
	if last := audit[len(audit)-1]; !strings.Contains(last, `"`+want+`"`) {
		h.t.Errorf("the last attempt ended with %s, want the reason %s", last, want)
	}
}

// audit is all lines of it, of rotated files too, the newest last.
func (h *host) audit() []string {
	h.t.Helper()
	return strings.Split(strings.TrimSpace(h.run("sh", "-c", "zcat -f $(ls -rv /var/log/tandem/audit.jsonl*)")), "\n")
}

// externalCommands: a command runs in the sandbox with the drop-in that is documented for it, and without it does not.
func (h *host) externalCommands(made) {
	const sent = "/var/lib/tandem/sent"
	write(h.t, h.path("/usr/local/libexec/tandem/send"), 0o755, "#!/bin/sh\numask 077\ncat >"+sent+".new && sleep 0 && exec mv "+sent+".new "+sent+"\n")
	undo := h.appended(config, `
[[factor.external]]
name = "sms"
code = '\d{6}'
send = ["/usr/local/libexec/tandem/send"]
code_on_stdin = true
target = "$phone"
[[policies]]
name = "default"
mode = "challenge"
factors = ["sms"]
`)
	// try answers with the code that was sent, if one is sent.
	try := `(echo "$1"; i=0; until [ -s ` + sent + ` ] || [ $i = 40 ]; do sleep 0.05; i=$((i+1)); done; cat ` + sent + `) 2>/dev/null | tandem try alice`
	h.restart()
	if out, err := h.try("", "sh", "-c", try, "sh", password); err == nil {
		h.t.Errorf("a command runs in the sandbox without the drop-in: %s", out)
	}
	undoDropIn := h.example("external-commands.conf")
	h.restart()
	if out, err := h.try("", "sh", "-c", try, "sh", password); err != nil {
		h.t.Errorf("with the drop-in: %v: %s", err, out)
	}
	undo()
	undoDropIn()
	h.run("rm", "-r", "/usr/local/libexec/tandem", sent)
	h.restart()
}

// credentials: a secret that root alone can read reaches tandemd through systemd.
func (h *host) credentials(made) {
	undoDropIn := h.example("credentials.conf", "LoadCredential=ldap.password:/etc/tandem/ldap.password\n", "")
	h.run("install", "-m", "600", "/etc/tandem/radius.secret", "/etc/tandem/vpn.secret")
	h.edit(config, `"radius.secret"`, `"${CREDENTIALS_DIRECTORY}/vpn.secret"`)
	h.restart("CREDENTIALS_DIRECTORY=/run/credentials/tandemd.service")
	h.edit(config, `"${CREDENTIALS_DIRECTORY}/vpn.secret"`, `"radius.secret"`)
	undoDropIn()
	h.run("rm", "/etc/tandem/vpn.secret")
	h.restart()
}

// localPasswords: tandem-pam checks the host's own passwords for a tandemd that runs as root, in what is left of the sandbox.
func (h *host) localPasswords(made) {
	h.run("cp", "/usr/share/doc/libpam-tandem/examples/pam.d/tandem-password", "/etc/pam.d/tandem-password")
	undo := h.appended(config, "\n[[policies]]\nname = \"default\"\nfirst_factor = \"pam\"\n")
	undoDropIn := h.example("local-passwords.conf")
	h.restart()
	if out, _ := h.try("unix password"+code(h.t, "alice", 1), "tandem", "try", "alice"); !strings.HasPrefix(out, "ACCEPT") {
		h.t.Errorf("the host's password and a code: %s", out)
	}
	undo()
	undoDropIn()
	h.run("rm", "/etc/pam.d/tandem-password")
	h.run("systemctl", "stop", "tandemd.socket", "tandemd")
	h.run("systemctl", "daemon-reload")
	h.run("chown", "-R", "tandem:tandem", "/var/lib/tandem", "/var/log/tandem")
	h.run("systemctl", "start", "tandemd.socket", "tandemd")
	h.checked()
}

// rotate rotates the audit again and again while people try to log in.
func (h *host) rotate(made) {
	before := len(h.audit())
	progress := h.path("/root/progress")
	write(h.t, progress, 0o600, "")
	people := h.command(h.t.Context(), "sh", "-c", `i=0; while [ $i -lt 120 ]; do echo x000000 | tandem try nobody$i >>/root/progress; i=$((i+1)); done`)
	if err := people.Start(); err != nil {
		h.t.Fatal(err)
	}
	for rotation := range 12 {
		waitFor(h.t, "people to try", func() bool { return strings.Count(read(h.t, progress), "REJECT") > 8*rotation })
		h.run("logrotate", "--force", "/etc/logrotate.d/tandem")
	}
	_ = people.Wait() // the last one is not let in
	files := strings.Fields(h.run("ls", "/var/log/tandem"))
	if got := len(h.audit()) - before; got != 120 || len(files) < 4 {
		h.t.Errorf("%d lines of audit for 120 attempts, in %q", got, files)
	}
}

// upgrade: the configuration that the administrator edited stays, also where the package's own has changed; and a
// code that was used before is used after it, while the other half of its window still is good.
func (h *host) upgrade(m made) {
	before := h.sums("/etc/tandem")
	newer := filepath.Join(h.t.TempDir(), "newer")
	deb := file(h.t, m.newer, "tandem_*_amd64.deb")
	run(h.t, "dpkg-deb", "-R", deb, newer)
	shipped := filepath.Join(newer, config)
	write(h.t, shipped, 0o640, read(h.t, shipped)+"# The next version says more.\n")
	changed := filepath.Join(h.t.TempDir(), filepath.Base(deb))
	run(h.t, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", newer, changed)

	// A code is good for a step, and for the one after it: longer than the upgrade takes.
	used, other := code(h.t, "bob", 0), code(h.t, "bob", 1)
	if out := h.login("bob", used, "--radius"); !strings.HasPrefix(out, "ACCEPT") {
		h.t.Fatalf("before the upgrade: %s", out)
	}
	h.dpkg(changed, file(h.t, m.newer, "libpam-tandem_*_amd64.deb"))
	if out := h.checked(); !strings.Contains(out, "tandemd v1.1.0 runs") {
		h.t.Errorf("the upgrade did not restart the daemon: %s", out)
	}
	if out := h.login("bob", used); !strings.HasPrefix(out, "REJECT") {
		h.t.Errorf("the code that was used before the upgrade: %s", out)
	}
	h.wantReason("replayed-code")
	if out := h.login("bob", other); !strings.HasPrefix(out, "ACCEPT") {
		h.t.Errorf("the next code: %s", out)
	}
	h.run("rm", config+".dpkg-dist")
	if got := h.sums("/etc/tandem"); got != before {
		h.t.Errorf("the upgrade made of /etc/tandem\n%s, was\n%s", got, before)
	}
}

// downgrade: a state that a newer Tandem has written is refused by an older one, and the newer one goes on.
func (h *host) downgrade(m made) {
	h.run("systemctl", "stop", "tandemd.socket", "tandemd")
	run(h.t, "install", future(h.t), h.path("/usr/sbin/tandemd"))
	h.run("systemctl", "start", "tandemd.socket", "tandemd")
	waitFor(h.t, "the tandemd of the future", func() bool {
		out, _ := h.try("", "systemctl", "is-active", "tandemd")
		return out == "active\n"
	})
	h.run("systemctl", "stop", "tandemd.socket", "tandemd")
	run(h.t, "cp", h.path("/usr/sbin/tandemd"), h.path("/root/tandemd"))

	h.dpkg(file(h.t, m.older, "tandem_*_amd64.deb"), file(h.t, m.older, "libpam-tandem_*_amd64.deb"))
	state := h.sums("/var/lib/tandem/state.db")
	if _, err := h.try("", "systemctl", "start", "tandemd"); err == nil {
		h.t.Fatal("an old tandemd serves a newer state")
	}
	check, _ := h.try("", "tandem", "check")
	for what, said := range map[string]string{"tandemd": h.run("journalctl", "--no-pager", "-u", "tandemd"), "tandem check": check} {
		for _, want := range []string{"schema 4", "v1.9.0", "knows up to 3", "install", "restore"} {
			if !strings.Contains(said, want) {
				h.t.Errorf("%s does not say %q: %s", what, want, said)
			}
		}
	}
	if h.sums("/var/lib/tandem/state.db") != state {
		h.t.Error("the tandemd that refused the state changed it")
	}

	// The remedy: the newer one again. What follows is not about the state.
	h.run("systemctl", "stop", "tandemd")
	h.run("sh", "-c", "install /root/tandemd /usr/sbin/tandemd && systemctl reset-failed && systemctl start tandemd && systemctl is-active tandemd && systemctl stop tandemd")
	h.dpkg(file(h.t, m.older, "tandem_*_amd64.deb"))
	h.run("sh", "-c", "rm /var/lib/tandem/*")
}

// future builds the tandemd of a version with one more schema of the state.
func future(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	schema := read(t, top+"/store/bolt/schema.go")
	for _, edit := range [][2]string{
		{"const schema = 3\n", "const schema = 4\n"},
		{"\tnumberCommits,\n}", `	numberCommits,
	func(of *bbolt.Bucket, o Options) error {
		a, err := readAbout(of)
		a.Schema, a.Program = schema, o.Program
		return errors.Join(err, a.save(of))
	},
}`},
	} {
		if strings.Count(schema, edit[0]) != 1 {
			t.Fatalf("store/bolt/schema.go has no %q: tell this test what the next schema is", edit[0])
		}
		schema = strings.Replace(schema, edit[0], edit[1], 1)
	}
	absolute, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "schema.go"), 0o600, schema)
	write(t, filepath.Join(dir, "overlay.json"), 0o600, `{"Replace": {"`+absolute+`/store/bolt/schema.go": "`+dir+`/schema.go"}}`)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"),
		"-ldflags", "-X tandem/internal/version.Version=v1.9.0", "-o", dir+"/", "./cmd/tandemd")
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "tandemd")
}

// everyService turns the profile of pam-auth-update on.
func (h *host) everyService(made) {
	h.run("systemctl", "start", "tandemd.socket", "tandemd")
	h.checked()
	var line string
	for l := range strings.Lines(read(h.t, h.path("/etc/pam.d/sshd"))) {
		if strings.Contains(l, "pam_tandem.so") {
			line = l
		}
	}
	h.edit("/etc/pam.d/sshd", line, "@include common-auth\n")
	unix := map[string]string{"Password: ": "unix password", "Code: ": "000000"}
	if out, err := h.ssh(unix); err != nil {
		h.t.Fatalf("before the profile is on, with the host's password: %v: %s", err, out)
	}
	h.run("pam-auth-update", "--enable", "tandem")
	if out, err := h.ssh(unix); err == nil {
		h.t.Fatalf("with the profile, the host's password: %s", out)
	}
	if out, err := h.ssh(map[string]string{"Password: ": password, "Code: ": code(h.t, "alice", 0)}); err != nil {
		h.t.Errorf("with the profile, password and code: %v: %s\n%s", err, out, read(h.t, h.path("/etc/pam.d/common-auth")))
	}
}

// remove stops the daemon, keeps what an administrator would miss, and locks nobody out.
func (h *host) remove(made) {
	h.run("dpkg", "--remove", "tandem", "libpam-tandem")
	if out, err := h.try("", "pidof", "tandemd"); err == nil {
		h.t.Errorf("a removed tandemd runs as process %s", out)
	}
	if out, err := h.ssh(map[string]string{"Password: ": "unix password"}); err != nil {
		h.t.Errorf("without the packages, the host's password does not let in any more: %v: %s\n%s", err, out, read(h.t, h.path("/etc/pam.d/common-auth")))
	}
	h.run("ls", config, usersFile, "/var/lib/tandem/state.db", "/var/log/tandem/audit.jsonl")
}

// purge leaves nothing: before is what /etc was before the packages came.
func (h *host) purge(before string) {
	h.run("dpkg", "--purge", "tandem", "libpam-tandem")
	h.run("sh", "-c", "rm -r /etc/ssh/sshd_config.d/50-tandem.conf "+dropInDir+" /root/*; userdel -r alice 2>/dev/null")
	if out := h.run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-iname", "*tandem*"); out != "" {
		h.t.Errorf("the purge left %s", out)
	}
	if out, err := h.try("", "getent", "passwd", "tandem"); err == nil {
		h.t.Errorf("the purge left the user %s", out)
	}
	changed := map[string]bool{}
	after := h.sums("/etc")
	for _, side := range [][2]string{{before, after}, {after, before}} {
		for l := range strings.Lines(side[0]) {
			if !strings.Contains(side[1], l) {
				changed[strings.Fields(l)[2]] = true
			}
		}
	}
	for path := range changed {
		switch path {
		case "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock": // copies that useradd and userdel keep
		default:
			h.t.Errorf("after the purge, %s is not what it was", path)
		}
	}
}

package vpn

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/oath"
)

// password is everybody's. It has a blank and a letter beyond ASCII on its way through each gateway.
const password = "correct hörse"

// user has a token that counts (RFC 4226), so that tests need not wait for the next code.
type user struct {
	name   string
	groups []string
	// entry holds further lines of the users file.
	entry   string
	pressed uint64
}

func (u *user) key() string { return (u.name + " has a key of 20 octets or more")[:20] }

func (u *user) at(t testing.TB, counter uint64) string {
	t.Helper()
	code, err := oath.Settings{Digits: 6, Algorithm: "SHA1"}.Code(directory.Device{Secret: secret.New(u.key())}, counter)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// press is the token's next code.
func (u *user) press(t testing.TB) string {
	t.Helper()
	u.pressed++
	return u.at(t, u.pressed-1)
}

// wrong is a code that is none of the token's near future.
func (u *user) wrong(t testing.TB) string {
	t.Helper()
	right := map[string]bool{}
	for n := range uint64(200) {
		right[u.at(t, u.pressed+n)] = true
	}
	for i := 0; ; i++ {
		if c := fmt.Sprintf("%06d", i); !right[c] {
			return c
		}
	}
}

// usersFile is the directory.
func usersFile(t testing.TB, users []*user) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // the hash is not what is tested
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, u := range users {
		groups, err := json.Marshal(append([]string{}, u.groups...))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "[[users]]\nname = %q\npassword = %q\ngroups = %s\n%s\n[[users.devices]]\ntype = \"HOTP\"\nname = \"token\"\nsecret = %q\n",
			u.name, hash, groups, u.entry, base32.StdEncoding.EncodeToString([]byte(u.key())))
	}
	return b.String()
}

// tandem is one tandemd.
type tandem struct {
	*program
	dir string
}

// startTandem runs a tandemd in the gateway's network until the end of the test. The name is that of its folder.
func (e *estate) startTandem(name, address, config string, users ...*user) *tandem {
	e.t.Helper()
	e.write(name+"/users.toml", usersFile(e.t, users))
	path := e.write(name+"/config.toml", fmt.Sprintf(`
[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[metrics]
listen = ""
[admin]
socket = "admin.sock"
[directory]
type = "file"
[directory.file]
path = "users.toml"
[radius]
listen = [%q]
reject_delay = "100ms"
%s`, address, config))
	p := start(e.t, e.gateway, exec.Command(filepath.Join(bin, "tandemd"), "--config", path))
	p.waitFor("tandemd serves")
	return &tandem{program: p, dir: filepath.Dir(path)}
}

// command runs the admin's command, which has to succeed.
func (d *tandem) command(args ...string) {
	d.t.Helper()
	c := exec.Command(filepath.Join(bin, "tandem"), append([]string{"--config", filepath.Join(d.dir, "config.toml")}, args...)...)
	if out, err := c.CombinedOutput(); err != nil {
		d.t.Fatalf("tandem %v: %v\n%s", args, err, out)
	}
}

// line is an audit line.
type line struct {
	User, Outcome, Reason, Client, NAS, Source, Door string
	Factors                                          []string
}

func (d *tandem) audit() []line {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil {
		d.t.Fatal(err)
	}
	var lines []line
	for text := range bytes.Lines(b) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			d.t.Fatalf("audit line %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// want fails the test unless the last thing that happened to user is that, and it came from the person's own address.
func (d *tandem) want(user, outcome, reason string) {
	d.t.Helper()
	lines := d.audit()
	if len(lines) == 0 {
		d.t.Fatalf("nobody asked\n%s", d.said())
	}
	l := lines[len(lines)-1]
	if l.User != user || l.Outcome != outcome || l.Reason != reason || l.Source != roadAddress {
		d.t.Fatalf("last in the audit: %+v; want %s %s of %s, from %s\n%s", l, outcome, reason, user, roadAddress, d.said())
	}
}

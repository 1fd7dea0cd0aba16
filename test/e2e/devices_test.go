package e2e

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tandem/test/slapdtest"
)

// writing lets the commands write devices as somebody who may; the account that searches may not.
func writing(slapd *slapdtest.Server) string {
	patient := strings.ReplaceAll(onLDAP(slapd.URL), `_timeout = "1s"`, `_timeout = "30s"`) // a hundred processes share this host
	return patient + fmt.Sprintf("[directory.ldap.write]\nbind_dn = %q\nbind_password = %q\n[devices]\nmax = %d\n",
		slapdtest.AdminDN, slapdtest.AdminPassword, most)
}

// most is how many devices a user may have.
const most = 90

// command runs the admin's command, and tells its output from what it says beside.
func (d *daemon) command(stdin string, args ...string) (stdout, stderr string, err error) {
	c := exec.Command(filepath.Join(bin, "tandem"), append([]string{"-c", filepath.Join(d.dir, "config.toml")}, args...)...)
	var out, problem bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &problem
	err = c.Run()
	return out.String(), problem.String(), err
}

// device is what `tandem device list --json` says of one.
type device struct{ Type, Name, ID, Source, State, Why string }

func (d *daemon) devices(user string) (list []device) {
	d.t.Helper()
	out, problem, err := d.command("", "device", "list", user, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &list)
	}
	if err != nil {
		d.t.Fatalf("%v: %s%s", err, out, problem)
	}
	return list
}

// TestManyAddDevicesAtOnce: a hundred processes add a device each to one LDAP entry at the same time. What one of them
// says it has written is there, no device gets lost, and there are never more than are allowed.
func TestManyAddDevicesAtOnce(t *testing.T) {
	const processes = 100
	broken := `[{"type":"TOTP","name":"ours","_secret":"not base32!","epoch":1},{"type":"Strange","name":"theirs","epoch":2,"x":[1, 2]}]`
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice", broken)}})
	d := newDaemon(t, writing(slapd), nil)

	var mu sync.Mutex
	added, refused := map[string]bool{}, 0
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			name := fmt.Sprintf("token %d", i)
			secret := base32.StdEncoding.EncodeToString(fmt.Appendf(nil, "%020d", i)) + "\n"
			_, problem, err := d.command(secret, "device", "add", "alice", "--type", "hotp", "--name", name, "--secret-stdin", "--unconfirmed")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				added[name] = true
			case strings.Contains(problem, "too many devices"):
				refused++
			default:
				t.Errorf("%s: %s", name, problem)
			}
		})
	}
	all.Wait()
	if want := most - 2; len(added) != want || refused != processes-want {
		t.Errorf("%d were added and %d refused, want %d and %d", len(added), refused, want, processes-want)
	}
	unreadable := 0
	for _, l := range d.devices("alice") {
		if l.State == "unreadable" {
			unreadable++
			continue
		}
		if !added[l.Name] {
			t.Errorf("nobody said to have added %+v", l)
		}
		delete(added, l.Name)
	}
	if len(added) > 0 || unreadable != 2 {
		t.Errorf("lost: %v; %d entries of before are left", added, unreadable)
	}
	if audit := d.read("audit.jsonl"); strings.Count(audit, `"action":"device-add"`) < processes {
		t.Error("the audit does not have all of them")
	}
}

// TestUnreadableDevicesAreListedAndDeleted: what no login can use can be looked at and be got rid of.
func TestUnreadableDevicesAreListedAndDeleted(t *testing.T) {
	phone := newToken("alice")
	broken := `{"type":"TOTP","name":"broken","_secret":"not base32!","epoch":1523817955}`
	theirs := strings.TrimSuffix(totpJSON(phone), "]") + "," + broken + `,{"type":"U2F","name":"stick","epoch":"1523817956","_userKey":"x","_keyHandle":"y"}]`
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice", theirs)}})
	d := newDaemon(t, writing(slapd), nil)

	list := d.devices("alice")
	if len(list) != 3 || list[2].Name != "broken" || list[2].State != "unreadable" || list[2].Why == "" {
		t.Fatalf("%+v", list)
	}
	if out, problem, err := d.command("", "device", "delete", "alice", "broken", "--yes"); err != nil {
		t.Fatalf("%v: %s%s", err, out, problem)
	}
	if list := d.devices("alice"); len(list) != 2 || list[0].Name != "phone" || list[1].Type != "U2F" {
		t.Errorf("%+v", list)
	}
	if out, problem, err := d.command("", "device", "delete-type", "alice", "u2f", "--yes"); err != nil {
		t.Fatalf("%v: %s%s", err, out, problem)
	}
	steady(t, 5e9)
	if out, _, err := d.command(alicePassword+phone.totp(t, 0)+"\n", "try", "alice", "--policy", "append"); err != nil {
		t.Errorf("what is left does not let her in: %s", out)
	}
}

// TestReadOnlyAccountGetsLDIF: with an account that may not write, the command says so, and prints what somebody who may
// can apply as it is.
func TestReadOnlyAccountGetsLDIF(t *testing.T) {
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice", totpJSON(newToken("alice")))}})
	d := newDaemon(t, onLDAP(slapd.URL), nil)

	out, problem, err := d.command("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", "device", "add", "alice", "--type", "hotp", "--name", "token", "--secret-stdin", "--unconfirmed")
	if err == nil || !strings.Contains(problem, "ldapmodify") || !strings.Contains(problem, "[directory.ldap.write]") {
		t.Fatalf("%v: %s%s", err, out, problem)
	}
	if len(d.devices("alice")) != 1 {
		t.Fatal("something was written")
	}
	if !strings.Contains(d.read("audit.jsonl"), `"error":"`) {
		t.Error("the audit does not say that it failed")
	}
	slapd.ModifyLDIF(out)
	if list := d.devices("alice"); len(list) != 2 || list[1].Name != "token" || list[1].State != "ok" {
		t.Errorf("after ldapmodify: %+v", list)
	}
}

// TestImportThatFailsForOneUser: what was written and what was not is said, and the same command again writes the rest.
func TestImportThatFailsForOneUser(t *testing.T) {
	bob := fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: bob\ncn: bob\nsn: bob\n", slapdtest.UserDN("bob"))
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice"), person("carl")}, LDIF: bob})
	d := newDaemon(t, writing(slapd), map[string]string{
		"tokens.csv": "serial number,secret key,type\n" +
			"T-1,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,hotp\nT-2,ABCDEFGHIJKLMNOPQRSTUVWXYZ234567,hotp\nT-3,MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U,hotp\n",
		"who.csv": "T-1,alice\nT-2,bob\nT-3,carl\n",
	})
	tokens, who := filepath.Join(d.dir, "tokens.csv"), filepath.Join(d.dir, "who.csv")

	wantRows := func(out string, rows ...string) {
		t.Helper()
		for _, row := range rows {
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.Join(strings.Fields(line), " ") == row
			}
			if !found {
				t.Errorf("no line %q in:\n%s", row, out)
			}
		}
	}
	out, problem, err := d.command("", "import", "oath-csv", tokens, "--users", who)
	if err == nil || !strings.Contains(problem, "import for bob: ") || !strings.Contains(problem, "1 token not written; run it again") {
		t.Errorf("%v: %s", err, problem)
	}
	wantRows(out, "2 alice HOTP T-1 T-1 added", "3 bob HOTP T-2 T-2 NOT written", "4 carl HOTP T-3 T-3 added")

	slapd.ModifyLDIF("dn: " + slapdtest.UserDN("bob") + "\nchangetype: modify\nadd: objectClass\nobjectClass: tandemUser\n")
	out, problem, err = d.command("", "import", "oath-csv", tokens, "--users", who)
	if err != nil {
		t.Errorf("%v: %s", err, problem)
	}
	wantRows(out, "2 alice HOTP T-1 T-1 is there already", "3 bob HOTP T-2 T-2 added", "4 carl HOTP T-3 T-3 is there already")
	for _, user := range []string{"alice", "bob", "carl"} {
		if list := d.devices(user); len(list) != 1 {
			t.Errorf("%s has %+v", user, list)
		}
	}
}

package e2e

import (
	"encoding/base32"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"layeh.com/radius"

	"tandem/directory/otpauth"
	"tandem/internal/qr"
	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/hosttest"
	"tandem/test/slapdtest"
)

// newcomers is a users file of people without devices.
func newcomers(t testing.TB, names ...string) map[string]string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(alicePassword), bcrypt.MinCost) // the hash is not what is tested
	if err != nil {
		t.Fatal(err)
	}
	b := "# people who begin on Monday\n"
	for _, name := range names {
		b += fmt.Sprintf("[[users]]\nname = %q\npassword = %q\n", name, hash)
	}
	return map[string]string{"users.toml": b}
}

const enrolment = `
[[policies]]
name = "default"
enrol = %q
second_factor = %q
tries = 3
[devices]
issuer = "Example Corp"
label = "{user}@vpn"
`

// uriIn finds the otpauth:// URI of a text.
func uriIn(t testing.TB, text string) (uri string, key otpauth.Key) {
	t.Helper()
	uri = regexp.MustCompile(`otpauth://\S+`).FindString(text)
	key, err := otpauth.Parse(uri)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return uri, key
}

// keyIn finds the key that is written in groups of four.
func keyIn(t testing.TB, text string) string {
	t.Helper()
	key := regexp.MustCompile(`Key: ((?:[A-Z2-7]{4} ?)+)`).FindStringSubmatch(text)
	if key == nil {
		t.Fatalf("there is no key in %s", text)
	}
	return strings.ReplaceAll(key[1], " ", "")
}

// oathtool is the code of Debian's generator for a key in base32; when is a time, such as "now" or "+30 seconds".
func oathtool(t testing.TB, key, when string) string {
	t.Helper()
	c := exec.Command("oathtool", "--totp", "-b", "-N", when, "-")
	c.Stdin = strings.NewReader(key + "\n")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("oathtool (apt-get install oathtool): %v", err)
	}
	return strings.TrimSpace(string(out))
}

func TestEnrolmentOverRADIUS(t *testing.T) {
	d := newDaemon(t, onFile+fmt.Sprintf(enrolment, "require", "required"), newcomers(t, "alice", "bob"))
	steady(t, 15*time.Second)
	d.want(d.try("alice", "wrong"), radius.CodeAccessReject, "a wrong password")

	shown := d.try("alice", alicePassword)
	d.want(shown, radius.CodeAccessChallenge, "the right password")
	_, key := uriIn(t, shown.Message)
	secretKey := keyIn(t, shown.Message)
	if key.Issuer != "Example Corp" || key.Account != "alice@vpn" || base32Of(key) != secretKey || shown.Timeout != 2*time.Minute {
		t.Errorf("%q: %q, %q, key %v, %v", shown.Message, key.Issuer, key.Account, base32Of(key) == secretKey, shown.Timeout)
	}
	other := d.try("alice", alicePassword) // a second one at once
	shown = d.try("alice", "000000", shown.State...)
	d.want(shown, radius.CodeAccessChallenge, "a wrong code")
	code := oathtool(t, secretKey, "now")
	d.want(d.try("alice", code, shown.State...), radius.CodeAccessAccept, "the right code")
	if r := d.lastReason(); r != "ok-enrolled" {
		t.Errorf("reason %s", r)
	}
	d.want(d.try("alice", code, shown.State...), radius.CodeAccessReject, "the same answer once more")
	d.want(d.try("alice", oathtool(t, keyIn(t, other.Message), "now"), other.State...), radius.CodeAccessReject, "the second enrolment")
	d.want(d.try("alice", alicePassword+code), radius.CodeAccessReject, "the confirming code once more")
	if r := d.lastReason(); r != "replayed-code" {
		t.Errorf("reason %s", r)
	}
	d.want(d.try("alice", alicePassword+oathtool(t, secretKey, "now + 30 seconds")), radius.CodeAccessAccept, "the next code")
	d.want(d.try("bob", alicePassword), radius.CodeAccessChallenge, "another user")

	for what, where := range map[string]string{"audit": d.read("audit.jsonl"), "log": d.said(), "state": d.read("state.db")} {
		if strings.Contains(strings.ToUpper(where), secretKey) || strings.Contains(where, key.Device.Secret.Reveal()) {
			t.Errorf("the %s holds the key", what)
		}
	}
	if audit := d.read("audit.jsonl"); !strings.Contains(audit, `"enrolled":"phone","enrolled_type":"TOTP"`) {
		t.Errorf("audit:\n%s", audit)
	}
	users := d.read("users.toml")
	if strings.Count(users, "[[users.devices]]") != 1 || !strings.Contains(users, "# people who begin on Monday\n") {
		t.Errorf("users file:\n%s", users)
	}
}

func (d *daemon) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

func base32Of(k otpauth.Key) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(k.Device.Secret.Reveal()))
}

func TestEnrolmentOfferedAndDeclined(t *testing.T) {
	d := newDaemon(t, onFile+fmt.Sprintf(enrolment, "offer", "if-enrolled"), newcomers(t, "alice"))
	shown := d.try("alice", alicePassword)
	d.want(shown, radius.CodeAccessChallenge, "the right password")
	d.want(d.try("alice", "skip", shown.State...), radius.CodeAccessAccept, "the word")
	if r := d.lastReason(); r != "ok-password-only" {
		t.Errorf("reason %s", r)
	}
}

// TestEnrolmentIsAsPreviewed: `tandem policy test` says so, and shows no key.
func TestEnrolmentIsAsPreviewed(t *testing.T) {
	d := newDaemon(t, onFile+fmt.Sprintf(enrolment, "require", "required"), newcomers(t, "alice"))
	out, status := d.tandem("", "policy", "test", "alice")
	if status != 0 || !strings.Contains(out, "enrol") || strings.Contains(out, "otpauth://") || !strings.Contains(out, "ok-enrolled") {
		t.Errorf("exit status %d\n%s", status, out)
	}
	out, _ = d.tandem(alicePassword+"\n000000\n", "try", "--explain", "alice")
	if strings.Contains(out, "otpauth://") || strings.Contains(out, "Key: ") {
		t.Errorf("tandem try shows the key:\n%s", out)
	}
}

func TestEnrolmentWhereNothingCanBeWritten(t *testing.T) {
	d := newDaemon(t, onFile+fmt.Sprintf(enrolment, "require", "required"), newcomers(t, "alice"))
	shown := d.try("alice", alicePassword)
	d.want(shown, radius.CodeAccessChallenge, "the right password")
	// What cannot be read cannot be changed; the daemon goes on with the users that it has read.
	d.write("users.toml", "this is no users file any more [")
	d.want(d.try("alice", oathtool(t, keyIn(t, shown.Message), "now"), shown.State...), radius.CodeAccessReject, "the right code")
	if r := d.lastReason(); r != "registry-unavailable" {
		t.Errorf("reason %s", r)
	}
}

// TestEnrolmentInLDAP: a device that a user enrolled on the VPN is an entry that LemonLDAP::NG can read, too.
func TestEnrolmentInLDAP(t *testing.T) {
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice"), person("bob", totpJSON(newToken("bob")))}})
	config := strings.ReplaceAll(onLDAP(slapd.URL), "mode = \"auto\"\n", "mode = \"auto\"\nenrol = \"require\"\n")
	d := newDaemon(t, config+fmt.Sprintf("[directory.ldap.write]\nbind_dn = %q\nbind_password = %q\n", slapdtest.AdminDN, slapdtest.AdminPassword), nil)
	ask := func(user, typed string, state ...byte) *radiusclient.Reply {
		return d.exchangeFrom(from["auto"], 8*time.Second, radiusclient.Request{User: user, Password: secret.New(typed), State: state})
	}
	steady(t, 15*time.Second)
	one, two := ask("alice", alicePassword), ask("alice", alicePassword)
	d.want(one, radius.CodeAccessChallenge, "the right password")
	key := keyIn(t, one.Message)
	code := oathtool(t, key, "now")
	d.want(ask("alice", code, one.State...), radius.CodeAccessAccept, "the right code")
	d.want(ask("alice", oathtool(t, keyIn(t, two.Message), "now"), two.State...), radius.CodeAccessReject, "the second enrolment")
	d.want(ask("alice", alicePassword+code), radius.CodeAccessReject, "the confirming code once more")
	d.want(ask("alice", alicePassword+oathtool(t, key, "now + 30 seconds")), radius.CodeAccessAccept, "the next code")
	bob := ask("bob", alicePassword)
	d.want(bob, radius.CodeAccessChallenge, "who has a device")
	if bob.Message != "Code: " {
		t.Errorf("bob is asked %q", bob.Message)
	}
}

// TestSSHEnrolment: the QR code stands in the prompt of a real sshd, and Debian's generator answers.
func TestSSHEnrolment(t *testing.T) {
	h := newSSHHost(t, fmt.Sprintf(enrolment, "require", "required"), "timeout=180", withModule)
	h.d.stop()
	h.d.write("users.toml", newcomers(t, "alice")["users.toml"])
	h.d.start()
	steady(t, 20*time.Second)

	// What the prompt shows goes into a file, out of which the answer is made when it is asked for.
	shown := filepath.Join(h.Dir(), "shown")
	program := filepath.Join(h.Dir(), "phone")
	script := "#!/bin/sh\nkey=$(sed -n 's/^Key: //p' " + shown + " | tr -d ' ')\nprintf '%s\\n' \"$key\" | oathtool --totp -b -\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	out, prompts, err := h.SSH(h.port, "alice", hosttest.Answers{"Password: ": alicePassword, "Code: ": hosttest.AnswerBy(program, shown)})
	if err != nil || out != "in as alice\n" {
		t.Fatalf("%q, prompts %q, %v\nsshd: %s\ntandemd: %s", out, prompts, err, h.Log(), h.d.said())
	}
	prompt, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	key := keyIn(t, string(prompt))
	k := otpauth.Key{Issuer: "Example Corp", Account: "alice@vpn"}
	k.Device.Type, k.Device.Secret = "TOTP", secret.New(decoded(t, key))
	code, err := qr.Plain(k.URI())
	if err != nil || !strings.Contains(string(prompt), "\n"+code+"Key: ") {
		t.Errorf("the prompt is\n%s\nand the QR code of %d octets is not in it (%v)", prompt, len(code), err)
	}
	h.wantOut("the confirming code once more", "replayed-code", both(alicePassword, oathtool(t, key, "now")))
	h.d.want(h.d.try("alice", alicePassword+oathtool(t, key, "now")), radius.CodeAccessReject, "the confirming code over RADIUS")
	h.d.want(h.d.try("alice", alicePassword+oathtool(t, key, "now + 30 seconds")), radius.CodeAccessAccept, "the next code over RADIUS")
	if strings.Contains(h.Log(), key) || strings.Contains(h.d.said(), key) {
		t.Error("a log holds the key")
	}
}

func decoded(t testing.TB, key string) string {
	t.Helper()
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExpiredDeviceOverBothDoors: its owner is told, and if-enrolled does not let them in.
func TestExpiredDeviceOverBothDoors(t *testing.T) {
	h := newSSHHost(t, "[[policies]]\nname = \"default\"\nsecond_factor = \"if-enrolled\"\nenrol = \"offer\"\n[devices.ttl]\ntotp = \"24h\"\n", "", withModule)
	steady(t, 10*time.Second) // the device says no epoch, and so has expired
	const told = "Your device phone expired."
	for _, typed := range []string{alicePassword, alicePassword + h.key.totp(t, 0)} {
		reply := h.d.try("alice", typed)
		h.d.want(reply, radius.CodeAccessReject, typed)
		if reply.Message != told || h.d.lastReason() != "device-expired" {
			t.Errorf("%q, reason %s", reply.Message, h.d.lastReason())
		}
	}
	if reply := h.d.try("alice", "wrong"); reply.Message == told {
		t.Error("told after a wrong password")
	}
	h.wantOut("over ssh", "device-expired", both(alicePassword, h.key.totp(t, 0)))
}

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/slapdtest"
)

const alicePassword = "correct horse"

// onLDAP configures clients for every mode, told apart by the address they ask from.
func onLDAP(urls ...string) string {
	var b strings.Builder
	for i, mode := range []string{"append", "challenge", "code-only", "auto"} {
		fmt.Fprintf(&b, "[[radius.clients]]\nname = %q\nnetworks = [\"127.0.0.%d\"]\nsecret = %q\npolicy = %q\n", "vpn-"+mode, i+1, sharedSecret, mode)
	}
	for _, mode := range []string{"append", "challenge", "code-only", "auto"} {
		fmt.Fprintf(&b, "[[policies]]\nname = %q\nmode = %q\n", mode, mode)
	}
	quoted := make([]string, 0, len(urls))
	for _, u := range urls {
		quoted = append(quoted, fmt.Sprintf("%q", u))
	}
	fmt.Fprintf(&b, `[directory]
type = "ldap"
[directory.ldap]
urls = [%s]
bind_dn = %q
bind_password = %q
base = %q
operation_timeout = "1s"
connect_timeout = "1s"
retry_down = "1s"
`, strings.Join(quoted, ", "), slapdtest.ServiceDN, slapdtest.ServicePassword, slapdtest.PeopleBase)
	return b.String()
}

// from is where the client of a mode asks from.
var from = map[string]string{"append": "127.0.0.1", "challenge": "127.0.0.2", "code-only": "127.0.0.3", "auto": "127.0.0.4"}

func totpJSON(k *token) string {
	return fmt.Sprintf(`[{"type":"TOTP","name":"phone","_secret":%q,"epoch":"1523817955"}]`, k.base32())
}

func hotpJSON(k *token) string {
	return fmt.Sprintf(`[{"type":"HOTP","name":"token","_secret":%q,"epoch":1523817955,"counter":%d}]`, k.base32(), k.counter)
}

func person(name string, devices ...string) slapdtest.User {
	return slapdtest.User{Name: name, Password: alicePassword, Devices: devices}
}

func TestEveryModeAgainstLDAP(t *testing.T) {
	phones := map[string]*token{}
	var users []slapdtest.User
	for mode := range from {
		phones[mode] = newToken(mode)
		users = append(users, person("user-"+mode, totpJSON(phones[mode])))
	}
	slapd := slapdtest.Start(t, slapdtest.Options{Users: users})
	d := newDaemon(t, onLDAP(slapd.URL), nil)
	steady(t, 10*time.Second)

	for mode, addr := range from {
		t.Run(mode, func(t *testing.T) {
			phone, user := phones[mode], "user-"+mode
			dn := slapdtest.UserDN(user)
			ask := func(typed string, state []byte) *radiusclient.Reply {
				return d.exchangeFrom(addr, 8*time.Second, radiusclient.Request{User: user, Password: secret.New(typed), State: state})
			}
			// log in with this code, in the way of the mode
			enter := func(password, code string) *radiusclient.Reply {
				switch mode {
				case "code-only":
					return ask(code, nil)
				case "challenge":
					first := ask(password, nil)
					if first == nil || first.Code != radius.CodeAccessChallenge {
						return first
					}
					return ask(code, first.State)
				}
				return ask(password+code, nil)
			}
			code := phone.totp(t, 0)
			if mode != "code-only" {
				d.want(enter("wrong", code), radius.CodeAccessReject, "wrong password")
			}
			binds := slapd.Binds(dn)
			d.want(enter(alicePassword, phone.wrong(t)), radius.CodeAccessReject, "wrong code")
			switch extra := slapd.Binds(dn) - binds; {
			case mode == "append" && extra != 0, mode == "code-only" && extra != 0:
				t.Errorf("a wrong code cost %d binds", extra)
			case extra > 1:
				t.Errorf("a wrong code cost %d binds", extra)
			}
			d.want(enter(alicePassword, code), radius.CodeAccessAccept, "right code after a wrong password")
			d.want(enter(alicePassword, code), radius.CodeAccessReject, "replayed code")
			if r := d.lastReason(); r != "replayed-code" {
				t.Errorf("reason %s", r)
			}
			d.want(enter(alicePassword, phone.totp(t, 1)), radius.CodeAccessAccept, "the next code")
		})
	}

	t.Run("auto also challenges", func(t *testing.T) {
		first := d.exchangeFrom(from["auto"], 8*time.Second, radiusclient.Request{User: "user-auto", Password: secret.New(alicePassword)})
		d.want(first, radius.CodeAccessChallenge, "password alone")
		if first.Message != "Code: " || first.Timeout != 2*time.Minute || len(first.State) < 16 {
			t.Errorf("challenge: %q, %v, state of %d octets", first.Message, first.Timeout, len(first.State))
		}
	})
	t.Run("a code used in one mode is used in all", func(t *testing.T) {
		used := phones["append"].totp(t, 1)
		d.want(d.exchangeFrom(from["code-only"], 8*time.Second, radiusclient.Request{User: "user-append", Password: secret.New(used)}), radius.CodeAccessReject, "code of another mode")
		if r := d.lastReason(); r != "replayed-code" {
			t.Errorf("reason %s", r)
		}
	})
}

func TestHOTPCounterSurvivesARestart(t *testing.T) {
	key := newToken("alice")
	slapd := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{person("alice", hotpJSON(key))}})
	d := newDaemon(t, onLDAP(slapd.URL), nil)

	first := key.press(t)
	d.want(d.try("alice", alicePassword+first), radius.CodeAccessAccept, "first code")
	key.counter += 4 // pressed in the pocket
	fifth := key.press(t)
	d.want(d.try("alice", alicePassword+fifth), radius.CodeAccessAccept, "code within the look-ahead window")

	for name, restart := range map[string]func(){"SIGTERM": d.stop, "kill -9": d.kill} {
		restart()
		d.start()
		d.want(d.try("alice", alicePassword+fifth), radius.CodeAccessReject, "used code after "+name)
		d.want(d.try("alice", alicePassword+first), radius.CodeAccessReject, "old code after "+name)
		next := key.press(t)
		d.want(d.try("alice", alicePassword+next), radius.CodeAccessAccept, "next code after "+name)
	}

	key.counter += 50
	d.want(d.try("alice", alicePassword+key.press(t)), radius.CodeAccessReject, "far ahead")
	if r := d.lastReason(); r != "resync-started" {
		t.Errorf("reason %s", r)
	}
	d.want(d.try("alice", alicePassword+key.press(t)), radius.CodeAccessAccept, "second code in a row")
}

func TestFailoverAndRecovery(t *testing.T) {
	key := newToken("alice")
	users := slapdtest.Options{Users: []slapdtest.User{person("alice", hotpJSON(key))}}
	// Two servers that hold the same entry: the same entryUUID, as replicas have.
	users.Users[0].LDIF = "entryUUID: 6fd9a7a0-0000-4000-8000-000000000001"
	first, second := slapdtest.Start(t, users), slapdtest.Start(t, users)
	d := newDaemon(t, onLDAP(first.URL, second.URL), nil)

	d.want(d.try("alice", alicePassword+key.press(t)), radius.CodeAccessAccept, "both up")
	if first.Binds(slapdtest.UserDN("alice")) != 1 {
		t.Error("the first server was not asked first")
	}
	first.Stop()
	d.want(d.try("alice", alicePassword+key.press(t)), radius.CodeAccessAccept, "first stopped")
	if second.Binds(slapdtest.UserDN("alice")) != 1 {
		t.Error("the second server did not take over")
	}
	first.Start()
	d.waitFor("the first server to be asked again", func() bool {
		d.want(d.try("alice", alicePassword+key.press(t)), radius.CodeAccessAccept, "first back")
		return first.Binds(slapdtest.UserDN("alice")) > 1
	})
	second.Stop()
	first.Pause()
	used := key.press(t)
	if reply := d.exchangeFrom("127.0.0.1", 4*time.Second, radiusclient.Request{User: "alice", Password: secret.New(alicePassword + used)}); reply != nil {
		t.Errorf("nobody can decide, and the answer is %v instead of silence", reply.Code)
	}
	first.Resume()
	d.waitFor("the server to be believed again", func() bool {
		reply := d.try("alice", alicePassword+used) // what nobody decided burnt no code
		return reply != nil && reply.Code == radius.CodeAccessAccept
	})
}

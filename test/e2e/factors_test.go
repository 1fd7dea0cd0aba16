package e2e

import (
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/crypto/bcrypt"
	"layeh.com/radius"

	"tandem/test/hosttest"
)

// post brings codes to people: each factor leaves the code that it sent last in a file of its name.
type post struct {
	t   testing.TB
	dir string
}

func (p post) file(factor string) string { return filepath.Join(p.dir, factor) }

func (p post) deliver(factor, code string) {
	if err := os.WriteFile(p.file(factor), []byte(code+"\n"), 0o600); err != nil {
		p.t.Error(err)
	}
}

func (p post) read(factor string) string {
	p.t.Helper()
	b, err := os.ReadFile(p.file(factor))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// script writes a program of that name.
func (p post) script(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name+".sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nset -eu\n"+text), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// mailServer is an SMTP server that reads the code out of each mail.
func (p post) mailServer() string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailbox{p}, nil }))
	s.Domain = "localhost"
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	p.t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

type mailbox struct{ post }

func (mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (mailbox) Reset()                               {}
func (mailbox) Logout() error                        { return nil }

func (mailbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to != "alice@example.org" {
		return fmt.Errorf("a mail to %s", to)
	}
	return nil
}

func (m mailbox) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if code := regexp.MustCompile(`\b\d{6}\b is your code`).Find(b); code != nil {
		m.deliver("mail", string(code[:6]))
	}
	return err
}

// webService makes codes of its own at /init, takes others' at /send, and checks its own at /verify.
func (p post) webService() string {
	var made atomic.Int64
	made.Store(650000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ User, Code string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.User != "alice" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		yes := true
		switch r.URL.Path {
		case "/init":
			p.deliver("web", fmt.Sprint(made.Add(1)))
		case "/send":
			p.deliver("sms", asked.Code)
		case "/verify":
			b, _ := os.ReadFile(p.file("web"))
			yes = asked.Code != "" && asked.Code == strings.TrimSpace(string(b))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]bool{"result": yes})
	}))
	p.t.Cleanup(s.Close)
	return s.URL
}

// yubikey is a key whose AES secret Tandem knows.
type yubikey struct {
	public, private, aes string
	uses                 int
}

// press types a code: Yubico's OTP format, AES-128 of private id, counters, and a CRC-16 (ISO 13239).
func (k *yubikey) press(t *testing.T) string {
	t.Helper()
	k.uses++
	private, err1 := hex.DecodeString(k.private)
	key, err2 := hex.DecodeString(k.aes)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	block := make([]byte, 16)
	copy(block, private)
	binary.LittleEndian.PutUint16(block[6:], uint16(k.uses)) // plugged in once more for each code
	block[11] = 1
	crc := uint16(0xffff)
	for _, b := range block[:14] {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low == 1 {
				crc ^= 0x8408
			}
		}
	}
	binary.LittleEndian.PutUint16(block[14:], ^crc)
	cipher, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.Encrypt(block, block)
	return k.public + strings.Map(func(r rune) rune {
		return rune("cbdefghijklnrtuv"[strings.IndexRune("0123456789abcdef", r)])
	}, hex.EncodeToString(block))
}

// office is a host on which alice has every second factor there is.
type office struct {
	*sshHost
	post
	yubikey  *yubikey
	recovery []string
}

func newOffice(t *testing.T, extra string) *office {
	t.Helper()
	o := &office{
		sshHost: &sshHost{Host: hosttest.New(t), key: newToken("alice")},
		post:    post{t, t.TempDir()},
		yubikey: &yubikey{public: "vvcccccccccc", private: "8792ebfe26cc", aes: "ecde18dbe76fbd0c33330f1c354871db"},
	}
	h := o.sshHost
	h.AddUser("alice", "unix password")
	h.so = buildModule(t, h.Dir())
	socket := filepath.Join(h.Dir(), "pam.sock")
	web := o.webService()
	config := fmt.Sprintf(`%s
[pam]
socket = %q
[throttle]
send_burst = 1000
[factor.yubico]
[[factor.mail]]
servers = [%q]
tls = "none"
from = "tandem@example.org"
[[factor.external]]
name = "pager"
label = "pager"
code = '\d{6}'
send = %q
code_on_stdin = true
target = "$phone"
[[factor.external]]
name = "service"
send = [%q, "$uid"]
validate = [%q, "--", "$uid"]
code_on_stdin = true
digits = 6
[[factor.rest]]
name = "web"
init_url = "%s/init"
verify_url = "%s/verify"
digits = 6
[[factor.rest]]
name = "sms"
init_url = "%s/send"
init_arguments = { to = "$phone" }
code = 6
target = "$phone"
%s`, onFile, socket, o.mailServer(),
		o.script("pager", `read -r code; printf '%s\n' "$code" >`+o.file("pager")+"\n"),
		o.script("service-send", `[ "$1" = alice ]; echo "48$(od -An -N2 -tu2 /dev/urandom | tr -d ' ' | tail -c 4 | xargs printf '%04d')" >`+o.file("service")+"\n"),
		o.script("service-validate", `read -r code; [ "$code" = "$(cat `+o.file("service")+`)" ]`+"\n"),
		web, web, web, extra)
	hash, err := bcrypt.GenerateFromPassword([]byte(alicePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := fmt.Sprintf(`[[users]]
name = "alice"
password = %q
mail = "alice@example.org"
phone = "+49 170 1234512"
[[users.devices]]
type = "TOTP"
name = "phone"
secret = %q
[[users.devices]]
type = "UBK"
name = "key ring"
public_id = %q
private_id = %q
aes_key = %q
`, hash, o.key.base32(), o.yubikey.public, o.yubikey.private, o.yubikey.aes)
	h.d = newDaemon(t, config, map[string]string{"users.toml": users})
	h.WritePAM("sshd", fmt.Sprintf("auth required %s socket=%s\naccount required pam_unix.so\nsession required pam_permit.so\n", h.so, socket))
	h.port = h.StartSSHD(withModule)
	out, status := h.d.tandem("", "recovery", "alice")
	if status != 0 {
		t.Fatal(out)
	}
	for l := range strings.Lines(out) {
		if l = strings.TrimSpace(l); strings.Count(l, "-") == 3 && !strings.Contains(l, " ") {
			o.recovery = append(o.recovery, l)
		}
	}
	if len(o.recovery) != 10 {
		t.Fatalf("%d recovery codes in:\n%s", len(o.recovery), out)
	}
	return o
}

// TestEverySecondFactor: each over a RADIUS challenge, appended over RADIUS, and by ssh; and each code once.
func TestEverySecondFactor(t *testing.T) {
	o := newOffice(t, "")
	d := o.d
	paper := 0
	for _, f := range []struct {
		name string
		// prompt is what the user reads after "password,name"; next gets the code.
		prompt string
		next   func() string
	}{
		{"mail", "Code sent by mail a…@e…. Code: ", func() string { return o.read("mail") }},
		{"pager", "Code sent by pager …12. Code: ", func() string { return o.read("pager") }},
		{"service", "Code sent by service. Code: ", func() string { return o.read("service") }},
		{"web", "Code sent by web. Code: ", func() string { return o.read("web") }},
		{"sms", "Code sent by sms …12. Code: ", func() string { return o.read("sms") }},
		{"yubico", "Code: ", func() string { return o.yubikey.press(t) }},
		{"recovery", "Code: ", func() string { paper++; return o.recovery[paper-1] }},
	} {
		t.Run(f.name, func(t *testing.T) {
			sent := strings.HasPrefix(f.prompt, "Code sent")
			first := alicePassword
			if sent {
				first += "," + f.name
			}
			challenge := d.try("alice", first)
			d.want(challenge, radius.CodeAccessChallenge, "the password")
			if challenge.Message != f.prompt {
				t.Errorf("the prompt is %q, want %q", challenge.Message, f.prompt)
			}
			code := f.next()
			d.want(d.try("alice", code, challenge.State...), radius.CodeAccessAccept, "the code")
			d.want(d.try("alice", alicePassword+code), radius.CodeAccessReject, "the code once more, appended")

			if sent {
				d.want(d.try("alice", first), radius.CodeAccessChallenge, "the password, for a NAS that knows no challenges")
			}
			code = f.next()
			d.want(d.try("alice", alicePassword+code), radius.CodeAccessAccept, "the code appended")
			if got := d.audit(); !slices.Contains(got[len(got)-1].Factors, f.name) {
				t.Errorf("the audit says that %q were asked", got[len(got)-1].Factors)
			}
			again := d.try("alice", alicePassword)
			d.want(again, radius.CodeAccessChallenge, "the password alone")
			d.want(d.try("alice", code, again.State...), radius.CodeAccessReject, "the appended code once more")

			answers := hosttest.Answers{"Password: ": first, "Code: ": hosttest.AnswerFrom(o.file(f.name))}
			if !sent {
				answers["Code: "] = f.next()
			}
			o.wantIn(f.name+" by ssh", answers)
			if !sent {
				code = answers["Code: "]
			} else {
				code = f.next()
			}
			d.want(d.try("alice", alicePassword+code), radius.CodeAccessReject, "the code that ssh has used")
			o.unlock()
		})
	}
}

// unlock forgives alice's wrong codes of this test.
func (o *office) unlock() {
	o.d.t.Helper()
	if out, status := o.d.tandem("", "unlock", "alice"); status != 0 {
		o.d.t.Fatal(out)
	}
}

// TestMenuOverRADIUSAndSSH: the numbered list, in both.
func TestMenuOverRADIUSAndSSH(t *testing.T) {
	o := newOffice(t, "[[policies]]\nname = \"default\"\nchoose = \"ask\"\nfactors = [\"totp\", \"pager\", \"mail\", \"recovery\"]\nfallback = [\"mail\"]\n")
	const menu = "Choose a number: 1 authenticator app  2 pager …12  3 mail a…@e…: "
	list := o.d.try("alice", alicePassword)
	o.d.want(list, radius.CodeAccessChallenge, "the password")
	if list.Message != menu {
		t.Errorf("the menu is %q", list.Message)
	}
	question := o.d.try("alice", "2", list.State...)
	o.d.want(question, radius.CodeAccessChallenge, "the choice")
	o.d.want(o.d.try("alice", o.read("pager"), question.State...), radius.CodeAccessAccept, "the code")

	prompts := o.wantIn("a choice by ssh", hosttest.Answers{
		"Password: ": alicePassword, menu: "3", "mail a…@e…. Code: ": hosttest.AnswerFrom(o.file("mail")),
	})
	if len(prompts) != 3 {
		t.Errorf("prompts %q", prompts)
	}

	// The pager breaks: a mail comes instead, and the prompt says so.
	if err := os.WriteFile(filepath.Join(o.dir, "pager.sh"), []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	list = o.d.try("alice", alicePassword)
	question = o.d.try("alice", "pager", list.State...)
	o.d.want(question, radius.CodeAccessChallenge, "the choice of a pager that is broken")
	if want := "pager did not work. Code sent by mail a…@e…. Code: "; question.Message != want {
		t.Errorf("the prompt is %q, want %q", question.Message, want)
	}
	o.d.want(o.d.try("alice", o.read("mail"), question.State...), radius.CodeAccessAccept, "the code by mail")
}

// TestHangingProviderBlocksNobody: forty logins wait for a command that hangs; those that do not need it go on.
func TestHangingProviderBlocksNobody(t *testing.T) {
	hang := post{t, t.TempDir()}.script("hang", "sleep 60\n")
	tokens := map[string]*token{"alice": newToken("alice")}
	for i := range 40 {
		name := fmt.Sprintf("waiter%d", i)
		tokens[name] = newToken(name)
	}
	d := newDaemon(t, onFile+fmt.Sprintf("[[factor.external]]\nname = \"pager\"\ncode = '\\d{6}'\nsend = %q\ncode_on_stdin = true\n", hang), usersFile(t, tokens))
	steady(t, 15*time.Second)
	var waiting sync.WaitGroup
	for i := range 40 {
		waiting.Go(func() {
			for range 3 {
				d.try(fmt.Sprintf("waiter%d", i), alicePassword+",pager")
			}
		})
	}
	time.Sleep(500 * time.Millisecond) // they wait
	began := time.Now()
	d.want(d.try("alice", alicePassword+tokens["alice"].totp(t, 0)), radius.CodeAccessAccept, "a login with an app")
	if took := time.Since(began); took > 2*time.Second { // the command's time is 4 s; the bound is for slow machines
		t.Errorf("it took %s", took)
	}
	waiting.Wait()
}

// Command demo shows Tandem at work on this machine: it starts the real tandemd on loopback with a users
// file, sends it RADIUS logins as a VPN would, and says what happened. It leaves nothing behind.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"layeh.com/radius"

	"tandem/directory"
	"tandem/directory/password"
	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/test/freeport"
	"tandem/verify/oath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// person is a user of the demo.
type person struct {
	name, password string
	key            []byte
}

func newPerson(name, password string) (*person, error) {
	p := &person{name: name, password: password, key: make([]byte, 20)}
	_, err := rand.Read(p.key)
	return p, err
}

// code is what the person's phone shows now.
func (p *person) code() (string, error) {
	d := directory.Device{Secret: secret.New(string(p.key))}
	return oath.Settings{Digits: 6, Algorithm: "SHA1"}.Code(d, uint64(time.Now().Unix()/30))
}

// users is the users file's part about the person.
func (p *person) users() (string, error) {
	hash, err := password.Hash(p.password, password.Default, rand.Reader)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("[[users]]\nname = %q\npassword = %q\n\n[[users.devices]]\ntype = \"TOTP\"\nname = \"phone\"\nsecret = %q\n\n",
		p.name, hash, strings.ToLower(base32.StdEncoding.EncodeToString(p.key))), nil
}

// stage is the folder and the running daemon.
type stage struct {
	dir    string
	server radiusclient.Config
	daemon *exec.Cmd
	log    bytes.Buffer
}

func run() (err error) {
	alice, err := newPerson("alice", "correct horse")
	if err != nil {
		return err
	}
	bob, err := newPerson("bob", "battery staple")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tandem-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stage{dir: dir}

	fmt.Println("Tandem demo: a VPN asks tandemd over RADIUS; users and their devices stand in a file.")
	fmt.Println()
	if err := s.start(alice, bob); err != nil {
		return err
	}
	defer s.stop()

	if err := s.play(alice, bob); err != nil {
		return fmt.Errorf("%w\ntandemd said:\n%s", err, s.log.String())
	}
	if err := s.showAudit(); err != nil {
		return err
	}
	fmt.Println("\nThat was it: every process is stopped, and the files are gone. Next: the README, \"Your own LDAP\".")
	return nil
}

// start writes the files, starts bin/tandemd, and waits until it serves.
func (s *stage) start(people ...*person) error {
	port, err := freeport.Address()
	if err != nil {
		return err
	}
	s.server = radiusclient.Config{Addr: port, Secret: secret.New("a-long-shared-secret"), Retries: 1}
	var users strings.Builder
	for _, p := range people {
		text, err := p.users()
		if err != nil {
			return err
		}
		users.WriteString(text)
	}
	cfg := fmt.Sprintf(`[audit]
file = "audit.jsonl"
[store]
file = "state.db"
[metrics]
listen = ""
[admin]
socket = "admin.sock"
[radius]
listen = [%q]
[[radius.clients]]
name = "demo-vpn"
networks = ["127.0.0.1"]
secret = %q
[directory]
type = "file"
[directory.file]
path = "users.toml"
`, port, s.server.Secret.Reveal())
	for name, text := range map[string]string{"users.toml": users.String(), "config.toml": cfg} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.daemon = exec.Command("bin/tandemd", "--config", filepath.Join(s.dir, "config.toml"))
	s.daemon.Stderr = &s.log
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.daemon.Start(); err != nil {
		return fmt.Errorf("start bin/tandemd: %w (run `make build`)", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		_, err := radiusclient.Status(ctx, radiusclient.Config{Addr: port, Secret: s.server.Secret, Timeout: 100 * time.Millisecond})
		if err == nil {
			fmt.Printf("tandemd serves RADIUS on %s (process %d).\n\n", port, s.daemon.Process.Pid)
			return nil
		}
		if ctx.Err() != nil {
			s.stop()
			return fmt.Errorf("tandemd does not answer: %w\nIt said:\n%s", err, s.log.String())
		}
	}
}

func (s *stage) stop() {
	_ = s.daemon.Process.Signal(syscall.SIGTERM)
	_ = s.daemon.Wait()
}

// play sends the logins.
func (s *stage) play(alice, bob *person) error {
	waitForFreshCode()
	code, err := alice.code()
	if err != nil {
		return err
	}
	wrong := fmt.Sprintf("%06d", (atoi(code)+1)%1_000_000)

	steps := []struct {
		says  string
		typed string
		want  radius.Code
		why   string
	}{
		{"alice types her password with the code of her phone after it", alice.password + code, radius.CodeAccessAccept, "both are right, and the code is written down as used before the answer leaves"},
		{"somebody who saw that sends the very same again", alice.password + code, radius.CodeAccessReject, "a code is accepted once, for ever; the answer comes after a second, so that its timing tells nothing"},
		{"a right password with a wrong code", alice.password + wrong, radius.CodeAccessReject, "the same answer after the same second: nobody learns which half was wrong"},
	}
	for i, step := range steps {
		reply, err := s.login(i+1, alice, step.says, step.typed, nil)
		if err != nil {
			return err
		}
		if reply.Code != step.want {
			return fmt.Errorf("that was to be %v", step.want)
		}
		fmt.Printf("     because: %s.\n\n", step.why)
	}
	return s.playChallenge(bob)
}

func (s *stage) playChallenge(bob *person) error {
	reply, err := s.login(4, bob, "bob types his password alone", bob.password, nil)
	if err != nil {
		return err
	}
	if reply.Code != radius.CodeAccessChallenge {
		return fmt.Errorf("that was to be %v", radius.CodeAccessChallenge)
	}
	fmt.Printf("     because: the password is right; the VPN shows bob the prompt %q.\n\n", reply.Message)
	code, err := bob.code()
	if err != nil {
		return err
	}
	reply, err = s.login(5, bob, "bob answers with the code of his phone", code, reply.State)
	if err != nil {
		return err
	}
	if reply.Code != radius.CodeAccessAccept {
		return fmt.Errorf("that was to be %v", radius.CodeAccessAccept)
	}
	fmt.Print("     because: password and code are right.\n\n")
	return nil
}

func (s *stage) login(n int, p *person, says, typed string, state []byte) (*radiusclient.Reply, error) {
	fmt.Printf("  %d. %s.\n", n, strings.ToUpper(says[:1])+says[1:])
	began := time.Now()
	reply, err := radiusclient.Exchange(context.Background(), s.server, radiusclient.Request{
		User: p.name, Password: secret.New(typed), State: state, NASIdentifier: "demo", CallingStation: "198.51.100.7",
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("     answer: %v after %v\n", reply.Code, time.Since(began).Round(time.Millisecond))
	return reply, nil
}

// waitForFreshCode makes sure that a code is not about to change while it is used.
func waitForFreshCode() {
	if left := 30 - time.Now().Unix()%30; left < 5 {
		fmt.Printf("  (waiting %d s for the next code)\n", left)
		time.Sleep(time.Duration(left) * time.Second)
	}
}

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// showAudit prints what the daemon wrote down.
func (s *stage) showAudit() error {
	f, err := os.Open(filepath.Join(s.dir, "audit.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fmt.Println("What the audit says (the true reasons, which nobody learns from outside):")
	fmt.Println()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r struct{ User, Step, Outcome, Reason string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		fmt.Printf("     %-6s %-7s %-10s %s\n", r.User, r.Step, r.Outcome, r.Reason)
	}
	return lines.Err()
}

package peer

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"tandem/test/bench/people"
	"tandem/test/bench/proc"
)

// Tandem says how a tandemd is set up; everything else is as by default.
type Tandem struct {
	// Users is how many stand in its users file; 0: they are in Directory, which URL names.
	Users     int
	Directory *Directory
	URL       string
	// EntryCache: entries that names have led to are used again for a minute.
	EntryCache bool
	// Costly: passwords in the users file have hashes as `tandem passwd` makes them. Otherwise argon2id of the least
	// cost there is, because FreeRADIUS's file has the passwords themselves, and a users file of Tandem's cannot.
	Costly bool
	// Memory: the state file is on a file system in memory (/dev/shm). Everything is done as ever, and syncing costs
	// nothing.
	Memory bool
	// Etcd: state is kept there and not in a file.
	Etcd *Etcd
	// Challenge: the policy asks for the code in a second round trip.
	Challenge bool
	// CodeOnly: the policy asks for no password, as behind a NAS that has checked it.
	CodeOnly bool
	// Policies is how many there are, with rules; the last one holds.
	Policies int
	// Slow: every 50th user's code is checked by an external command that takes its time.
	Slow bool
}

// Build compiles tandemd from this tree, as it is released, unless there is a program already.
func (p *Place) Build() error {
	if p.Tandemd != "" {
		return nil
	}
	p.Tandemd = filepath.Join(p.Dir, "tandemd")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", p.Tandemd, "tandem/cmd/tandemd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build tandemd: %w\n%s", err, out)
	}
	return nil
}

// Tandem starts a tandemd that Build has made.
func (p Place) Tandem(t Tandem) (*Server, error) {
	dir, err := p.folder("tandem")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state.db")
	if t.Memory {
		if state, err = os.MkdirTemp(p.Memory, "state-"); err != nil { // a new one: a witness watches the old
			return nil, err
		}
		state = filepath.Join(state, "state.db")
	}
	var config strings.Builder
	fmt.Fprintf(&config, `[log]
level = "warn" # FreeRADIUS does not log logins here either; the audit is written
[audit]
file = "audit.jsonl"
[metrics]
listen = ""
[admin]
socket = "admin.sock"
[radius]
listen = [%q]
[[radius.clients]]
name = "bench"
networks = ["127.0.0.1"]
secret = %q
`, addr, Secret)
	t.store(&config, state)
	if err := p.directory(&config, t); err != nil {
		return nil, err
	}
	t.policies(&config)
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		return nil, err
	}
	process, err := proc.Start(p.ServerCore, p.Tandemd, "--config", path)
	if err != nil {
		return nil, err
	}
	s := &Server{Process: process, Addr: addr}
	if err := s.ready(2 * time.Minute); err != nil {
		process.Stop()
		return nil, err
	}
	return s, nil
}

func (t Tandem) store(config *strings.Builder, file string) {
	if t.Etcd == nil {
		fmt.Fprintf(config, "[store]\nfile = %q\n", file)
		return
	}
	fmt.Fprintf(config, "[store]\ntype = \"etcd\"\n[store.etcd]\nendpoints = [%q]\n", t.Etcd.URL)
}

func (p Place) directory(config *strings.Builder, t Tandem) error {
	if t.Directory != nil {
		fmt.Fprintf(config, `[directory]
type = "ldap"
[directory.ldap]
urls = [%q]
bind_dn = %q
bind_password = %q
base = %q
filter = "(uid=%%u)"
`, t.URL, bindDN, bindPassword, people.People)
		if t.EntryCache {
			fmt.Fprint(config, "entry_cache = \"1m\"\n")
		}
		if strings.HasPrefix(t.URL, "ldaps:") {
			fmt.Fprintf(config, "ca_file = %q\n", t.Directory.Certificate)
		}
		return nil
	}
	file, err := p.usersFile(t)
	if err != nil {
		return err
	}
	fmt.Fprintf(config, "[directory]\ntype = \"file\"\n[directory.file]\npath = %q\n", file)
	if t.Slow {
		fmt.Fprintf(config, `[[factor.external]]
name = "slow"
validate = ["/bin/sleep", %q, "$phone"]
code_on_stdin = true
digits = 6
`, sleep)
	}
	return nil
}

func (t Tandem) policies(config *strings.Builder) {
	mode := "append"
	switch {
	case t.Challenge:
		mode = "challenge"
	case t.CodeOnly:
		mode = "code-only"
	}
	for i := range t.Policies - 1 {
		fmt.Fprintf(config, "[[policies]]\nname = \"p%d\"\nwhen = 'inGroup(\"team-%d\") and not inNetwork(\"192.0.2.0/24\")'\n", i, i)
	}
	fmt.Fprintf(config, "[[policies]]\nname = \"default\"\nmode = %q\n", mode)
}

// usersFile is the users as [[users]] of a users file.
func (p Place) usersFile(t Tandem) (string, error) {
	kind, memory, passes := "cheap", uint32(8), uint32(1)
	if t.Costly {
		kind, memory, passes = "costly", 19<<10, 2
	}
	if t.Slow {
		kind += "-slow"
	}
	return p.cached(fmt.Sprintf("tandem-users-%s-%d.toml", kind, t.Users), func(w *bufio.Writer) error {
		for i := 1; i <= t.Users; i++ {
			u := people.Get(i)
			fmt.Fprintf(w, "[[users]]\nname=%q\npassword=%q\n", u.Name, argon2id(u, memory, passes))
			if t.Slow && Slow(i) {
				fmt.Fprint(w, "phone=\"0\"\n") // sleep adds its arguments up
				continue
			}
			if _, err := fmt.Fprintf(w, "[[users.devices]]\ntype=\"TOTP\"\nsecret=%q\n", u.Base32()); err != nil {
				return err
			}
		}
		return nil
	})
}

func argon2id(u people.User, memoryKiB, passes uint32) string {
	salt := u.Secret[:8]
	key := argon2.IDKey([]byte(u.Password), salt, passes, memoryKiB, 1, 16)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", memoryKiB, passes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tandem/internal/config"
)

const (
	// sharedSecret is in radius.secret, and must be in no message.
	sharedSecret = "hunter2-hunter2-hunter2-hunter2"

	// client and users are the least that a config needs.
	client = "[[radius.clients]]\nname = 'vpn'\nnetworks = ['192.0.2.1']\nsecret_file = 'radius.secret'\n"
	users  = "[directory]\ntype = 'file'\n[directory.file]\npath = 'users.toml'\n"
	ldap   = "[directory]\ntype = 'ldap'\n[directory.ldap]\nurls = ['ldaps://ldap.example.org']\nbase = 'dc=example,dc=org'\n"
)

// folder makes a folder with secret files, enters it, and returns its path.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	secretFiles(t, dir)
	return dir
}

func secretFiles(t testing.TB, dir string) {
	t.Helper()
	for _, f := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{"radius.secret", sharedSecret + "\n", 0o600},
		{"crlf.secret", sharedSecret + "\r\n", 0o640},
		{"short.secret", "hunter2", 0o600},
		{"empty.secret", "\n", 0o600},
		{"lines.secret", sharedSecret + "\n\n", 0o600},
		{"open.secret", sharedSecret, 0o644},
		{"large.secret", strings.Repeat(sharedSecret, 1000), 0o600},
	} {
		writeFile(t, filepath.Join(dir, f.name), f.text, f.mode)
	}
}

func writeFile(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // WriteFile's mode is subject to the umask
		t.Fatal(err)
	}
}

// load writes config.toml into a folder with secret files and loads it.
func load(t testing.TB, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(folder(t), "config.toml")
	writeFile(t, path, text, 0o600)
	return config.Load(path)
}

func mustLoad(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadGivesResolvedValues(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "config.toml")
	writeFile(t, path, `
audit.file = "logs/audit.jsonl"
[radius]
request_timeout = "1m"
[[radius.clients]]
name = "a"
networks = ["192.0.2.0/24", "2001:db8::1"]
secret_file = "crlf.secret"
[[radius.clients]]
name = "b"
networks = ["192.0.2.1"]
secret = "inline secret of some length"
when_unavailable = "reject"
`+users, 0o640)
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Radius.Clients[0], c.Radius.Clients[1]
	var networks []string
	for _, p := range a.Prefixes() {
		networks = append(networks, p.String())
	}
	for _, check := range []struct {
		what      string
		got, want any
	}{
		{"a relative path", c.Audit.File, filepath.Join(dir, "logs/audit.jsonl")},
		{"an absolute path", c.Store.File, "/var/lib/tandem/state.db"},
		{"the users file", c.Directory.File.Path, filepath.Join(dir, "users.toml")},
		{"a duration", c.Radius.RequestTimeout, time.Minute},
		{"the secret of a file", a.Secret.Reveal(), sharedSecret},
		{"the path of that file", a.SecretFile, filepath.Join(dir, "crlf.secret")},
		{"an inline secret", b.Secret.Reveal(), "inline secret of some length"},
		{"networks", networks, []string{"192.0.2.0/24", "2001:db8::1/128"}},
		{"a client's default", a.RequireMessageAuthenticator, true},
		{"a client's own value", b.WhenUnavailable, "reject"},
		{"the policies of none", c.Policies, config.Default().Policies},
		{"an unused block", c.Directory.LDAP, (*config.LDAP)(nil)},
		{"a listener", c.Radius.Listen[1].String(), "[::]:1812"},
		{"the number of warnings", len(c.Warnings), 0},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s: got %v, want %v", check.what, check.got, check.want)
		}
	}
}

func TestSecretFromSystemdCredentials(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", folder(t))
	c := mustLoad(t, strings.ReplaceAll(client, "radius.secret", "${CREDENTIALS_DIRECTORY}/radius.secret")+users)
	if got := c.Radius.Clients[0].Secret.Reveal(); got != sharedSecret {
		t.Errorf("secret %q", got)
	}
}

func TestListenersCanBeTurnedOff(t *testing.T) {
	c := mustLoad(t, "metrics.listen = ''\naudit.file = '-'\n"+client+users)
	if c.Metrics.Listen.IsValid() || c.Metrics.Listen.String() != "" || c.Audit.File != "-" {
		t.Errorf("metrics on %q, audit to %q", c.Metrics.Listen, c.Audit.File)
	}
}

func TestRow49_BadFileGivesNoConfig(t *testing.T) {
	for name, text := range map[string]string{
		"one wrong value":      "[radius]\nworkers = 0\n" + client + users,
		"one unknown key":      "[log]\nlvel = 'debug'\n" + client + users,
		"one wrong type":       "[log]\nlevel = 1\n" + client + users,
		"not TOML":             client + users + "[log",
		"a secret not there":   strings.ReplaceAll(client, "radius.secret", "none") + users,
		"nothing":              "",
		"cut off in the midst": client + "[directory]\ntype = 'file'\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(t, text)
			if err == nil {
				t.Fatal("loaded")
			}
			if c != nil {
				t.Fatal("half a config beside the error")
			}
		})
	}
}

func TestRow50_FilesThatOthersCanReadAreRefused(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "config.toml")
	for _, name := range []string{"bind_password_file", "llngcrypt_key_file", "secret_file", "config.toml"} {
		t.Run(name, func(t *testing.T) {
			own, text, mode := path, client, fs.FileMode(0o600)
			switch name {
			case "bind_password_file":
				text += ldap + "bind_dn = 'cn=x'\nbind_password_file = 'open.secret'\n"
			case "llngcrypt_key_file":
				text += "[devices]\nllngcrypt_key_file = 'open.secret'\n" + users
			case "secret_file":
				text = strings.ReplaceAll(client, "radius.secret", "open.secret") + users
			default:
				text, mode = text+users, 0o644
			}
			if name != "config.toml" {
				own = filepath.Join(dir, "open.secret")
			}
			writeFile(t, path, text, mode)
			_, err := config.Load(path)
			if err == nil {
				t.Fatal("loaded")
			}
			for _, part := range []string{"everybody on this host can read it (mode 0644)", "chmod 0600 " + own} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if name != "config.toml" && !strings.Contains(err.Error(), "."+name+":") {
				t.Errorf("the error does not name the key: %v", err)
			}
		})
	}
}

func TestNeedsRestart(t *testing.T) {
	old := mustLoad(t, client+users)
	same := mustLoad(t, client+users)
	same.Store = old.Store
	if keys := old.NeedsRestart(same); keys != nil {
		t.Errorf("the same file needs a restart for %q", keys)
	}
	next := mustLoad(t, "log.level = 'debug'\nstore.file = '/other'\nmetrics.listen = '[::1]:1'\n[radius]\nlisten = ['192.0.2.1:1']\nreject_delay = '2s'\n"+client+users)
	want := []string{"store.file", "metrics.listen", "radius.listen"}
	if keys := old.NeedsRestart(next); !reflect.DeepEqual(keys, want) {
		t.Errorf("got %q, want %q", keys, want)
	}
}

func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add(uncommented(string(example)))
	f.Add(client + users)
	f.Add(client + ldap + "filter = '%'\n[directory.ldap.groups]\nbase='x=y'")
	f.Add("radius.clients = [{networks=['::ffff:1.2.3.4/99', '']}]")
	f.Add("policies = [{name='', mode='x'}, {}]\ntotp = {period='1ns', range=-1}")
	dir, err := os.MkdirTemp("/dev/shm", "tandem-fuzz-") // a disk would be what is tested
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(dir) })
	secretFiles(f, dir)
	path := filepath.Join(dir, "config.toml")
	f.Fuzz(func(t *testing.T, text string) {
		writeFile(t, path, text, 0o600)
		c, err := config.Load(path)
		if (c == nil) == (err == nil) {
			t.Errorf("config %v beside error %v", c, err)
		}
	})
}

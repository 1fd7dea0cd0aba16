package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/secret"
	"tandem/verify/external/command"
)

func TestProgramsThatOthersCouldChangeAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for _, c := range []struct {
		name, want string
		change     func(path string) error
	}{
		{"fine", "", func(string) error { return nil }},
		{"by a link", "", func(path string) error {
			return os.Rename(path, path+".real")
		}},
		{"not there", "no such file or directory: install the program, or name another one", os.Remove},
		{"a folder", "is no file: name a program", func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o755)
		}},
		{"not executable", "cannot be executed (mode 0644): chmod 0755", func(path string) error { return os.Chmod(path, 0o644) }},
		{"everybody may write", "others can change PATH (mode 0757): chmod go-w PATH", func(path string) error { return os.Chmod(path, 0o757) }},
		{"the group may write", "others can change PATH (mode 0775): chmod go-w PATH", func(path string) error { return os.Chmod(path, 0o775) }},
		{"somebody else's", "PATH belongs to user id 65534, who could put anything there: chown root PATH", func(path string) error { return os.Chown(path, nobody, nobody) }},
		{"somebody else's folder", "DIR belongs to user id 65534, who could put anything there: chown root DIR", func(path string) error {
			return os.Chown(filepath.Dir(path), nobody, nobody)
		}},
		{"everybody's folder", "others can change DIR (mode 0777): chmod go-w DIR", func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }},
		{"a sticky folder", "", func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := script(t, "")
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			if c.name == "by a link" {
				if err := os.Symlink(path+".real", path); err != nil {
					t.Fatal(err)
				}
			}
			err := command.CheckProgram(path)
			want := strings.NewReplacer("PATH", path, "DIR", filepath.Dir(path)).Replace(c.want)
			if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), path+": "+want)) {
				t.Error(err)
			}
		})
	}
	if err := command.CheckProgram("/bin/sh"); err != nil {
		t.Error(err)
	}

	link := script(t, "") // a link that others can replace
	if err := errors.Join(os.Remove(link), os.Symlink("/bin/sh", link), os.Chmod(filepath.Dir(link), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := command.CheckProgram(link); err == nil || !strings.HasPrefix(err.Error(), link+": others can change "+filepath.Dir(link)) {
		t.Error(err)
	}
}

func TestAccounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run programs as somebody else")
	}
	for _, c := range []struct{ user, group, want string }{
		{"", "", "0:0:0"},
		{"nobody", "", "65534:65534:65534"},
		{"65534", "", "65534:65534:65534"},
		{"nobody", "daemon", "65534:1:1"},
		{"", "nogroup", "0:65534:65534"},
	} {
		a, err := command.LookupAccount(c.user, c.group)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if err := a.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		path := script(t, `echo "$(id -u):$(id -g):$(id -G)" >&2; read -r code && echo "$code" >&2`)
		exit, err := command.New(path, a).Run(t.Context(), command.Call{Code: secret.New("123456"), OnStdin: true})
		if want := c.want + `\n[code]`; err != nil || exit.Stderr != want && c.user+c.group != "" || !strings.HasPrefix(exit.Stderr, c.want[:4]) {
			t.Errorf("%+v: %+v, %v", c, exit, err)
		}
	}
}

func TestAccountsThatDoNotExist(t *testing.T) {
	for _, c := range []struct{ user, group, want string }{
		{"no-such-user", "", `user "no-such-user" does not exist on this host: create it, or name another one`},
		{"4294967295", "", `user "4294967295" does not exist on this host: create it, or name another one`},
		{"", "no-such-group", `group "no-such-group" does not exist on this host: create it, or name another one`},
	} {
		if _, err := command.LookupAccount(c.user, c.group); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

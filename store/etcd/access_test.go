package etcd

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/store"
	"tandem/test/etcdtest"
)

// Who may come to the state, and how.

const password = "a-password-that-nobody-may-see"

func TestTLSAndPassword(t *testing.T) {
	c := etcdtest.Start(t, 1, etcdtest.WithTLS(), etcdtest.WithUser("tandem", password, "tandem/"))
	good := Options{
		Endpoints: c.Endpoints(), Username: "tandem", Password: secret.New(password),
		CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, Timeout: 4 * time.Second,
	}
	s := mustOpen(t, good)
	if err := s.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", []byte("1"), time.Minute); return nil }); err != nil {
		t.Fatal(err)
	}
	if held, err := value(s, "a"); string(held) != "1" || err != nil {
		t.Errorf("%q, %v", held, err)
	}

	for name, change := range map[string]func(*Options){
		"no client certificate": func(o *Options) { o.CertFile, o.KeyFile = "", "" },
		"unknown authority":     func(o *Options) { o.CAFile = "" },
		"http": func(o *Options) {
			o.Endpoints = []string{"http" + o.Endpoints[0][5:]}
			o.CAFile, o.CertFile, o.KeyFile = "", "", ""
		},
		"wrong password": func(o *Options) { o.Password = secret.New(password + "x") },
		"no password":    func(o *Options) { o.Username, o.Password = "", secret.String{} },
		"another prefix": func(o *Options) { o.Prefix = "elsewhere/" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			o.Timeout = time.Second
			change(&o)
			refused, err := Open(t.Context(), o)
			if err == nil {
				_ = refused.Close()
			}
			if !errors.Is(err, store.ErrUnavailable) || strings.Contains(fmt.Sprintf("%+v", err), password) {
				t.Errorf("%v, want unavailable, without a password", err)
			}
		})
	}

	// A member that was restarted has forgotten its tokens.
	c.Kill(0)
	c.Restart(0)
	c.WaitHealthy()
	until(t, 10*time.Second, func() error { return claim(t.Context(), s, "b") })
	s.cluster.members[0].login.token.Store(new(string))
	if err := claim(t.Context(), s, "c"); err != nil {
		t.Errorf("with a token that is no longer good: %v", err)
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	o := Options{Endpoints: []string{"http://127.0.0.1:1"}, Username: "tandem", Password: secret.New(password), Timeout: 50 * time.Millisecond}
	var log strings.Builder
	o.Logger = textLogger(&log)
	o.Logger.Info("options", "options", o)
	_, err := Open(t.Context(), o)
	if all := fmt.Sprintf("%v %+v %#v %s", err, o, o, &log); strings.Contains(all, password) {
		t.Error(all)
	}
}

func TestOptions(t *testing.T) {
	one := []string{"https://a.example:2379"}
	missing := filepath.Join(t.TempDir(), "none.pem")
	for _, tt := range []struct {
		name string
		o    Options
		says string
	}{
		{"nothing", Options{}, "no endpoints"},
		{"no scheme", Options{Endpoints: []string{"a.example:2379"}}, "want https://host:port"},
		{"no port", Options{Endpoints: []string{"https://a.example"}}, "want https://host:port"},
		{"a path", Options{Endpoints: []string{"https://a.example:2379/v3"}}, "want https://host:port"},
		{"a user", Options{Endpoints: []string{"https://me@a.example:2379"}}, "want https://host:port"},
		{"another scheme", Options{Endpoints: []string{"unix://a:1"}}, "want https://host:port"},
		{"both schemes", Options{Endpoints: []string{"https://a.example:1", "http://b.example:1"}}, "one or the other"},
		{"certificates that would not be used", Options{Endpoints: []string{"http://a.example:1"}, CAFile: "ca.pem"}, "http://, which uses none"},
		{"a password in clear", Options{Endpoints: []string{"http://a.example:1"}, Username: "u", Password: secret.New("p")}, "in clear"},
		{"a user without a password", Options{Endpoints: one, Username: "u"}, "go together"},
		{"a certificate without its key", Options{Endpoints: one, CertFile: "c.pem"}, "go together"},
		{"a timeout of the past", Options{Endpoints: one, Timeout: -1}, "timeout"},
		{"no such authority", Options{Endpoints: one, CAFile: missing}, missing},
		{"no such certificate", Options{Endpoints: one, CertFile: missing, KeyFile: missing}, missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Open(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

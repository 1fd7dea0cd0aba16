package ldap

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/test/slapdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const totp = `[{"type":"TOTP","name":"phone","epoch":1795278502,"_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]`

var alice = slapdtest.User{
	Name: "alice", Password: "wonderland", Mail: "alice@example.org", Phone: "+44 20 7946 0000", Devices: []string{totp},
}

// config is for the servers at urls, with the accounts of slapdtest.
func config(urls ...string) Config {
	return Config{
		URLs:         urls,
		BindDN:       slapdtest.ServiceDN,
		BindPassword: secret.New(slapdtest.ServicePassword),
		Base:         slapdtest.Base,
	}
}

func open(t testing.TB, c Config) *Directory {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func lookup(t testing.TB, d *Directory, name string) *directory.User {
	t.Helper()
	u, err := d.Lookup(t.Context(), name)
	if err != nil {
		t.Fatalf("Lookup(%q): %v", name, err)
	}
	return u
}

// nothingKnown checks that err is neither a yes nor any definite no.
func nothingKnown(t *testing.T, err error) {
	t.Helper()
	for _, definite := range []error{nil, directory.ErrNoUser, directory.ErrAmbiguous, directory.ErrWrongPassword} {
		if errors.Is(err, definite) {
			t.Errorf("got %v, but nothing can be known", err)
		}
	}
}

// clock is a time that tests move by hand.
type clock struct{ now time.Time }

func newClock() *clock                   { return &clock{time.Unix(1_800_000_000, 0)} }
func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

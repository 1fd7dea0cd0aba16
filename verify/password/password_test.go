package password_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store/bolt"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/password"
	"tandem/verify/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// There is no factortest.Run here: what that suite is about is that no code is accepted twice, and a second
// password is the one factor of which this cannot be held.

// portal is what a LemonLDAP::NG 2.16.1 portal has written for a user, and the password that was typed there.
func portal(t *testing.T) (devices []directory.Device, typed string) {
	t.Helper()
	b, err := os.ReadFile("../../directory/testdata/lemonldap-2.16.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Portal struct {
			Session struct {
				Devices string `json:"_2fDevices"`
			} `json:"encrypted_psession"`
			Password string `json:"password_cleartext"`
		} `json:"real_portal"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	devices, problems := directory.ParseDevices([]byte(v.Portal.Session.Devices), directory.DeviceOptions{CryptKey: secret.New("changeme")})
	if len(problems) > 0 || v.Portal.Password == "" {
		t.Fatalf("%+v", problems)
	}
	return devices, v.Portal.Password
}

func device(typ, typed string) directory.Device {
	return directory.Device{Type: typ, Name: "of " + typ, Secret: secret.New(typed)}
}

func check(t *testing.T, typed string, devices ...directory.Device) verify.Finding {
	t.Helper()
	f, err := password.New().Check(t.Context(), &directory.User{Devices: devices}, typed, &factortest.Kept{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPasswordOfARealPortal(t *testing.T) {
	devices, typed := portal(t)
	f := check(t, typed, devices...)
	if f.Result != verify.Match || f.Device != "password" {
		t.Errorf("%+v", f)
	}
	if f.Claim.Key != "" {
		t.Errorf("it claims %+v, and could be used only once", f.Claim)
	}
	for _, wrong := range []string{"", typed + " ", " " + typed, typed + typed, strings.ToUpper(typed), typed[1:], typed + "\x00"} {
		if f := check(t, wrong, devices...); f.Result != verify.NoMatch {
			t.Errorf("%q: %+v", wrong, f)
		}
	}
}

func TestOnlyPasswordDevicesCount(t *testing.T) {
	for name, c := range map[string]struct {
		devices []directory.Device
		serves  bool
	}{
		"none":                    {nil, false},
		"one":                     {[]directory.Device{device("Password", "s3cret")}, true},
		"the second of two":       {[]directory.Device{device("Password", "other"), device("Password", "s3cret")}, true},
		"the first of two":        {[]directory.Device{device("Password", "s3cret"), device("Password", "other")}, true},
		"beside one without key":  {[]directory.Device{device("Password", ""), device("Password", "s3cret")}, true},
		"a TOTP key of that text": {[]directory.Device{device("TOTP", "s3cret")}, false},
		"a password without key":  {[]directory.Device{device("Password", "")}, false},
	} {
		shapes := password.New().Shapes(&directory.User{Devices: c.devices})
		if (len(shapes) > 0) != c.serves || c.serves && shapes[0].Length != 0 {
			t.Errorf("%s: shapes %+v", name, shapes)
		}
		if f := check(t, "s3cret", c.devices...); (f.Result == verify.Match) != c.serves {
			t.Errorf("%s: %+v", name, f)
		}
		if f := check(t, "", c.devices...); f.Result != verify.NoMatch {
			t.Errorf("%s: nothing typed: %+v", name, f)
		}
	}
}

// one is a directory with one user.
type one struct{ user *directory.User }

func (o one) Lookup(context.Context, string) (*directory.User, error) { return o.user, nil }

func (one) CheckPassword(_ context.Context, _ *directory.User, typed string) error {
	if typed != "correct horse" {
		return directory.ErrWrongPassword
	}
	return nil
}

// TestSameAtEachLogin: through the core it is asked for by a challenge, is right at each login, and wrong ones are
// guesses that throttle.
func TestSameAtEachLogin(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := bolt.Open(bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	core, err := verify.New(t.Context(), verify.Config{
		Store: s, Log: log, Audit: verify.AuditFunc(func(verify.Record) error { return nil }),
	}, verify.Setup{
		Directory: one{&directory.User{ID: "id-alice", Name: "alice", Devices: []directory.Device{device("Password", "s3cret")}}},
		Factors:   []verify.Factor{password.New()},
		Policies: map[string]*policy.Policy{"p": {
			Name: "p", Mode: policy.Challenge, Second: policy.DemandRequired, Tries: 1, LoginTimeout: time.Minute,
		}},
		Throttle: verify.Throttle{SourceBurst: 3, SourceRefill: time.Minute, UserBurst: 9, UserRefill: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	login := func(second string) verify.Reason {
		t.Helper()
		a := verify.Attempt{Door: "radius", Client: "vpn", Source: "198.51.100.7", User: "alice", Policy: "p", Secret: secret.New("correct horse")}
		v := core.Start(t.Context(), a)
		if v.Outcome != verify.Challenge {
			return v.Reason
		}
		a.Secret = secret.New(second)
		return core.Resume(t.Context(), v.State, a).Reason
	}
	for i, c := range []struct {
		second string
		want   verify.Reason
	}{
		{"s3cret", verify.ReasonOK},
		{"s3cret", verify.ReasonOK},
		{"guess", verify.ReasonWrongCode},
		{"s3cret", verify.ReasonOK}, // forgives the failure
		{"guess", verify.ReasonWrongCode},
		{"guess", verify.ReasonWrongCode},
		{"guess", verify.ReasonWrongCode},
		{"s3cret", verify.ReasonThrottled},
	} {
		if got := login(c.second); got != c.want {
			t.Fatalf("login %d with %q: %s, want %s", i+1, c.second, got, c.want)
		}
	}
}

package compose_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/policy"
)

// writable is a directory that can be written; readable one that cannot.
type (
	readable struct{ verify.Directory }
	writable struct{ readable }
)

func (writable) ChangeDevices(context.Context, *directory.User, directory.Change) error { return nil }

// TestDevicesOfTheConfiguration: what [devices] and a policy say of enrolment and expiry is what the core goes by.
func TestDevicesOfTheConfiguration(t *testing.T) {
	c := config.Default()
	c.Devices.Max, c.Devices.Issuer, c.Devices.Label, c.Devices.Name, c.Devices.DeleteExpired = 3, "Example", "{user}@vpn", "my phone", true
	c.Devices.TTL = config.DeviceTTL{TOTP: time.Hour, HOTP: 2 * time.Hour, Yubikey: 3 * time.Hour}
	p := &c.Policies[0]
	p.Enrol, p.EnrolTimeout, p.SkipWord = "offer", time.Minute, "later"
	setup, err := compose.Setup(c, writable{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	label := setup.Devices.Label.Expand(func(name string) []string { return []string{"<" + name + ">"} })
	if !reflect.DeepEqual(label, []string{"<user>@vpn"}) {
		t.Errorf("label %q", label)
	}
	setup.Devices.Label = policy.Template{}
	if want := (verify.Devices{
		Issuer: "Example", Name: "my phone", Most: 3, DeleteExpired: true,
		TTL: map[string]time.Duration{directory.TypeTOTP: time.Hour, directory.TypeHOTP: 2 * time.Hour, directory.TypeYubikey: 3 * time.Hour},
	}); !reflect.DeepEqual(setup.Devices, want) {
		t.Errorf("%+v, want %+v", setup.Devices, want)
	}
	if got := setup.Policies["default"]; got.Enrol != policy.EnrolOffer || got.EnrolTimeout != time.Minute || got.SkipWord != "later" {
		t.Errorf("policy %+v", got)
	}
	if setup.Registry == nil {
		t.Error("a directory that can be written is not")
	}
	if setup, err = compose.Setup(c, readable{}, nil, nil); err != nil || setup.Registry != nil {
		t.Errorf("a directory that cannot be written is: %v", err)
	}
}

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/config"
)

type oneUser struct{ user *directory.User }

func (o oneUser) Lookup(context.Context, string) (*directory.User, error) { return o.user, nil }
func (o oneUser) ChangeDevices(context.Context, *directory.User, directory.Change) error {
	return nil
}

// What users call their devices at the portal must not be obeyed by the administrator's terminal.
func TestRow50_NamesOfDevicesAreHarmless(t *testing.T) {
	const evil = "\x1b]0;x\x07\x1b[2J"
	var out bytes.Buffer
	r := &registry{env: &env{ctx: t.Context(), stdout: &out, stderr: &out}, conf: &config.Config{}, Registry: oneUser{&directory.User{
		Name:    "alice",
		Devices: []directory.Device{{Type: directory.TypeYubikey, Name: "key" + evil, PublicID: "ccccccelerpg"}},
		Skipped: []directory.Problem{{Type: "odd" + evil, Device: "odd" + evil, Why: "broken"}},
	}}}
	if _, err := r.held("alice"); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("export: %q", out.String())
	}
}

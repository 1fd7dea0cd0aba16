package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/directory"
	"tandem/internal/admin"
)

type deviceCmd struct {
	List       deviceListCmd       `cmd:"" help:"List what a user has."`
	Show       deviceShowCmd       `cmd:"" help:"Show one device, without its secret."`
	Add        deviceAddCmd        `cmd:"" help:"Give a user a device: an authenticator app by QR code, a token, a YubiKey, recovery codes."`
	Rename     deviceRenameCmd     `cmd:"" help:"Give a device another name."`
	Delete     deviceDeleteCmd     `cmd:"" help:"Take a device away from a user."`
	DeleteType deviceDeleteTypeCmd `cmd:"" help:"Take all devices of one type away from a user."`
}

type deviceListCmd struct {
	User string `arg:"" help:"The user's name, as typed at a login."`
	JSON bool   `help:"Print the devices as JSON."`
}

// Run prints a line a device.
func (c *deviceListCmd) Run(e *env) error {
	return withUser(e, c.User, func(r *registry, u *directory.User) error {
		devices := r.list(u)
		if c.JSON {
			return json.NewEncoder(e.stdout).Encode(devices)
		}
		if len(devices) == 0 {
			_, err := fmt.Fprintf(e.stdout, "%s has no devices.\n", u.Name)
			return err
		}
		_, err := fmt.Fprint(e.stdout, tableOf(devices))
		return err
	})
}

// tableOf shows devices to people.
func tableOf(devices []listed) string {
	rows := make([][]string, 1, 1+len(devices))
	rows[0] = []string{"TYPE", "NAME", "ID", "REGISTERED", "WHERE", "STATE"}
	for _, l := range devices {
		rows = append(rows, []string{orDash(l.Type), orDash(l.Name), orDash(l.ID), day(l.Registered), orDash(l.Source), stateOf(l)})
	}
	s := new(sheet)
	s.plain(columns(withoutEmpty(rows))...)
	return s.String()
}

// withoutEmpty leaves out columns in which no row says anything.
func withoutEmpty(rows [][]string) [][]string {
	for i := len(rows[0]) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[i] != "-" }) {
			for n := range rows {
				rows[n] = slices.Delete(rows[n], i, i+1)
			}
		}
	}
	return rows
}

func stateOf(l listed) string {
	if l.Why == "" {
		return l.State
	}
	return l.State + ": " + l.Why
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateOnly)
}

type deviceShowCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Device string `arg:"" help:"The device's name, or its ID where several have that name."`
	JSON   bool   `help:"Print the device as JSON."`
}

// shown is one device with all that is no secret.
type shown struct {
	listed
	Digits    int    `json:"digits,omitempty"`
	Period    int    `json:"period,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Counter   uint64 `json:"counter,omitempty"`
	PublicID  string `json:"public_id,omitempty"`
}

// Run prints what is known of one device.
func (c *deviceShowCmd) Run(e *env) error {
	return withDevice(e, c.User, c.Device, func(_ *registry, u *directory.User, l listed) error {
		out := shown{listed: l}
		for _, d := range u.Devices {
			if d.ID() == l.ID {
				out.Digits, out.Period, out.Algorithm, out.Counter, out.PublicID = d.Digits, d.Period, d.Algorithm, d.Counter, d.PublicID
				break
			}
		}
		if c.JSON {
			return json.NewEncoder(e.stdout).Encode(out)
		}
		_, err := fmt.Fprint(e.stdout, out)
		return err
	})
}

func (d shown) String() string {
	s := new(sheet)
	s.say("type", orDash(d.Type))
	s.say("name", orDash(d.Name))
	s.say("id", orDash(d.ID))
	if !d.Registered.IsZero() {
		s.say("registered", d.Registered.Local().Format(time.DateTime))
	}
	if !d.Expires.IsZero() {
		s.say("expires", d.Expires.Local().Format(time.DateTime))
	}
	if d.Source != "" {
		s.say("where", d.Source)
	}
	for _, of := range []struct {
		label  string
		number int
		unit   string
	}{{"digits", d.Digits, ""}, {"period", d.Period, " s"}, {"counter", int(d.Counter), " (the state may be ahead of it: `tandem user`)"}} {
		if of.number != 0 {
			s.say(of.label, fmt.Sprintf("%d%s", of.number, of.unit))
		}
	}
	if d.Algorithm != "" {
		s.say("algorithm", d.Algorithm)
	}
	if d.PublicID != "" {
		s.say("public id", d.PublicID)
	}
	s.say("state", stateOf(d.listed))
	return s.String()
}

type deviceRenameCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Device string `arg:"" help:"The device's name, or its ID where several have that name."`
	To     string `arg:"" help:"The new name: letters, digits, spaces, \"-\" and \"_\", at most 20."`
}

// Run renames a device.
func (c *deviceRenameCmd) Run(e *env) error {
	if err := directory.CheckDeviceName(c.To); err != nil {
		return err
	}
	return withDevice(e, c.User, c.Device, func(r *registry, u *directory.User, l listed) error {
		change := directory.Change{Rename: map[string]string{l.ID: c.To}}
		if err := r.change(u, admin.ActionRename, change, noted{l.Type, l.Name, "to " + c.To}); err != nil {
			return fmt.Errorf("rename %q of %s: %w", l.Name, u.Name, err)
		}
		_, err := fmt.Fprintf(e.stdout, "The %s device %q of %s is called %q now.\n", harmless(l.Type), l.Name, u.Name, c.To)
		return err
	})
}

type deviceDeleteCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Device string `arg:"" help:"The device's name, or its ID where several have that name."`
	Yes    bool   `short:"y" help:"Do not ask whether it is meant."`
}

// Run takes a device away.
func (c *deviceDeleteCmd) Run(e *env) error {
	return withDevice(e, c.User, c.Device, func(r *registry, u *directory.User, l listed) error {
		return r.delete(u, []listed{l}, c.Yes)
	})
}

type deviceDeleteTypeCmd struct {
	User string `arg:"" help:"The user's name, as typed at a login."`
	Type string `arg:"" help:"Which: TOTP, HOTP, UBK (YubiKeys), or another that \"device list\" shows."`
	Yes  bool   `short:"y" help:"Do not ask whether it is meant."`
}

// Run takes all devices of one type away.
func (c *deviceDeleteTypeCmd) Run(e *env) error {
	return withUser(e, c.User, func(r *registry, u *directory.User) error {
		var those []listed
		for _, l := range r.list(u) {
			if strings.EqualFold(l.Type, c.Type) {
				those = append(those, l)
			}
		}
		if len(those) == 0 {
			return fmt.Errorf("%s has no device of type %q: `tandem device list %s` shows what there is", u.Name, c.Type, u.Name)
		}
		return r.delete(u, those, c.Yes)
	})
}

// delete takes devices away, after asking unless that is answered already.
func (r *registry) delete(u *directory.User, those []listed, yes bool) error {
	if !yes {
		question := fmt.Sprintf("%sDelete this, so that it opens nothing for %s any more? [y/N] ", tableOf(those), u.Name)
		typed, err := newAsker(r.env).askOpenly(question)
		switch {
		case errors.Is(err, errInterrupted):
			return err
		case err != nil:
			return fmt.Errorf("%w (--yes answers it)", err)
		}
		if answer := strings.ToLower(strings.TrimSpace(typed)); answer != "y" && answer != "yes" {
			fmt.Fprintln(r.stderr, "Nothing was deleted.")
			return errSilent
		}
	}
	change, about := directory.Change{}, make([]noted, 0, len(those))
	for _, l := range those {
		if l.ID == "" {
			return fmt.Errorf("the %s entry %q of %s is so broken that nothing names it: remove it where it is written down", harmless(l.Type), l.Name, u.Name)
		}
		change.Remove = append(change.Remove, l.ID)
		about = append(about, noted{kind: l.Type, name: l.Name})
	}
	if err := r.change(u, admin.ActionDelete, change, about...); err != nil {
		return fmt.Errorf("delete from %s: %w", u.Name, err)
	}
	for _, l := range those {
		if _, err := fmt.Fprintf(r.stdout, "%s has no %s device %q any more.\n", u.Name, harmless(l.Type), l.Name); err != nil {
			return err
		}
	}
	if len(those) == len(r.list(u)) {
		_, err := fmt.Fprintf(r.stdout, "That was all: `tandem policy test %s` says what a login meets now.\n", u.Name)
		return err
	}
	return nil
}

package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tandem/directory"
	"tandem/internal/secret"
)

func add(names ...string) directory.Change {
	var c directory.Change
	for _, name := range names {
		c.Add = append(c.Add, newDevice(name))
	}
	return c
}

func deviceNames(u *directory.User) (names []string) {
	for _, d := range u.Devices {
		names = append(names, d.Name)
	}
	return names
}

func TestAChangeIsSeenAtOnce(t *testing.T) {
	f := mustOpen(t, head)
	if _, err := f.change(t, add("one")); err != nil {
		t.Fatal(err)
	}
	u, err := f.Lookup(t.Context(), "alice") // the clock stands
	if err != nil || fmt.Sprint(deviceNames(u)) != "[one]" {
		t.Fatalf("%+v, %v", u, err)
	}
	if u.Devices[0].Secret.Reveal() != "key of the device one" {
		t.Error("the device has another secret")
	}

	// What somebody else writes afterwards is still noticed.
	write(t, f.path, justCarol)
	f.clock.advance(lookEvery)
	if !f.knows(t, "carol") {
		t.Error("the file is not looked at any more")
	}
}

func TestAChangeIsMadeToWhatStandsInTheFile(t *testing.T) {
	f := mustOpen(t, head)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.path, bob+head+plain) // not looked at yet
	if err := f.ChangeDevices(t.Context(), u, directory.Change{Add: add("one").Add, OnlyFirst: true}); !errors.Is(err, directory.ErrHasDevices) {
		t.Errorf("%v", err)
	}
	if err := f.ChangeDevices(t.Context(), u, add("one")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(f.path); string(got) != bob+head+plain+"\n"+written("one") {
		t.Errorf("%q", got)
	}
	write(t, f.path, bob)
	if err := f.ChangeDevices(t.Context(), u, add("two")); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("%v", err)
	}
}

func TestRefusedChangesWriteNothing(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		change directory.Change
		is     error
		says   string
	}{
		"no such device":         {head, directory.Change{Remove: []string{"x"}}, directory.ErrNoDevice, ""},
		"too many":               {head + plain, directory.Change{Add: add("one").Add, Most: 1}, directory.ErrTooManyDevices, ""},
		"the same":               {head + written("one"), add("one"), directory.ErrSameDevice, ""},
		"a type of browsers":     {head, directory.Change{Add: []directory.Device{{Type: "U2F", Name: "key", Epoch: 1}}}, nil, "write TOTP, HOTP or UBK"},
		"a device without key":   {head, directory.Change{Add: []directory.Device{{Type: "TOTP", Name: "x", Epoch: 1}}}, nil, "nothing was written"},
		"users in one array":     {"users = [ { name = \"alice\" } ]\n", add("one"), nil, "users.toml:1: users: are written in one array"},
		"a file that is damaged": {"", add("one"), nil, "there are no users in it"},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.text
			if text == "" {
				text = head
			}
			f := mustOpen(t, text)
			write(t, f.path, c.text)
			got, err := f.change(t, c.change)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
			if got != c.text {
				t.Errorf("the file was changed to %q", got)
			}
			f.wantAlone(t)
		})
	}
}

// wantAlone wants nothing beside the users file in its folder.
func (f *fixture) wantAlone(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestRow49_AnEditThatSaysSomethingElseIsNotWritten hands texts to the judge that an edit must never make.
func TestRow49_AnEditThatSaysSomethingElseIsNotWritten(t *testing.T) {
	f := mustOpen(t, head+plain+bob)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	c, before := add("one"), f.users.Load()
	right := head + plain + written("one") + bob
	for name, text := range map[string]string{
		"nothing":           head + plain + bob,
		"another device":    head + plain + written("two") + bob,
		"another user":      head + plain + bob + written("one"),
		"a user is lost":    head + plain + written("one"),
		"users change seat": bob + head + plain + written("one"),
		"another group":     strings.Replace(right, bob, bob+"groups = [\"admins\"]\n", 1),
		"another key":       strings.Replace(right, "tqoaa", "tqojq", 1),
		"no file at all":    right + "[",
	} {
		if _, err := f.judge([]byte(text), before, u, c); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
	if _, err := f.judge([]byte(right), before, u, c); err != nil {
		t.Error(err)
	}
}

func TestRow50_WhatIsAddedIsReadBackAndSealed(t *testing.T) {
	devices := []directory.Device{
		{Type: "TOTP", Name: "full", Epoch: 1, Secret: secret.New("12345678901234567890"), Digits: 8, Period: 60, Algorithm: "SHA512", Source: "a QR code"},
		{Type: "TOTP", Name: "weak", Epoch: 2, Secret: secret.New("1234567890")},
		{Type: "HOTP", Name: "token", Epoch: 3, Secret: secret.New("22345678901234567890"), Counter: 1 << 40},
		{Type: "UBK", Name: "server's", Epoch: 4, PublicID: "CCCCCCCCCCCB"},
		{Type: "UBK", Name: "ours", Epoch: 5, PublicID: "dteffujehknh", Secret: secret.New("0123456789abcdef"), PrivateID: secret.New("ubikey")},
	}
	devices[3].Name = "server"
	for _, key := range []string{"", "a key"} {
		f := mustOpen(t, head)
		f.o.Devices.CryptKey = secret.New(key)
		text, err := f.change(t, directory.Change{Add: devices})
		if err != nil {
			t.Fatal(err)
		}
		if sealed := strings.Count(text, `"{llngcrypt}`); sealed != map[string]int{"": 0, "a key": 5}[key] {
			t.Errorf("with the key %q, %d secrets are encrypted", key, sealed)
		}
		u, err := f.Lookup(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if want := changed(nil, directory.Change{Add: devices}); !reflect.DeepEqual(u.Devices, want) {
			t.Errorf("got %+v\nwant %+v", u.Devices, want)
		}
		if strings.Contains(f.log.String(), "gezdgnbv") {
			t.Error("a secret is in the log")
		}
	}
}

func TestASymbolicLinkStays(t *testing.T) {
	f := mustOpen(t, head)
	elsewhere := filepath.Join(t.TempDir(), "real.toml")
	if err := errors.Join(os.Rename(f.path, elsewhere), os.Symlink(elsewhere, f.path)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.change(t, add("one")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(f.path); to != elsewhere {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if got, err := os.ReadFile(elsewhere); string(got) != head+"\n"+written("one") {
		t.Errorf("%q, %v", got, err)
	}
	f.wantAlone(t)
}

func TestOtherNamesOfTheFileAreWarnedOf(t *testing.T) {
	f := mustOpen(t, head)
	if err := os.Link(f.path, filepath.Join(t.TempDir(), "other.toml")); err != nil {
		t.Skip("the file system has no hard links")
	}
	if _, err := f.change(t, add("one")); err != nil || !strings.Contains(f.log.String(), "hard links") {
		t.Errorf("%v: %s", err, f.log)
	}
}

// TestRandomChangesKeepAllElse adds, renames and removes in files of many forms. All lines must stay, in their order,
// and undoing everything must give the first text.
func TestRandomChangesKeepAllElse(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		filler := rapid.SampledFrom([]string{"", "", "\n", "# note\n", "\n# note\n", "\n# note\n\n", "# a\n\n# b\n", " \t\n"})
		text := filler.Draw(r, "top")
		users := rapid.IntRange(1, 4).Draw(r, "users")
		alice := rapid.IntRange(0, users-1).Draw(r, "alice")
		for i := range users {
			name := fmt.Sprintf("user%d", i)
			if i == alice {
				name = "alice"
			}
			text += "[[users]]\nname = \"" + name + "\" # " + name + "\n" + filler.Draw(r, "in entry")
			for j := range rapid.IntRange(0, 2).Draw(r, "devices") {
				text += strings.ReplaceAll(written(fmt.Sprintf("old %d of %s", j, name)), "epoch", filler.Draw(r, "in device")+"epoch") + filler.Draw(r, "below device")
			}
			if rapid.Bool().Draw(r, "table") {
				text += "[users.attributes]\nvlan = [\n# none\n]\n"
			}
			text += filler.Draw(r, "below entry")
		}
		if rapid.Bool().Draw(r, "no newline") {
			text = strings.TrimRight(text, "\n")
		}
		newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(r, "newline")
		text = strings.ReplaceAll(text, "\n", newline)

		f := mustOpen(t, text)
		f.sync = func(*os.File) error { return nil } // a disk is slow
		var added []string
		for range rapid.IntRange(1, 4).Draw(r, "changes") {
			name := fmt.Sprintf("new %d", len(added))
			if _, err := f.change(t, add(name)); err != nil {
				r.Fatalf("adding to %q: %v", text, err)
			}
			added = append(added, newDevice(name).ID())
		}
		got, err := f.change(t, directory.Change{Rename: map[string]string{added[0]: "renamed"}})
		if err != nil {
			r.Fatal(err)
		}
		wanted := text // its lines must be in got, in this order
		for line := range strings.SplitSeq(got, newline) {
			if after, found := strings.CutPrefix(wanted, line); found {
				wanted, _ = strings.CutPrefix(after, newline)
			}
		}
		if strings.TrimSpace(wanted) != "" {
			r.Fatalf("lost %q\nfrom %q\nin   %q", wanted, text, got)
		}

		renamed := newDevice("new 0")
		renamed.Name = "renamed"
		added[0] = renamed.ID()
		if got, err = f.change(t, directory.Change{Remove: added}); err != nil {
			r.Fatal(err)
		}
		if got != text {
			r.Fatalf("undone\ngot  %q\nwant %q", got, text)
		}
	})
}

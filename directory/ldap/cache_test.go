package ldap

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tandem/directory"
	"tandem/test/slapdtest"
)

// For as long as configured, and no longer, a look-up is not asked again; the password always is.
func TestEntriesAreUsedAgainForAWhile(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	now := time.Now()
	c := config(s.URL)
	c.EntryCache, c.Now = 10*time.Second, func() time.Time { return now }
	d := open(t, c)
	lookup := func() *directory.User {
		t.Helper()
		u, err := d.Lookup(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := lookup()
	if second := lookup(); second != first {
		t.Error("the directory was asked again")
	}
	if err := d.CheckPassword(t.Context(), first, "wrong"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("a wrong password: %v", err)
	}
	if err := d.CheckPassword(t.Context(), first, "wonderland"); err != nil {
		t.Errorf("the right password: %v", err)
	}
	now = now.Add(10 * time.Second)
	if third := lookup(); third == first {
		t.Error("an entry was used for longer than configured")
	}
	now = now.Add(-time.Hour)
	if fourth := lookup(); fourth == first {
		t.Error("an entry of the future was used after the clock was set back")
	}
}

// What this process has written itself, it sees at once.
func TestChangedEntriesAreForgotten(t *testing.T) {
	s := slapdtest.Start(t, slapdtest.Options{Users: []slapdtest.User{alice}})
	c := config(s.URL)
	c.EntryCache = time.Minute
	d := open(t, c)
	u, err := d.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	// The service account of this directory may not write; that something was tried is enough to look again.
	if err := d.ChangeDevices(t.Context(), u, directory.Change{Remove: []string{u.Devices[0].ID()}}); err != nil {
		t.Log(err)
	}
	if again, err := d.Lookup(t.Context(), "alice"); err != nil || again == u {
		t.Errorf("an entry was used again after a change: %v", err)
	}
}

func TestEntriesThatWereAskedForBeforeAChangeAreNotKept(t *testing.T) {
	c := entryCache{keep: time.Minute, now: time.Now}
	_, remember := c.find("alice")
	c.forget("id")
	remember(&directory.User{ID: "id"})
	if u, _ := c.find("alice"); u != nil {
		t.Error("what was read before a change was kept after it")
	}
}

func TestEntriesAreBounded(t *testing.T) {
	now := time.Now()
	c := entryCache{keep: time.Minute, now: func() time.Time { return now }}
	for i := range 3 * maxRemembered {
		_, remember := c.find(fmt.Sprint(i))
		remember(&directory.User{ID: fmt.Sprint(i)})
		if len(c.byName) > maxRemembered {
			t.Fatalf("%d entries are kept", len(c.byName))
		}
	}
	off := entryCache{now: time.Now}
	_, remember := off.find("alice")
	remember(&directory.User{})
	if u, _ := off.find("alice"); u != nil || len(off.byName) > 0 {
		t.Error("the cache is off, and keeps something")
	}
}

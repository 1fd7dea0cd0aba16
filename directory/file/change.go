package file

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"tandem/directory"
	"tandem/internal/tomlfile"
)

// ChangeDevices does c to the devices of u in the file, and to nothing else: comments, order and spacing stay as
// they are. The file is either the old one or the new one, whole, whatever happens meanwhile, and it keeps its
// owner, group, mode and access control list. Changes that several processes make follow one another.
//
// Besides what [directory.Change.Check] finds, errors are [directory.ErrNoUser] if the user is not in the file any
// more, and [directory.ErrReadOnly] if the file cannot be replaced with the rights of this process. After an error
// the file is the old one, unless the error says otherwise. The directory itself sees the change at once, others
// on the same file within a second.
func (d *Directory) ChangeDevices(ctx context.Context, u *directory.User, c directory.Change) error {
	err := d.changeOnce(ctx, u, c)
	for tries := 1; errors.Is(err, errReplaced) && tries < mostTries; tries++ {
		err = d.changeOnce(ctx, u, c)
	}
	if err != nil {
		return fmt.Errorf("changing the devices of user %s in %s: %w", u.ID, d.o.Path, err)
	}
	return nil
}

// mostTries bounds how often a change begins anew because an editor has saved the file meanwhile.
const mostTries = 5

// changeOnce reads the file anew, because what this directory knows of it can be a second old.
func (d *Directory) changeOnce(ctx context.Context, u *directory.User, c directory.Change) error {
	t, err := lockTarget(ctx, d.o.Path)
	if err != nil {
		return err
	}
	defer t.unlock()

	f, err := read(d.o.Path)
	if err != nil {
		return err
	}
	before, err := parse(f, d.o.Devices)
	if err != nil {
		return err
	}
	text, err := d.edited(f, before, u, c)
	if err != nil {
		return err
	}
	after, err := d.judge(text, before, u, c)
	if err != nil {
		return err
	}
	written, err := d.replace(t, text)
	if err != nil {
		return err
	}

	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	d.looked, d.seen = d.o.Now(), written
	d.publish(after)
	return nil
}

// edited returns the text of f with the change made.
func (d *Directory) edited(f *tomlfile.File, before *table, u *directory.User, c directory.Change) ([]byte, error) {
	place, present, err := before.byID(u.ID)
	if err != nil {
		return nil, err
	}
	if err := c.Check(present.Devices, present.Skipped); err != nil {
		return nil, err
	}
	e := &edit{path: d.o.Path, text: f.Text(), user: place}
	for i := len(present.Devices) - 1; i >= 0; i-- { // from the end, so that places stay what they are
		id := present.Devices[i].ID()
		if name, ok := c.Rename[id]; ok {
			err = e.rename(i, name)
		} else if slices.Contains(c.Remove, id) {
			err = e.remove(i)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, added := range c.Add {
		lines, err := block(added, d.o.Devices)
		if err != nil {
			return nil, err
		}
		if err := e.add(lines); err != nil {
			return nil, err
		}
	}
	return e.text, nil
}

// judge reads text as the next start would, and wants the users of before in it, with the change made and nothing
// else. Only what passes here is written.
func (d *Directory) judge(text []byte, before *table, u *directory.User, c directory.Change) (*table, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file would have %d octets, and at most %d are read", len(text), maxFile)
	}
	after, err := parse(tomlfile.FromText(d.o.Path, text), d.o.Devices)
	if err != nil {
		return nil, fmt.Errorf("nothing was written, because the changed file could not be read:\n%w", err)
	}
	if !before.becomes(after, u.ID, c) {
		return nil, errors.New("nothing was written, because the changed file would say something else than it should: " +
			"change it by hand, and report the form in which the user's entry is written")
	}
	return after, nil
}

// becomes reports whether after has the users of t in their order, with c done to one of them and nothing else.
func (t *table) becomes(after *table, id string, c directory.Change) bool {
	next, stop := iter.Pull2(after.all())
	defer stop()
	for _, wanted := range t.all() {
		if wanted.ID == id {
			wanted.Devices = changed(wanted.Devices, c)
		}
		if _, is, ok := next(); !ok || !reflect.DeepEqual(is, wanted) {
			return false
		}
	}
	_, _, more := next()
	return !more
}

// byID finds a user, and the place of the entry, by what state is kept under.
func (t *table) byID(id string) (int, *directory.User, error) {
	for place, u := range t.all() {
		if u.ID == id {
			return place, u, nil
		}
	}
	return 0, nil, directory.ErrNoUser
}

// changed is what devices are after c.
func changed(devices []directory.Device, c directory.Change) []directory.Device {
	var after []directory.Device
	for _, d := range devices {
		if slices.Contains(c.Remove, d.ID()) {
			continue
		}
		if name, ok := c.Rename[d.ID()]; ok {
			d.Name = name
		}
		after = append(after, d)
	}
	for _, d := range c.Add {
		d.Source = ""
		d.PublicID = strings.ToLower(d.PublicID)
		d.Weak = d.Type != directory.TypeYubikey && len(d.Secret.Reveal())*8 < directory.StrongSecretBits
		after = append(after, d)
	}
	return after
}

// errReplaced means that the file is no longer the one that was read.
var errReplaced = errors.New("somebody else changes the file again and again: try again later")

package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Apply makes c of what is written in places, new devices in the one of number to. It returns the places with their
// new values and changes nothing itself. An entry that c does not name stays as it is, octet for octet, and so does
// everything around it. random gives what encryption needs.
//
// A device that stands in several places is removed from all of them, or else it would be there again.
//
// Errors are those of [Change.Check], or say what cannot be written.
func (c Change) Apply(places []Place, to int, o DeviceOptions, random io.Reader) ([]Place, error) {
	groups := gather(places, o)
	if err := c.Check(split(groups)); err != nil {
		return nil, err
	}
	edits := make([]edits, len(places))
	for _, g := range groups {
		id := g.id()
		if slices.Contains(c.Remove, id) {
			for _, s := range g.slots {
				edits[s.place].at(s).remove = true
			}
		}
		if name := c.Rename[id]; name != "" {
			if err := rename(places, g, name, edits); err != nil {
				return nil, err
			}
		}
	}
	after := slices.Clone(places)
	for i, p := range places {
		var more []Device
		if i == to {
			more = c.Add
		}
		if len(edits[i].elements) == 0 && len(more) == 0 {
			continue
		}
		values, err := p.edited(edits[i], more, o, random)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Source, err)
		}
		after[i].Values = values
	}
	if err := c.verify(after, o); err != nil {
		return nil, err
	}
	return after, nil
}

// rename notes the new name of g wherever names are kept.
func rename(places []Place, g *group, name string, edits []edits) error {
	renamed := false
	for _, s := range g.slots {
		if places[s.place].Format != FormatGluu {
			edits[s.place].at(s).name, renamed = name, true
		}
	}
	if !renamed {
		return fmt.Errorf("%s: the device %q cannot be renamed: Gluu keeps no names, and this one is made of the key",
			places[g.first().place].Source, g.first().device.Name)
	}
	return nil
}

// edits are those of one place: of elements, by the number of their value.
type edits struct{ elements map[int]map[int]*edit }

// at returns the edit of one slot, to be filled in.
func (e *edits) at(s slot) *edit {
	if e.elements == nil {
		e.elements = map[int]map[int]*edit{}
	}
	if e.elements[s.value] == nil {
		e.elements[s.value] = map[int]*edit{}
	}
	if e.elements[s.value][s.element] == nil {
		e.elements[s.value][s.element] = new(edit)
	}
	return e.elements[s.value][s.element]
}

func (e *edits) of(value int) map[int]edit {
	of := map[int]edit{}
	for element, what := range e.elements[value] {
		of[element] = *what
	}
	return of
}

func (p Place) edited(e edits, more []Device, o DeviceOptions, random io.Reader) ([][]byte, error) {
	switch p.Format {
	case FormatGluu:
		return p.editedGluu(e, more)
	case FormatSession:
		return p.editedSession(e, more, o, random)
	case FormatArray:
	}
	return p.editedArrays(e, more, o, random)
}

func encodeAll(devices []Device, o DeviceOptions, random io.Reader) ([][]byte, error) {
	encoded := make([][]byte, 0, len(devices))
	for _, d := range devices {
		element, err := encodeEntry(d, o, random)
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, element)
	}
	return encoded, nil
}

// editedArrays leaves no array without elements behind, nor the marks that are such.
func (p Place) editedArrays(e edits, devices []Device, o DeviceOptions, random io.Reader) ([][]byte, error) {
	more, err := encodeAll(devices, o, random)
	if err != nil {
		return nil, err
	}
	values := slices.Clone(p.Values)
	to := p.roomy()
	if to < 0 && len(more) > 0 {
		to, values = len(values), append(values, []byte("[]"))
	}
	var edited [][]byte
	for i, value := range values {
		var added [][]byte
		if i == to {
			added = more
		}
		elements, err := splitArray(value)
		if err != nil { // nothing in it can be named, and nothing is added
			edited = append(edited, value)
			continue
		}
		changes := e.of(i)
		for n, element := range elements {
			if isArrayMark(element) {
				changes[n] = edit{remove: true}
			}
		}
		if value, err = editArray(value, changes, added); err != nil {
			return nil, err
		}
		if len(value) > MaxDevicesSize {
			return nil, fmt.Errorf("%w: they would need more than %d octets", ErrTooManyDevices, MaxDevicesSize)
		}
		if elements, err = splitArray(value); err != nil {
			return nil, err
		}
		twice := slices.ContainsFunc(edited, func(v []byte) bool { return bytes.Equal(v, value) })
		if len(elements) > 0 && !twice {
			edited = append(edited, value)
		}
	}
	return edited, nil
}

// editedGluu leaves all values that are no devices, except marks.
func (p Place) editedGluu(e edits, devices []Device) ([][]byte, error) {
	var edited [][]byte
	for i, value := range p.Values {
		if !e.of(i)[0].remove && !bytes.HasPrefix(value, []byte(gluuMark)) {
			edited = append(edited, value)
		}
	}
	for _, d := range devices {
		value, err := encodeGluu(d)
		if err != nil {
			return nil, err
		}
		edited = append(edited, value)
	}
	return edited, nil
}

var errNoSession = errors.New("there is no one session to write to: the entry must hold exactly one value, LemonLDAP::NG's")

func (p Place) editedSession(e edits, devices []Device, o DeviceOptions, random io.Reader) ([][]byte, error) {
	if len(p.Values) != 1 {
		return nil, errNoSession
	}
	array, err := openSession(p.Values[0])
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(array)) == 0 {
		array = []byte("[]")
	}
	more, err := encodeAll(devices, o, random)
	if err != nil {
		return nil, err
	}
	if array, err = editArray(array, e.of(0), more); err != nil {
		return nil, err
	}
	value, err := closeSession(p.Values[0], array)
	if err != nil {
		return nil, err
	}
	if len(array) > MaxDevicesSize || len(value) > maxSessionSize {
		return nil, fmt.Errorf("%w: the session would be too long", ErrTooManyDevices)
	}
	return [][]byte{value}, nil
}

// verify reads what is about to be written, and refuses it if it is not what was meant: a device that cannot be
// read back would lock its user out.
func (c Change) verify(after []Place, o DeviceOptions) error {
	devices, problems := split(gather(after, o))
	for _, d := range c.Add {
		if !holdsDevice(devices, d) {
			for _, p := range problems {
				if p.Device == d.Name {
					return fmt.Errorf("the new device %q could not be used: %s", d.Name, p.Why)
				}
			}
			return fmt.Errorf("the new device %q could not be read back as it is", d.Name)
		}
	}
	return nil
}

func holdsDevice(devices []Device, wanted Device) bool {
	key, _ := keyOf(wanted)
	return slices.ContainsFunc(devices, func(d Device) bool {
		k, has := keyOf(d)
		return has && k == key && d.Counter >= wanted.Counter
	})
}

// Done reports whether places look as if c had been made already: its devices are there, by their keys, and those that
// it removes or renames are not there any more under their IDs. That is the question after a server did not answer.
func (c Change) Done(places []Place, o DeviceOptions) bool {
	devices, problems := split(gather(places, o))
	ids := map[string]bool{}
	for _, d := range devices {
		ids[d.ID()] = true
	}
	for _, p := range problems {
		ids[p.ID] = true
	}
	for _, d := range c.Add {
		if !holdsDevice(devices, d) {
			return false
		}
	}
	for _, id := range c.Remove {
		if ids[id] {
			return false
		}
	}
	for id, name := range c.Rename {
		if to := renamedID(id, name); to != id && (ids[id] || !ids[to]) {
			return false
		}
	}
	return true
}

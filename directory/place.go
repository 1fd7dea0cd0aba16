package directory

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Format is how devices are written into the values of an attribute.
type Format int

// The formats.
const (
	// FormatArray: each value is a JSON array for [ParseDevices].
	FormatArray Format = iota
	// FormatGluu: the values of Gluu's oxExternalUid, "totp:KEY" and "hotp:KEY;COUNTER" among others. There
	// are no names and no times of registration: a device is called by its key's fingerprint.
	FormatGluu
	// FormatSession: one value, a persistent session of LemonLDAP::NG in JSON. Its member _2fDevices is a string
	// that holds the array.
	FormatSession
)

// Place is where a user's devices are written: the values of one attribute, as they are now. They hold secrets.
type Place struct {
	Format Format
	// Source says where it is, in words for administrators; see [Device.Source].
	Source string
	// Values are none where the user has no device there.
	Values [][]byte
}

// ParsePlaces reads the devices of a user from all places where there may be some. One that stands in several, with
// the same key, counts once, as the first place has it; its HOTP counter is the highest of all.
func ParsePlaces(places []Place, o DeviceOptions) ([]Device, []Problem) {
	if len(places) == 1 && places[0].Format == FormatArray { // as with most, at each login
		devices, problems := ParseDeviceValues(places[0].Values, o)
		for i := range devices {
			devices[i].Source = places[0].Source
		}
		return devices, problems
	}
	return bounded(split(gather(places, o)))
}

// slot is one device, or what should be one, in the place where it stands.
type slot struct {
	place, value, element int // the element of FormatGluu is 0
	device                Device
	problem               *Problem // instead of device
}

// slots finds all of p, which is the place of that number.
func (p Place) slots(place int, o DeviceOptions) []slot {
	var found []slot
	for i, value := range p.Values {
		s := slot{place: place, value: i}
		if len(found) > MaxDevices {
			s.problem = &Problem{Device: "all further devices", Why: fmt.Sprintf("they were not read: at most %d devices are", MaxDevices)}
			return append(found, s)
		}
		switch p.Format {
		case FormatArray:
			found = append(found, s.array(value, o)...)
		case FormatSession:
			if len(p.Values) > 1 {
				s.problem = &Problem{Device: "all devices of the session", Why: fmt.Sprintf("the session's entry holds %d values, and LemonLDAP::NG reads one of them: remove all but its own", len(p.Values))}
				return []slot{s}
			}
			found = append(found, s.session(value, o)...)
		case FormatGluu:
			device, problem, isDevice := parseGluu(value, o)
			if isDevice {
				s.device, s.problem = device, problem
				found = append(found, s)
			}
		}
	}
	for i := range found {
		found[i].device.Source = p.Source
	}
	return found
}

func (s slot) array(value []byte, o DeviceOptions) []slot {
	elements, err := splitArray(value)
	if err != nil {
		s.problem = &Problem{Device: "all devices", Why: err.Error()}
		return []slot{s}
	}
	found := make([]slot, 0, len(elements))
	for i, element := range elements {
		if isArrayMark(element) {
			continue
		}
		s.element = i
		s.device, s.problem = parseDevice(element, i, o)
		found = append(found, s)
	}
	return found
}

func (s slot) session(value []byte, o DeviceOptions) []slot {
	array, err := openSession(value)
	switch {
	case err != nil:
		s.problem = &Problem{Device: "all devices of the session", Why: err.Error()}
		return []slot{s}
	case len(bytes.TrimSpace(array)) == 0:
		return nil
	}
	return s.array(array, o)
}

// group is one device with all the slots in which it stands.
type group struct {
	slots []slot
}

func (g *group) first() slot { return g.slots[0] }

// id is that of the device or of the problem, as administrators see it.
func (g *group) id() string {
	if s := g.first(); s.problem != nil {
		return s.problem.ID
	}
	return g.first().device.ID()
}

// gather finds the devices of all places. Within one place, two entries are one device if they give the same codes,
// as for [ParseDeviceValues]; across places the key is enough, since the formats differ in what they can say.
func gather(places []Place, o DeviceOptions) []*group {
	type twin struct {
		place int
		codes codeSource
	}
	var groups []*group
	byCodes, byKey, byID := map[twin]*group{}, map[string]*group{}, map[string]*group{}
	for i, p := range places {
		for _, s := range p.slots(i, o) {
			var same *group
			codes, hasKey := sourceOf(s.device)
			key, _ := keyOf(s.device)
			hasKey = hasKey && s.problem == nil
			if hasKey {
				if same = byCodes[twin{i, codes}]; same == nil && byKey[key] != nil && byKey[key].first().place != i {
					same = byKey[key]
				}
			} else if same = byID[s.keyless()]; same != nil && same.first().place == i {
				same = nil
			}
			if same == nil {
				same = new(group)
				groups = append(groups, same)
			}
			same.slots = append(same.slots, s)
			if hasKey {
				byCodes[twin{i, codes}] = same
				if byKey[key] == nil {
					byKey[key] = same
				}
			} else if id := s.keyless(); id != "" && byID[id] == nil {
				byID[id] = same
			}
		}
	}
	return groups
}

// keyless tells an entry of which no key can be read from others like it; empty if nothing can.
func (s slot) keyless() string {
	if s.problem == nil {
		return "device " + s.device.ID()
	}
	if s.problem.ID == "" {
		return ""
	}
	return "problem " + s.problem.ID
}

// split gives the devices and the problems that look-ups find in groups.
func split(groups []*group) (devices []Device, problems []Problem) {
	for _, g := range groups {
		if p := g.first().problem; p != nil {
			problems = append(problems, *p)
			continue
		}
		d := g.first().device
		for _, s := range g.slots[1:] {
			d.Counter = max(d.Counter, s.device.Counter)
		}
		devices = append(devices, d)
	}
	return devices, problems
}

// Mark returns a value that must be written, by itself, before a new device is written to p, and after which the devices
// are read anew; nil if none is needed. [Change.Apply] takes it out again.
//
// LDAP says "only if nobody was faster" by the removal of a value that one has read. Where there is no value that a new
// device changes, two who add at the same time would not notice each other. So each first writes a mark, no two the same,
// and removes all marks that it then reads: whoever comes second misses its own. What is left of one who was
// interrupted is no device, and goes with the next change.
func (p Place) Mark(random io.Reader) ([]byte, error) {
	if p.Format == FormatSession || p.Format == FormatArray && p.roomy() >= 0 {
		return nil, nil
	}
	octets := make([]byte, 8)
	if _, err := io.ReadFull(random, octets); err != nil {
		return nil, fmt.Errorf("reading random octets: %w", err)
	}
	if p.Format == FormatGluu {
		return fmt.Appendf(nil, "%s%x", gluuMark, octets), nil
	}
	return fmt.Appendf(nil, `[{"type":%q,"mark":"%x"}]`, typeMark, octets), nil
}

// gluuMark begins a mark among Gluu's values; typeMark is the type of one in an array.
const (
	gluuMark = "tandem:adding:"
	typeMark = "tandem:adding"
)

// isArrayMark reports whether an element of an array is a mark.
func isArrayMark(element []byte) bool {
	if !bytes.Contains(element, []byte(typeMark)) { // as in nearly all
		return false
	}
	members, err := parseMembers(element)
	return err == nil && string(members["type"]) == `"`+typeMark+`"`
}

// roomFor is how many octets one more device may need.
const roomFor = 2 << 10

// roomy finds the array to which devices are added, or -1. Whoever reads the same values finds the same one, in
// whichever order they come.
func (p Place) roomy() int {
	best := -1
	for i, value := range p.Values {
		elements, err := splitArray(value)
		if err != nil || len(elements) >= MaxDevices || len(value)+roomFor > MaxDevicesSize {
			continue
		}
		if best < 0 || bytes.Compare(value, p.Values[best]) > 0 {
			best = i
		}
	}
	return best
}

// Edited says which values go and which come between p and what [Change.Apply] made of it. Values of an array or a
// session that stay are in both: the removal of all that was read is what shows that nobody was faster.
func (p Place) Edited(after Place) (gone, come [][]byte) {
	has := func(values [][]byte, value []byte) bool {
		return slices.ContainsFunc(values, func(v []byte) bool { return bytes.Equal(v, value) })
	}
	same := len(p.Values) == len(after.Values)
	for _, v := range p.Values {
		if !has(after.Values, v) {
			gone, same = append(gone, v), false
		}
	}
	for _, v := range after.Values {
		if !has(p.Values, v) {
			come, same = append(come, v), false
		}
	}
	if same || p.Format == FormatGluu {
		return gone, come
	}
	return p.Values, after.Values
}

package directory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"tandem/internal/secret"
)

// What one `_2fDevices` value may be at most. LemonLDAP::NG needs some 200 octets a device.
const (
	// MaxDevicesSize is in octets.
	MaxDevicesSize = 64 << 10
	// MaxDevices is how many devices one user may have.
	MaxDevices = 128
	// maxNesting is how deep arrays and objects may stand in each other.
	maxNesting = 16
)

// ParseDevices reads the devices of one user from the JSON array that LemonLDAP::NG keeps as
// `_2fDevices`: `[{"type":"TOTP","name":"phone","epoch":1795278502,"_secret":"jj4y…"}, …]`.
//
// It never fails as a whole. What can be used is a Device, and what cannot is a [Problem]: one for
// each bad entry, or a single one if the value is no such array. So a value from which nothing could
// be read still shows that the user has devices (see [User.HasDevices]).
//
// Beyond LemonLDAP::NG's members, TOTP entries may say `digits`, `period` (or `interval`) and
// `algorithm`, and HOTP entries `digits`, `algorithm` and `counter`. UBK entries may hold what their
// codes are checked with: `_aes`, the key in 32 hexadecimal digits, and `_private`, the private
// identity in 12, both in the clear or encrypted as `_secret` is. Numbers may be written as
// strings, which LemonLDAP::NG does at times. Other members are ignored.
func ParseDevices(raw []byte, o DeviceOptions) ([]Device, []Problem) {
	elements, err := splitArray(raw)
	if err != nil {
		return nil, []Problem{{Device: "all devices", Why: err.Error()}}
	}
	var devices []Device
	var problems []Problem
	for i, element := range elements {
		if isArrayMark(element) {
			continue
		}
		device, problem := parseDevice(element, i, o)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		devices = append(devices, device)
	}
	return devices, problems
}

// ParseDeviceValues reads the values of an attribute of which each is an array for [ParseDevices],
// and joins them. A device that stands there twice counts once; those above [MaxDevices] are skipped.
func ParseDeviceValues(values [][]byte, o DeviceOptions) ([]Device, []Problem) {
	var devices []Device
	var problems []Problem
	seen := map[codeSource]bool{}
	for i, value := range values {
		if len(devices)+len(problems) >= MaxDevices {
			problems = append(problems, Problem{
				Device: "all further devices",
				Why:    fmt.Sprintf("values %d to %d of the attribute were not read: at most %d devices are", i+1, len(values), MaxDevices),
			})
			break
		}
		more, skipped := ParseDevices(value, o)
		problems = append(problems, skipped...)
		for _, d := range more {
			if source, known := sourceOf(d); known {
				if seen[source] {
					continue
				}
				seen[source] = true
			}
			devices = append(devices, d)
		}
	}
	return bounded(devices, problems)
}

// bounded leaves out devices above [MaxDevices], and says so.
func bounded(devices []Device, problems []Problem) ([]Device, []Problem) {
	if len(devices) > MaxDevices {
		problems = append(problems, Problem{
			Device: "all further devices",
			Why:    fmt.Sprintf("the user has %d devices: at most %d are used", len(devices), MaxDevices),
		})
		devices = devices[:MaxDevices]
	}
	return devices, problems
}

// codeSource is what two devices have in common if they give the same codes.
type codeSource struct {
	kind, fingerprint, algorithm string
	digits, period               int
	counter                      uint64
}

// sourceOf is not known of a device of which Tandem reads no key.
func sourceOf(d Device) (source codeSource, known bool) {
	if d.Secret.Empty() && d.PublicID == "" {
		return codeSource{}, false
	}
	return codeSource{d.Type, d.Fingerprint("same device"), d.Algorithm, d.Digits, d.Period, d.Counter}, true
}

// splitArray checks the value as a whole, before anything is built from it.
func splitArray(raw []byte) ([]json.RawMessage, error) {
	switch {
	case len(raw) > MaxDevicesSize:
		return nil, fmt.Errorf("the devices attribute has %d octets, more than %d", len(raw), MaxDevicesSize)
	case !utf8.Valid(raw):
		return nil, errors.New("the devices attribute is not UTF-8: it must hold the JSON array of LemonLDAP::NG's _2fDevices")
	case !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("[")):
		return nil, errors.New("the devices attribute is not a JSON array: it must hold LemonLDAP::NG's _2fDevices, or not exist")
	case nestsDeeper(raw, maxNesting):
		return nil, fmt.Errorf("the devices attribute nests arrays and objects more than %d deep", maxNesting)
	}
	if !json.Valid(raw) {
		return nil, syntaxError(json.Unmarshal(raw, new(any)))
	}
	spans := elementSpans(raw)
	if len(spans) > MaxDevices {
		return nil, fmt.Errorf("the devices attribute holds %d devices, more than %d", len(spans), MaxDevices)
	}
	elements := make([]json.RawMessage, len(spans))
	for i, at := range spans {
		elements[i] = raw[at.start:at.end]
	}
	return elements, nil
}

// syntaxError keeps the place and drops the words of encoding/json, which quote the input.
func syntaxError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the devices attribute is not JSON: it breaks at octet %d", syntax.Offset)
	}
	return errors.New("the devices attribute is not JSON")
}

// nestsDeeper counts brackets outside strings. Of text that is no JSON it may say anything.
func nestsDeeper(raw []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[', c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}

func parseDevice(element json.RawMessage, index int, o DeviceOptions) (Device, *Problem) {
	object, err := parseMembers(element)
	if err != nil {
		return Device{}, &Problem{Device: placeName(index), Why: err.Error()}
	}
	entry, faults := object.entry()
	device, errs := entry.Device(o)
	for _, e := range errs {
		faults = append(faults, e.Why)
	}
	if len(faults) > 0 {
		return Device{}, &Problem{
			ID: entry.id(), Type: clip(entry.Type, maxQuoted), Device: cmp.Or(clip(entry.Name, maxQuoted), placeName(index)),
			Why: strings.Join(faults, "; "),
		}
	}
	return device, nil
}

// placeName calls a device by its place in the list.
func placeName(index int) string { return fmt.Sprintf("device %d", index+1) }

// members are those of one JSON object, by exact names: encoding/json would also take "_SECRET" for "_secret".
type members map[string]json.RawMessage

// parseMembers refuses an object in which a name stands twice. Programs differ in which of the two
// they read, so the portal and Tandem could see two different devices in one entry.
func parseMembers(object json.RawMessage) (members, error) {
	all, err := memberSpans(object)
	if err != nil {
		return nil, err
	}
	found := make(members, len(all))
	for _, m := range all {
		if _, twice := found[m.name]; twice {
			return nil, fmt.Errorf("the member %q stands there twice: programs differ in which one they read", clip(m.name, maxQuoted))
		}
		found[m.name] = object[m.value.start:m.value.end]
	}
	return found, nil
}

// entry picks the members that Tandem knows, and says what is wrong with their form.
func (m members) entry() (e DeviceEntry, faults []string) {
	text := func(name string) string {
		s, err := m.scalar(name)
		if err != nil {
			faults = append(faults, err.Error())
		}
		return s
	}
	number := func(name string) *int {
		s := text(name)
		if s == "" {
			return nil
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			faults = append(faults, name+" is not a whole number")
			return nil
		}
		return &n
	}

	e.Type = text("type")
	e.Name = text("name")
	e.Secret = secret.New(text("_secret"))
	e.PublicID = text("_yubikey")
	e.AESKey = secret.New(text("_aes"))
	e.PrivateID = secret.New(text("_private"))
	e.Algorithm = text("algorithm")
	e.Digits = number("digits")
	e.Period = number("period")
	if interval := number("interval"); interval != nil {
		if e.Period != nil {
			faults = append(faults, "period and interval are both there: keep one")
		}
		e.Period = interval
	}
	if s := text("epoch"); s != "" {
		epoch, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			faults = append(faults, "epoch is not a whole number")
		}
		e.Epoch = epoch
	}
	if s := text("counter"); s != "" {
		counter, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			faults = append(faults, "counter is not a whole number from 0")
		}
		e.Counter = counter
	}
	return e, faults
}

// scalar reads a string or a number as text: LemonLDAP::NG writes one or the other as Perl sees fit.
// A member that is missing or null is empty.
func (m members) scalar(name string) (string, error) {
	raw, there := m[name]
	if !there || string(raw) == "null" {
		return "", nil
	}
	switch raw[0] {
	case '"':
		s, err := unquote(raw)
		if err != nil {
			return "", fmt.Errorf("%s is not a string", name)
		}
		return s, nil
	case '{', '[', 't', 'f':
		return "", fmt.Errorf("%s is neither a string nor a number", name)
	}
	return string(raw), nil
}

package directory

import (
	"errors"
	"strings"
	"testing"

	"tandem/internal/secret"
)

// totp is a device with a key of its own.
func totp(name, key string) Device {
	return Device{Type: TypeTOTP, Name: name, Epoch: 1_800_000_000, Secret: secret.New(strings.Repeat(key, 20))}
}

func TestRow25_ChangesAreChecked(t *testing.T) {
	phone, tablet := totp("phone", "p"), totp("tablet", "t")
	lost := Problem{ID: deviceID(5, "Okta", "lost"), Type: "Okta", Device: "lost"}
	okta := deviceID(5, "Okta", "lost")
	sameID, eight := totp("phone", "x"), phone
	eight.Name, eight.Digits = "phone with eight", 8
	noEpoch := totp("new", "n")
	noEpoch.Epoch = 0
	for _, c := range []struct {
		what    string
		present []Device
		skipped []Problem
		change  Change
		is      error  // nil: any, if there is a text
		text    string // empty: no error
	}{
		{"nothing to do", []Device{phone}, nil, Change{}, nil, ""},
		{"first", nil, nil, Change{Add: []Device{phone}, OnlyFirst: true, Most: 1}, nil, ""},
		{"the last one, for who must keep one", []Device{phone}, nil, Change{Remove: []string{phone.ID()}, KeepOne: true}, ErrNoDevice, "beside"},
		{"all but one that cannot be read", []Device{phone}, []Problem{lost}, Change{Remove: []string{phone.ID()}, KeepOne: true}, nil, ""},
		{"not the first", []Device{phone}, nil, Change{Add: []Device{tablet}, OnlyFirst: true}, ErrHasDevices, "already"},
		{"not the first, as one cannot be read", nil, []Problem{lost}, Change{Add: []Device{tablet}, OnlyFirst: true}, ErrHasDevices, "already"},
		{"one too many", []Device{phone}, []Problem{lost}, Change{Add: []Device{tablet}, Most: 2}, ErrTooManyDevices, "3, and 2 are allowed"},
		{"as many as may be", []Device{phone}, []Problem{lost}, Change{Add: []Device{tablet}, Most: 3}, nil, ""},
		{"one for another", []Device{phone}, []Problem{lost}, Change{Add: []Device{tablet}, Remove: []string{okta}, Most: 2}, nil, ""},
		{"fewer, though too many", []Device{phone, tablet}, []Problem{lost}, Change{Remove: []string{okta}, Most: 1}, nil, ""},
		{"unknown ID", []Device{phone}, nil, Change{Remove: []string{tablet.ID()}}, ErrNoDevice, "none has"},
		{"no ID", nil, []Problem{{}}, Change{Remove: []string{""}}, ErrNoDevice, "none has"},
		{"ambiguous ID", []Device{phone, sameID}, nil, Change{Remove: []string{phone.ID()}}, ErrNoDevice, "2 have"},
		{"unknown ID renamed", []Device{phone}, nil, Change{Rename: map[string]string{okta: "x"}}, ErrNoDevice, "none has"},
		{"renamed", []Device{phone, tablet}, nil, Change{Rename: map[string]string{phone.ID(): "old phone"}}, nil, ""},
		{"renamed to the same", []Device{phone}, nil, Change{Rename: map[string]string{phone.ID(): "phone"}}, nil, ""},
		{"renamed to another's", []Device{phone, tablet}, nil, Change{Rename: map[string]string{phone.ID(): "tablet"}}, ErrSameDevice, "same second"},
		{"names exchanged", []Device{phone, tablet}, nil, Change{Rename: map[string]string{phone.ID(): "tablet", tablet.ID(): "phone"}}, nil, ""},
		{"an unreadable one renamed", nil, []Problem{lost}, Change{Rename: map[string]string{okta: "found"}}, nil, ""},
		{"renamed badly", []Device{phone}, nil, Change{Rename: map[string]string{phone.ID(): "a<b"}}, nil, "holds more than letters"},
		{"renamed and removed", []Device{phone}, nil, Change{Remove: []string{phone.ID()}, Rename: map[string]string{phone.ID(): "x"}}, nil, "at once"},
		{"named badly", nil, nil, Change{Add: []Device{totp(strings.Repeat("x", 21), "p")}}, nil, "at most 20"},
		{"never registered", nil, nil, Change{Add: []Device{noEpoch}}, nil, "time of registration"},
		{"same key under another name", []Device{phone}, nil, Change{Add: []Device{totp("other", "p")}}, ErrSameDevice, "key of"},
		{"same key with other digits", []Device{phone}, nil, Change{Add: []Device{eight}}, ErrSameDevice, "key of"},
		{"same key twice in the change", nil, nil, Change{Add: []Device{phone, totp("other", "p")}}, ErrSameDevice, "key of"},
		{"same ID with another key", []Device{phone}, nil, Change{Add: []Device{sameID}}, ErrSameDevice, "same second"},
		{"same key instead of the old", []Device{phone}, nil, Change{Add: []Device{eight}, Remove: []string{phone.ID()}}, nil, ""},
	} {
		err := c.change.Check(c.present, c.skipped)
		switch {
		case c.text == "" && err != nil, c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)), c.is != nil && !errors.Is(err, c.is):
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestIDsAreLemonLDAPs(t *testing.T) {
	d := Device{Type: "TOTP", Name: "MyTOTP", Epoch: 1524078936}
	if d.ID() != "MTUyNDA3ODkzNjo6VE9UUDo6TXlUT1RQ" { // recorded
		t.Error(d.ID())
	}
	_, problems := ParseDevices([]byte(`[{"type":"TOTP","name":"MyTOTP","epoch":"1524078936","_secret":"1"},{"type":"Okta"},[]]`), DeviceOptions{})
	if problems[0].ID != d.ID() || problems[0].Type != "TOTP" || problems[1].Type != "Okta" || problems[1].ID == "" || problems[2].ID != "" {
		t.Errorf("%+v", problems)
	}
}

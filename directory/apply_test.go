package directory

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tandem/internal/secret"
)

func arrays(values ...string) Place { return place(FormatArray, values...) }
func place(f Format, values ...string) Place {
	p := Place{Format: f, Source: "the source"}
	for _, v := range values {
		p.Values = append(p.Values, []byte(v))
	}
	return p
}

func (p Place) texts() []string {
	var all []string
	for _, v := range p.Values {
		all = append(all, string(v))
	}
	return all
}

func apply(t testing.TB, c Change, o DeviceOptions, places ...Place) []Place {
	t.Helper()
	after, err := c.Apply(places, 0, o, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func TestNewDevicesAreReadBackAsTheyAre(t *testing.T) {
	key := strings.Repeat("0123456789", 2)
	devices := []Device{
		{Type: TypeTOTP, Name: "phone", Epoch: 1, Secret: secret.New(key)},
		{Type: TypeTOTP, Name: "téléphone", Epoch: 2, Secret: secret.New(key + "x"), Digits: 8, Period: 60, Algorithm: "SHA256"},
		{Type: TypeHOTP, Name: "token", Epoch: 3, Secret: secret.New(key + "y"), Digits: 6, Algorithm: "SHA1", Counter: 1 << 63},
		{Type: TypeHOTP, Name: "token 2", Epoch: 3, Secret: secret.New(key + "z")},
		{Type: TypeYubikey, Name: "key", Epoch: 4, PublicID: "ccccccelerpg"},
		{Type: TypeYubikey, Name: "own key", Epoch: 5, PublicID: "dteffujehknh", Secret: secret.New(key[:16]), PrivateID: secret.New(key[:6])},
	}
	for _, o := range []DeviceOptions{{}, {CryptKey: secret.New("changeme")}} {
		for _, p := range []Place{arrays(), arrays(" [ ] "), arrays("no array"), place(FormatSession, `{"_utime":1}`), place(FormatSession, `{}`), place(FormatSession, `{"_2fDevices":"" }`)} {
			after := apply(t, Change{Add: devices}, o, p)
			got, _ := ParsePlaces(after, o)
			for i := range got {
				got[i].Source = ""
			}
			if !reflect.DeepEqual(reveal(got), reveal(devices)) {
				t.Errorf("%q: %+v", p.texts(), got)
			}
			encrypted := strings.Count(strings.Join(after[0].texts(), ""), "{llngcrypt}")
			if want := map[bool]int{true: 0, false: 6}[o.CryptKey.Empty()]; encrypted != want {
				t.Errorf("%d secrets are encrypted, want %d", encrypted, want)
			}
			if strings.Contains(strings.Join(after[0].texts(), ""), key) {
				t.Error("a key stands there as it is")
			}
		}
	}
}

// reveal makes devices comparable: secrets stand behind pointers.
func reveal(devices []Device) []any {
	var all []any
	for _, d := range devices {
		all = append(all, []string{d.Secret.Reveal(), d.PrivateID.Reveal()})
		d.Secret, d.PrivateID = secret.String{}, secret.String{}
		all = append(all, d)
	}
	return all
}

func TestWhatAnEntryDoesNotSayIsNotWritten(t *testing.T) {
	after := apply(t, Change{Add: []Device{totp("phone", "p")}}, DeviceOptions{}, arrays())
	if got := after[0].texts()[0]; got != `[{"type":"TOTP","name":"phone","epoch":1800000000,"_secret":"obyha4dqobyha4dqobyha4dqobyha4dq"}]` {
		t.Error(got)
	}
}

func TestPortalsDevicesAreEditedInPlace(t *testing.T) {
	portal := loadVectors(t).RealPortal
	for _, text := range []string{portal.Cleartext, portal.Encrypted.Devices, portal.WebAuthn.Devices} {
		o := DeviceOptions{CryptKey: secret.New("changeme")}
		session, err := encodeJSON(map[string]any{"_2fDevices": text, "_utime": 1795278523, "_loginHistory": map[string]any{"successLogin": []any{1.0}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []Place{arrays(text), place(FormatSession, string(session))} {
			added := apply(t, Change{Add: []Device{totp("phone", "p")}}, o, p)
			devices, _ := ParsePlaces(added, o)
			removed := apply(t, Change{Remove: []string{devices[len(devices)-1].ID()}}, o, added...)
			if !slices.Equal(removed[0].texts(), p.texts()) {
				t.Errorf("added and removed again:\n%s\n%s", removed[0].texts(), p.texts())
			}
			renamed := apply(t, Change{Rename: map[string]string{devices[0].ID(): "another name"}}, o, p)
			devices, _ = ParsePlaces(renamed, o)
			if devices[0].Name != "another name" {
				t.Errorf("%+v", devices)
			}
		}
	}
}

func TestGluuVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/gluu-oxauth.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Lines  []string
		HOTP   string `json:"oxExternalUid_hotp_example"`
		TOTP   string `json:"oxExternalUid_totp"`
		Secret string `json:"secret_ascii"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	p := place(FormatGluu, "passport-saml:alice", v.HOTP, v.TOTP)
	devices, problems := ParsePlaces([]Place{p}, DeviceOptions{})
	if len(devices) != 2 || len(problems) != 0 {
		t.Fatalf("%+v, %+v", devices, problems)
	}
	hotp, totp := devices[0], devices[1]
	if hotp.Type != TypeHOTP || hotp.Counter != 2 || hotp.Secret.Reveal() != v.Secret || totp.Type != TypeTOTP || totp.Secret.Reveal() != v.Secret {
		t.Errorf("%+v", devices)
	}
	if !strings.HasPrefix(totp.Name, "gluu-") || CheckDeviceName(totp.Name) != nil {
		t.Errorf("name %q", totp.Name)
	}
	hotp.Name, hotp.Epoch, totp.Name, totp.Epoch = "token", 1, "phone", 1
	if got := apply(t, Change{Add: []Device{hotp, totp}}, DeviceOptions{}, place(FormatGluu))[0].texts(); !slices.Equal(got, []string{v.HOTP, v.TOTP}) {
		t.Errorf("written as %q", got)
	}
	// The alphabet's two special letters, as Guava writes and reads them.
	special := place(FormatGluu, "totp:__z59vPw7ern5OHe29jV0s_MycY=", "totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA")
	if devices, problems := ParsePlaces([]Place{special}, DeviceOptions{}); len(devices) != 2 || len(problems) != 0 {
		t.Errorf("%+v, %+v", devices, problems)
	}
	for _, bad := range []string{"totp:", "totp:+/z59vPw7ern5OHe29jV0s/MycY=", "totp:a", "hotp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "hotp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=;-1", "hotp:;1", "totp:MTIz\nNDU2Nzg5MDEyMzQ1Njc4OTA=", "totp:" + strings.Repeat("A", maxGluuValue)} {
		if devices, problems := ParsePlaces([]Place{place(FormatGluu, bad)}, DeviceOptions{MinSecretBits: 80}); len(devices) != 0 || len(problems) != 1 {
			t.Errorf("%.40q: %+v, %+v", bad, devices, problems)
		}
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	eight := totp("phone", "p")
	eight.Digits = 8
	short := Device{Type: TypeTOTP, Name: "short", Epoch: 1, Secret: secret.New("12345")}
	webauthn := Device{Type: TypeWebAuthn, Name: "key", Epoch: 1}
	keyless := Device{Type: TypeTOTP, Name: "empty", Epoch: 1}
	gluu := place(FormatGluu, "totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=")
	devices, _ := ParsePlaces([]Place{gluu}, DeviceOptions{})
	for _, c := range []struct {
		what   string
		change Change
		place  Place
		text   string
	}{
		{"eight digits in Gluu", Change{Add: []Device{eight}}, gluu, "6 digits"},
		{"a Yubikey in Gluu", Change{Add: []Device{{Type: TypeYubikey, Name: "y", Epoch: 1, PublicID: "ccccccelerpg"}}}, gluu, "only TOTP and HOTP"},
		{"a name in Gluu", Change{Rename: map[string]string{devices[0].ID(): "x"}}, gluu, "Gluu keeps no names"},
		{"a type for browsers", Change{Add: []Device{webauthn}}, arrays(), "cannot be registered here"},
		{"a short key", Change{Add: []Device{short}}, arrays(), "could not be used: the secret has 40 bits"},
		{"no key", Change{Add: []Device{keyless}}, arrays(), "could not be used"},
		{"a session that is none", Change{Add: []Device{eight}}, place(FormatSession, "x"), "not JSON"},
		{"a session with an array", Change{Add: []Device{eight}}, place(FormatSession, `{"_2fDevices":[]}`), "not a string"},
		{"a session with two", Change{Add: []Device{eight}}, place(FormatSession, `{"_2fDevices":"[]","_2fDevices":"[]"}`), "twice"},
		{"a session with half a character", Change{Add: []Device{eight}}, place(FormatSession, `{"_2fDevices":"[\ud800]"}`), "no text"},
		{"no session", Change{Add: []Device{eight}}, place(FormatSession), "no one session"},
		{"two sessions", Change{Add: []Device{eight}}, place(FormatSession, "{}", "{}"), "no one session"},
		{"a session of rubbish", Change{Add: []Device{eight}}, place(FormatSession, `{"_2fDevices":"x"}`), "not a JSON array"},
	} {
		_, err := c.change.Apply([]Place{c.place}, 0, DeviceOptions{MinSecretBits: 80}, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestRow25_MarksDifferAndAreNoDevices(t *testing.T) {
	for _, f := range []Format{FormatArray, FormatGluu} {
		p := place(f)
		for range 2 {
			mark, err := p.Mark(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			p.Values = append(p.Values, mark)
			if f == FormatArray { // the second would be another's, who saw nothing either
				mark, err = arrays().Mark(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				p.Values = append(p.Values, mark)
				break
			}
		}
		if len(p.Values) != 2 || bytes.Equal(p.Values[0], p.Values[1]) {
			t.Errorf("marks %q", p.texts())
		}
		devices, problems := ParsePlaces([]Place{p, place(FormatGluu)}, DeviceOptions{})
		alone, others := ParsePlaces([]Place{p}, DeviceOptions{})
		if len(devices)+len(problems)+len(alone)+len(others) != 0 {
			t.Errorf("marks are read as %+v, %+v", devices, problems)
		}
		after := apply(t, Change{Add: []Device{totp("phone", "p")}, OnlyFirst: true}, DeviceOptions{}, p)
		if got := after[0].texts(); len(got) != 1 || strings.Contains(got[0], "adding") {
			t.Errorf("%q", got)
		}
	}
}

func TestDone(t *testing.T) {
	phone, tablet := totp("phone", "p"), totp("tablet", "t")
	before := apply(t, Change{Add: []Device{phone}}, DeviceOptions{}, arrays())
	for _, c := range []Change{{Add: []Device{tablet}}, {Remove: []string{phone.ID()}}, {Rename: map[string]string{phone.ID(): "old"}}, {Add: []Device{tablet}, Remove: []string{phone.ID()}}} {
		if c.Done(before, DeviceOptions{}) || !c.Done(apply(t, c, DeviceOptions{}, before...), DeviceOptions{}) {
			t.Errorf("%+v", c)
		}
	}
}

// FuzzApplyLeavesTheRest: whatever stands in an array, all that a change does not name comes out as it went in.
func FuzzApplyLeavesTheRest(f *testing.F) {
	portal := loadVectors(f).RealPortal
	for _, seed := range []string{
		portal.Cleartext, portal.Encrypted.Devices, portal.WebAuthn.Devices, "[]", " [ ] ", `[1 , "x",null ]`, "[{}]", "{", `[{"type":"Okta","name":7,"epoch":1e3}]`,
		`[{"type":"TOTP","name":"a","name":"b"}]`, `[{"type":"TOTP" , "_secret":"GEZDGNBVGY3TQOJQ" }, {"type":"TOTP" , "_secret":"GEZDGNBVGY3TQOJQ" }]`, "[\n\t{\"type\":\"tandem:adding\"}\n]",
	} {
		for n := range uint8(4) {
			f.Add(seed, n, n)
		}
	}
	f.Fuzz(func(t *testing.T, text string, which, what uint8) {
		quoted, err := encodeJSON(text)
		if err != nil {
			return
		}
		for _, p := range []Place{arrays(text), place(FormatSession, `{"a":[1, 2],"_2fDevices" :`+string(quoted)+` , "z":{}}`)} {
			groups := gather([]Place{p}, DeviceOptions{})
			c := Change{}
			touched := map[int]bool{}
			if len(groups) > 0 && what%4 < 2 {
				g := groups[int(which)%len(groups)]
				for _, s := range g.slots {
					touched[s.element] = true
				}
				if what%4 == 0 {
					c.Remove = []string{g.id()}
				} else {
					c.Rename = map[string]string{g.id(): "a new name"}
				}
			}
			if what%2 == 0 {
				c.Add = []Device{totp("a new device", "n")}
			}
			after, err := c.Apply([]Place{p}, 0, DeviceOptions{}, rand.Reader)
			if err != nil {
				continue
			}
			was, is := arrayOf(p, 0), arrayOf(after[0], -1)
			next := 0
			for i, element := range was {
				if touched[i] || isArrayMark(element) {
					continue
				}
				n := slices.IndexFunc(is[next:], func(e json.RawMessage) bool { return bytes.Equal(e, element) })
				if n < 0 {
					t.Fatalf("%s\nbecame %s\nand lost %s", text, after[0].texts(), element)
				}
				next += n + 1
			}
			if p.Format == FormatSession && (!bytes.HasPrefix(after[0].Values[0], []byte(`{"a":[1, 2],"_2fDevices" :"`)) || !bytes.HasSuffix(after[0].Values[0], []byte(`" , "z":{}}`))) {
				t.Fatalf("the session became %s", after[0].Values[0])
			}
			devices, problems := ParsePlaces(after, DeviceOptions{})
			before, worse := ParsePlaces([]Place{p}, DeviceOptions{})
			if want := len(before) + len(worse) + len(c.Add) - len(c.Remove); len(devices)+len(problems) != want {
				t.Fatalf("%s\nbecame %s: %d devices, want %d", text, after[0].texts(), len(devices)+len(problems), want)
			}
		}
	})
}

// arrayOf gives the elements of one value of p, or with -1 of all; none if it is no array.
func arrayOf(p Place, value int) []json.RawMessage {
	var all []json.RawMessage
	for i, v := range p.Values {
		if value >= 0 && i != value {
			continue
		}
		if p.Format == FormatSession {
			array, err := openSession(v)
			if err != nil {
				continue
			}
			v = array
		}
		elements, err := splitArray(v)
		if err != nil {
			continue
		}
		all = append(all, elements...)
	}
	return all
}

// FuzzParsePlaces: whatever stands in any place, nothing panics, and what is read for a login is what a change is made of.
func FuzzParsePlaces(f *testing.F) {
	f.Add(`[{"type":"UBK","_yubikey":"ccccccelerpg"}]`, "totp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", `{"_2fDevices":"[]"}`)
	f.Add("x", "hotp:MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=;2", "x")
	f.Fuzz(func(t *testing.T, array, gluu, session string) {
		for _, p := range []Place{arrays(array), place(FormatGluu, gluu), place(FormatSession, session)} {
			devices, problems := ParsePlaces([]Place{p}, DeviceOptions{})
			again, worse := split(gather([]Place{p}, DeviceOptions{}))
			if !reflect.DeepEqual(reveal(devices), reveal(again)) || !reflect.DeepEqual(problems, worse) {
				t.Fatalf("%q: %+v %+v, for a change %+v %+v", p.texts(), devices, problems, again, worse)
			}
		}
		ParsePlaces([]Place{arrays(array), place(FormatGluu, gluu), place(FormatSession, session)}, DeviceOptions{})
	})
}

package file

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
)

// newDevice is what tests add; written is how it stands in the file, without line ends.
func newDevice(name string) directory.Device {
	return directory.Device{Type: directory.TypeTOTP, Name: name, Epoch: 1700000000, Secret: secret.New("key of the device " + name)}
}

func written(name string) string {
	d := newDevice(name)
	return fmt.Sprintf("[[users.devices]]\ntype = \"TOTP\"\nname = %q\nepoch = 1700000000\nsecret = %q\n",
		name, strings.ToLower(secretEncoding.EncodeToString([]byte(d.Secret.Reveal()))))
}

// change makes a change to the devices of alice and returns what the file then says.
func (f *fixture) change(t testing.TB, c directory.Change) (string, error) {
	t.Helper()
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	err = f.ChangeDevices(t.Context(), u, c)
	text, readErr := os.ReadFile(f.path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

// layouts are ways in which people write an entry. "@" stands where the blocks of the devices "one" and "two" are
// when alice has them, and the empty string when she has none: adding and removing lead from one to the other.
var layouts = map[string]string{
	"only entry":                    "[[users]]\nname = \"alice\"\n\n@",
	"between two":                   "[[users]]\nname = \"zoe\"\n\n[[users]]\nname = \"alice\"\n\n@\n[[users]]\nname = \"bob\"\n",
	"tight":                         "[[users]]\nname = \"alice\"\n@[[users]]\nname = \"bob\"\n",
	"comment of the next":           "[[users]]\nname = \"alice\"\n\n@\n# bob's\n[[users]]\nname = \"bob\"\n",
	"comment of nobody":             "[[users]]\nname = \"alice\"\n\n@\n# a heading\n\n[[users]]\nname = \"bob\"\n",
	"comment that touches both":     "[[users]]\nname = \"alice\"\n@# bob's, or alice's?\n[[users]]\nname = \"bob\"\n",
	"comment of the entry":          "[[users]]\nname = \"alice\" # who\n# that was alice\n\n@",
	"other tables after the header": "[[users]]\nname = \"alice\"\n[users.attributes]\nvlan = [ # two\n  \"1\",\n]\n\n@\n[[users]]\nname = \"bob\"\n",
	"odd keys":                      "[[ \"users\" ]]\n'name'=\"alice\"\nattributes . vlan = ['1']\n\n@\n[[users]] # bob\nname = \"bob\"\n",
	"text like a header":            "[[users]]\nname = \"alice\"\nattributes.note = [\"\"\"x[[users.devices]]# \"\"\"]\n\n@",
	"mark of the byte order":        "\xef\xbb\xbf[[users]]\nname = \"alice\"\n\n@",
	"indented":                      "  [[users]]\n  name = \"alice\"\n\n@\n  [[users]]\n  name = \"bob\"\n",
	"no newline at the end":         "# users\n[[users]]\nname = \"alice\"\n\n@\x00",
}

// lay makes a file of a layout, with those devices.
func lay(layout string, devices ...string) string {
	blocks := make([]string, len(devices))
	for i, name := range devices {
		blocks[i] = written(name)
	}
	separator := "\n"
	if !strings.Contains(layout, "\n\n@") {
		separator = ""
	}
	before, after, _ := strings.Cut(layout, "@")
	if len(devices) == 0 {
		before = strings.TrimSuffix(before, separator)
	}
	text := before + strings.Join(blocks, separator) + after
	if cut, ok := strings.CutSuffix(text, "\x00"); ok {
		text = strings.TrimSuffix(cut, "\n")
	}
	return text
}

func TestAChangeTouchesOnlyTheDevicesLines(t *testing.T) {
	one, two := newDevice("one"), newDevice("two")
	steps := []struct {
		name     string
		from, to []string
		change   directory.Change
	}{
		{"add the first", nil, []string{"one"}, directory.Change{Add: []directory.Device{one}}},
		{"add another", []string{"one"}, []string{"one", "two"}, directory.Change{Add: []directory.Device{two}}},
		{"add two", nil, []string{"one", "two"}, directory.Change{Add: []directory.Device{one, two}}},
		{"remove the first", []string{"one", "two"}, []string{"two"}, directory.Change{Remove: []string{one.ID()}}},
		{"remove the last", []string{"one", "two"}, []string{"one"}, directory.Change{Remove: []string{two.ID()}}},
		{"remove the only", []string{"one"}, nil, directory.Change{Remove: []string{one.ID()}}},
		{"remove both", []string{"one", "two"}, nil, directory.Change{Remove: []string{one.ID(), two.ID()}}},
		{"replace", []string{"one"}, []string{"two"}, directory.Change{Add: []directory.Device{two}, Remove: []string{one.ID()}}},
	}
	for name, layout := range layouts {
		for _, step := range steps {
			for _, newline := range []string{"\n", "\r\n"} {
				t.Run(fmt.Sprintf("%s/%s/%q", name, step.name, newline), func(t *testing.T) {
					from := strings.ReplaceAll(lay(layout, step.from...), "\n", newline)
					want := strings.ReplaceAll(lay(layout, step.to...), "\n", newline)
					got, err := mustOpen(t, from).change(t, step.change)
					if err != nil {
						t.Fatal(err)
					}
					if got != want {
						t.Errorf("from %q\ngot  %q\nwant %q", from, got, want)
					}
				})
			}
		}
	}
}

const (
	phone = "  [[users.devices]]   # phone\n  type = \"TOTP\"\n  \"name\"   = 'phone' # mine\n  epoch = 1700000001\n  secret = \"" + aSecret + "\"\n"
	plain = "[[users.devices]]\ntype = \"HOTP\"\nsecret = \"gezdgnbvgy3tqojqgezdgnbvgy3tqoaa\"\n"
	head  = "[[users]]\nname = \"alice\"\n"
	bob   = "[[users]]\nname = \"bob\"\n"
)

func TestChangesByExample(t *testing.T) {
	phoneID := directory.Device{Type: "TOTP", Name: "phone", Epoch: 1700000001}.ID()
	plainID := directory.Device{Type: "HOTP"}.ID()
	remove := func(id string) directory.Change { return directory.Change{Remove: []string{id}} }
	for name, c := range map[string]struct {
		from   string
		change directory.Change
		to     string
	}{
		"rename": {
			head + phone + bob,
			directory.Change{Rename: map[string]string{phoneID: "éphone 2"}},
			head + strings.Replace(phone, "'phone'", `"éphone 2"`, 1) + bob,
		},
		"rename what has no name": {
			head + plain + bob,
			directory.Change{Rename: map[string]string{plainID: "token"}},
			head + strings.Replace(plain, "type", "name = \"token\"\ntype", 1) + bob,
		},
		"rename, remove and add at once": {
			head + "\n" + phone + "\n" + plain + "\n" + bob,
			directory.Change{Rename: map[string]string{phoneID: "b"}, Remove: []string{plainID}, Add: []directory.Device{newDevice("one")}},
			head + "\n" + strings.Replace(phone, "'phone'", `"b"`, 1) + "\n  " + strings.TrimSuffix(strings.ReplaceAll(written("one"), "\n", "\n  "), "  ") + "\n" + bob,
		},
		"its own comments go": {
			head + "\n# the phone\n# of alice\n" + phone + "  # digits = 8\n\n# bob\n" + bob, remove(phoneID), head + "\n# bob\n" + bob,
		},
		"its own comment goes at the end": {head + "\n" + phone + "# digits = 8\n", remove(phoneID), head},
		"comments of others stay": {
			head + "# mail = \"x\"\n" + phone + "# bob\n" + bob, remove(phoneID), head + "# mail = \"x\"\n# bob\n" + bob,
		},
		"comments of the next device stay": {
			head + "\n" + phone + "\n# token\n" + plain, remove(phoneID), head + "\n# token\n" + plain,
		},
		"no two entries grow together": {head + "\n" + phone + bob, remove(phoneID), head + "\n" + bob},
		"tables after the devices": {
			head + phone + "[users.attributes]\nvlan = [\"1\"]\n",
			directory.Change{Remove: []string{phoneID}, Add: []directory.Device{newDevice("one")}},
			head + "[users.attributes]\nvlan = [\"1\"]\n\n" + written("one"),
		},
		"beside tables after the devices": {
			head + plain + "\n[users.attributes]\nvlan = [\"1\"]\n",
			directory.Change{Add: []directory.Device{newDevice("one")}},
			head + plain + "\n" + written("one") + "\n[users.attributes]\nvlan = [\"1\"]\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mustOpen(t, c.from).change(t, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.to {
				t.Errorf("got  %q\nwant %q", got, c.to)
			}
		})
	}
}

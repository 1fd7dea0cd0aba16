package file

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tandem/directory"
)

// inlined is how a device that tests add stands in an array.
func inlined(name string) string {
	lines := strings.Split(strings.TrimSpace(written(name)), "\n")
	return "{ " + strings.Join(lines[1:], ", ") + " }"
}

// TestDevicesInOneArray has an array for each form in which people write one, with A, B and C for devices.
func TestDevicesInOneArray(t *testing.T) {
	a, b, c := newDevice("a"), newDevice("b"), newDevice("c")
	remove := func(devices ...directory.Device) (change directory.Change) {
		for _, d := range devices {
			change.Remove = append(change.Remove, d.ID())
		}
		return change
	}
	for name, forms := range map[string][4]string{ // A and B; A; B; A, B and C
		"one line":                {"[A, B]", "[A]", "[B]", "[A, B, C]"},
		"spaces":                  {"[ A , B ] # two", "[ A ] # two", "[ B ] # two", "[ A , B, C ] # two"},
		"a comma at the end":      {"[A, B,]", "[A,]", "[B,]", "[A, B, C,]"},
		"lines":                   {"[\n  A,\n  B,\n]", "[\n  A,\n]", "[\n  B,\n]", "[\n  A,\n  B,\n  C,\n]"},
		"lines without a comma":   {"[\n\tA,\n\tB\n]", "[\n\tA\n]", "[\n\tB\n]", "[\n\tA,\n\tB,\n\tC\n]"},
		"comments":                {"[ # two\n  A, # a\n  # of b\n  B, # b, too\n]", "[ # two\n  A, # a\n  # of b\n]", "[ # two\n  # of b\n  B, # b, too\n]", "[ # two\n  A, # a\n  # of b\n  B, # b, too\n  C,\n]"},
		"a comment for the comma": {"[\n  A # ,\n  , B\n]", "[\n  A # ,\n   \n]", "[\n   B\n]", "[\n  A # ,\n  , B, C\n]"},
		"brackets on its lines":   {"[ A,\n  B ]", "[ A\n   ]", "[ \n  B ]", "[ A,\n  B, C ]"},
		"followed by more":        {"[A, B]\nmail = \"a@b.c\"\n\n" + bob, "[A]\nmail = \"a@b.c\"\n\n" + bob, "[B]\nmail = \"a@b.c\"\n\n" + bob, "[A, B, C]\nmail = \"a@b.c\"\n\n" + bob},
	} {
		for _, newline := range []string{"\n", "\r\n"} {
			file := func(form string) string {
				text := strings.NewReplacer("A", inlined("a"), "B", inlined("b"), "C", inlined("c")).Replace(form)
				return strings.ReplaceAll(head+"devices = "+text, "\n", newline)
			}
			for i, step := range map[int]directory.Change{1: remove(b), 2: remove(a), 3: {Add: []directory.Device{c}}} {
				got, err := mustOpen(t, file(forms[0])).change(t, step)
				if err != nil {
					t.Errorf("%s, %d: %v", name, i, err)
				} else if want := file(forms[i]); got != want {
					t.Errorf("%s, %d:\ngot  %q\nwant %q", name, i, got, want)
				}
			}
			renamed := newDevice("b")
			renamed.Name = "new"
			got, err := mustOpen(t, file(forms[0])).change(t, directory.Change{Rename: map[string]string{b.ID(): "new"}})
			if want := strings.Replace(file(forms[0]), "name = \"b\"", "name = \"new\"", 1); err != nil || got != want {
				t.Errorf("%s, rename: %v\ngot  %q\nwant %q", name, err, got, want)
			}
			if _, err := mustOpen(t, file(forms[0])).change(t, remove(a, b)); err != nil {
				t.Errorf("%s, remove both: %v", name, err)
			}
		}
	}
}

func TestDevicesInAnEmptyArray(t *testing.T) {
	for _, array := range []string{"[@]", "[\n  # none\n@] # so far", "[ @]"} {
		from := head + "devices = " + strings.ReplaceAll(array, "@", "") + "\n"
		f := mustOpen(t, from)
		got, err := f.change(t, add("one"))
		if want := head + "devices = " + strings.ReplaceAll(array, "@", inlined("one")) + "\n"; err != nil || got != want {
			t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
		}
		if got, err = f.change(t, directory.Change{Remove: []string{newDevice("one").ID()}}); err != nil || got != from {
			t.Errorf("%v\ngot  %q\nwant %q", err, got, from)
		}
	}
}

func TestRenameInAnArrayWhatHasNoName(t *testing.T) {
	from := head + "devices = [{type = \"HOTP\", secret = \"" + aSecret + "\"}]\n"
	id := directory.Device{Type: "HOTP"}.ID()
	got, err := mustOpen(t, from).change(t, directory.Change{Rename: map[string]string{id: "token"}})
	if want := strings.Replace(from, "{type", "{ name = \"token\",type", 1); err != nil || got != want {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
}

// TestRandomArraysKeepAllElse changes arrays with white space and comments between all their signs.
func TestRandomArraysKeepAllElse(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		blank := rapid.SampledFrom([]string{"", "", " ", "\t", "\n", "\r\n", "\n\n  ", " # note, [x]\n", "\n# note {\n  "})
		array, ids := "["+blank.Draw(r, "blank"), []string{}
		for i := range rapid.IntRange(0, 4).Draw(r, "devices") {
			if i > 0 {
				array += "," + blank.Draw(r, "blank")
			}
			array += inlined(fmt.Sprintf("old %d", i)) + blank.Draw(r, "blank")
			ids = append(ids, newDevice(fmt.Sprintf("old %d", i)).ID())
		}
		if len(ids) > 0 && rapid.Bool().Draw(r, "comma") {
			array += "," + blank.Draw(r, "blank")
		}
		before, after := "# top\n"+head+"devices = ", " # two\nmail = \"a@b.c\"\n# end\n"+bob
		text := before + array + "]" + after

		change := directory.Change{Rename: map[string]string{}}
		for i, id := range ids {
			switch rapid.SampledFrom([]string{"keep", "remove", "rename"}).Draw(r, "do") {
			case "remove":
				change.Remove = append(change.Remove, id)
			case "rename":
				change.Rename[id] = fmt.Sprintf("other %d", i)
			}
		}
		for i := range rapid.IntRange(0, 2).Draw(r, "new") {
			change.Add = append(change.Add, newDevice(fmt.Sprintf("new %d", i)))
		}
		f := mustOpen(t, text)
		f.sync = func(*os.File) error { return nil } // a disk is slow
		got, err := f.change(t, change)
		if err != nil {
			r.Fatalf("%q: %v", text, err)
		}
		if !strings.HasPrefix(got, before+"[") || !strings.HasSuffix(got, "]"+after) {
			r.Fatalf("from %q\ngot  %q", text, got)
		}
		for _, sign := range []string{"# note, [x]", "# note {"} {
			if len(change.Remove) == 0 && strings.Count(got, sign) != strings.Count(text, sign) {
				r.Fatalf("a comment is lost\nfrom %q\ngot  %q", text, got)
			}
		}
	})
}

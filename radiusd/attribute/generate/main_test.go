package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table in the repository is the one that Debian's dictionaries make.
func TestTableIsUpToDate(t *testing.T) {
	to := filepath.Join(t.TempDir(), "table.go")
	var stderr strings.Builder
	if code := run([]string{"-to", to}, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	want, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("table.go differs from what the dictionaries say: go generate ./radiusd/attribute, and look at the changes")
	}
}

func TestRunRefuses(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"-from", t.TempDir(), "-to", filepath.Join(t.TempDir(), "table.go")}, 1},
		{[]string{"-to", filepath.Join(t.TempDir(), "missing", "table.go")}, 1},
		{[]string{"-nonsense"}, 2},
		{[]string{"table.go"}, 2},
	} {
		if code := run(test.args, io.Discard); code != test.code {
			t.Errorf("%v: exit %d, want %d", test.args, code, test.code)
		}
	}
}

func TestGenerate(t *testing.T) {
	groups, err := read(folder(t, map[string]string{
		"base": "ATTRIBUTE Level 6 integer\nVALUE Level Low 1\nATTRIBUTE Key 69 string has_tag,encrypt=2\nATTRIBUTE Hidden 2 string encrypt=1\n",
		"more": "VALUE Level High 0x0a\nVALUE Level low 1\n",
		"acme": "VENDOR Acme 4242\nBEGIN-VENDOR Acme\nATTRIBUTE Acme-Level 1 integer\nATTRIBUTE Acme-Old-Level 1 integer\n" +
			"VALUE Acme-Level On 1\nATTRIBUTE Acme-Code 2 octets[3]\nEND-VENDOR Acme\n",
	}), []string{"base", "more", "acme"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := write(groups)
	if err != nil {
		t.Fatal(err)
	}
	const want = `var table = [...]definition{
	// dictionary.base
	{name: "Level", number: 6, kind: kindInteger, values: []namedValue{{"Low", 1}, {"High", 10}}},
	{name: "Key", number: 69, kind: kindString, tagged: true, sealed: true},
	{name: "Hidden", number: 2, kind: kindUnsupported},

	// dictionary.acme
	{name: "Acme-Level", vendor: 4242, number: 1, kind: kindInteger, values: []namedValue{{"On", 1}}},
	{name: "Acme-Old-Level", vendor: 4242, number: 1, kind: kindInteger, values: []namedValue{{"On", 1}}},
	{name: "Acme-Code", vendor: 4242, number: 2, kind: kindOctets, size: 3},
}
`
	if !strings.HasSuffix(string(got), want) {
		t.Errorf("got\n%s\nwant at its end\n%s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct{ dictionary, want string }{
		{"ATTRIBUTE A 256 integer\n", "does not fit into one octet"},
		{"ATTRIBUTE A 5.1 integer\n", "does not fit into one octet"},
		{"ATTRIBUTE A 5 integer\nATTRIBUTE a 6 integer\n", "attribute a is in dictionary.x and in dictionary.x"},
		{"VALUE A Low 1\n", "that no dictionary read so far defines"},
		{"ATTRIBUTE A 5 integer\nVALUE A Low 1\nVALUE A low 2\n", "is both 1 and 2"},
		{"nonsense\n", "unknown line"},
	} {
		_, err := read(folder(t, map[string]string{"x": test.dictionary}), []string{"x"})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q in it", test.dictionary, err, test.want)
		}
	}
}

// folder makes a folder with dictionaries.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, "dictionary."+name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

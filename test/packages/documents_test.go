package packages

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// forBuilders is what documents name of the folder packaging to whoever builds Tandem: it is in no package.
var forBuilders = []string{"packaging/install.sh", "packaging/sbom"}

// files are the regular files under a folder, by their paths from there.
func files(t *testing.T, folder string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// documents: what the documents in the packages tell an administrator to take from the folder packaging is in them too, and
// the .rpm have the same examples as the .deb.
func (m made) documents(t *testing.T) {
	root := t.TempDir()
	inRPM := ""
	for _, name := range []string{"tandem", "libpam-tandem"} {
		run(t, need(t, "dpkg-deb", "dpkg"), "-x", file(t, m.older, name+"_*_amd64.deb"), root)
		inRPM += run(t, need(t, "rpm", "rpm"), "-qlp", file(t, m.older, name+"-1.0.0-1.x86_64.rpm"))
	}
	examples, texts, shipped := 0, "", map[string]bool{}
	for _, path := range files(t, root) {
		text := read(t, filepath.Join(root, path))
		shipped[text] = true
		if strings.HasSuffix(path, ".md") {
			texts += text
		}
		if strings.Contains(path, "/examples/") {
			examples++
			if !slices.Contains(strings.Split(inRPM, "\n"), "/"+path) {
				t.Errorf("the .rpm have no /%s", path)
			}
		}
	}
	named := regexp.MustCompile(`\bpackaging/[\w./-]*\w`).FindAllString(texts, -1)
	if examples < 20 || len(named) < 20 {
		t.Fatalf("only %d examples, and %d mentions of them", examples, len(named))
	}
	slices.Sort(named)
	for _, name := range slices.Compact(named) {
		if slices.Contains(forBuilders, name) {
			continue
		}
		source := filepath.Join(top, name)
		info, err := os.Stat(source)
		if err != nil {
			t.Errorf("the documents name %s: %v", name, err)
			continue
		}
		of := []string{""}
		if info.IsDir() {
			of = files(t, source)
		}
		for _, f := range of {
			if !strings.HasSuffix(f, ".go") && !shipped[read(t, filepath.Join(source, f))] {
				t.Errorf("the documents name %s, and no package has %s", name, filepath.Join(name, f))
			}
		}
	}
}

// TestCopyright: the copyright file names who made the tables of RADIUS attributes, and each of their dictionaries is under the licence
// that it says, or is named there as the exception.
func TestCopyright(t *testing.T) {
	copyright := read(t, top+"/packaging/deb/copyright")
	const generated = "radiusd/attribute/table.go"
	for _, want := range []string{
		"Files: " + generated + "\n", "The FreeRADIUS Server project and contributors", "License: CC-BY-4.0\n",
		"https://creativecommons.org/licenses/by/4.0\n",
	} {
		if !strings.Contains(copyright, want) {
			t.Errorf("packaging/deb/copyright does not say %q", want)
		}
	}
	dictionaries := regexp.MustCompile(`(?m)^\t// (dictionary\.\S+)$`).FindAllStringSubmatch(read(t, filepath.Join(top, generated)), -1)
	if len(dictionaries) < 20 {
		t.Fatalf("%s names %d dictionaries", generated, len(dictionaries))
	}
	for _, d := range dictionaries {
		path := "/usr/share/freeradius/" + d[1]
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: apt-get install freeradius-common", err)
		}
		if !strings.Contains(string(text), "licensed under CC-BY version 4.0 https://creativecommons.org/licenses/by/4.0") && !strings.Contains(copyright, d[1]) {
			t.Errorf("%s does not name the licence, and packaging/deb/copyright does not say so", path)
		}
	}
}

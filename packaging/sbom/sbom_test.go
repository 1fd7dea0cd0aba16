package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// tandem builds a program to look into.
func tandem(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tandem")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "tandem/cmd/tandem")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// describe runs the program and returns what it has written.
func describe(t *testing.T, program string) (bill, notices []byte) {
	t.Helper()
	dir := t.TempDir()
	bomFile, noticesFile := filepath.Join(dir, "bom"), filepath.Join(dir, "notices")
	var said bytes.Buffer
	args := []string{"-version", "1.2.0", "-date", "2026-11-21T21:35:10Z", "-bom", bomFile, "-notices", noticesFile, program}
	if status := run(args, &said); status != 0 {
		t.Fatalf("exit status %d: %s", status, &said)
	}
	bill, err := os.ReadFile(bomFile)
	if err != nil {
		t.Fatal(err)
	}
	if notices, err = os.ReadFile(noticesFile); err != nil {
		t.Fatal(err)
	}
	return bill, notices
}

func TestBillOfMaterials(t *testing.T) {
	program := tandem(t)
	text, notices := describe(t, program)

	// What CycloneDX 1.5 demands (bom-1.5.schema.json), and what a reader looks for.
	var b bom
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.5" || b.Version != 1 {
		t.Errorf("bomFormat %q, specVersion %q, version %d", b.Format, b.Spec, b.Version)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(b.Serial) {
		t.Errorf("serialNumber %q", b.Serial)
	}
	if _, err := time.Parse(time.RFC3339, b.Metadata.Timestamp); err != nil {
		t.Error(err)
	}
	if c := b.Metadata.Component; c.Type != "application" || c.Name != "tandem" || c.Version != "1.2.0" {
		t.Errorf("metadata.component %+v", c)
	}
	refs := map[string]bool{b.Metadata.Component.Ref: true}
	var modules []string
	for _, c := range b.Components {
		if c.Ref == "" || refs[c.Ref] {
			t.Errorf("bom-ref %q is empty or there twice", c.Ref)
		}
		refs[c.Ref] = true
		switch c.Type {
		case "library":
			if !regexp.MustCompile(`^pkg:golang/[a-z0-9._/~-]+@\S+$`).MatchString(c.PURL) {
				t.Errorf("purl %q", c.PURL)
			}
			modules = append(modules, c.Name+" "+c.Version)
			if !strings.Contains(string(notices), "\n"+c.Name+" "+c.Version+"\n") {
				t.Errorf("no licence of %s", c.Name)
			}
		case "file":
			if c.Name != "tandem" || len(c.Hashes) != 1 || c.Hashes[0].Algorithm != "SHA-256" || len(c.Hashes[0].Content) != 64 {
				t.Errorf("file %+v", c)
			}
		default:
			t.Errorf("type %q", c.Type)
		}
	}
	for _, dependency := range b.Dependencies {
		for _, ref := range append(dependency.DependsOn, dependency.Ref) {
			if !refs[ref] {
				t.Errorf("dependencies name %q, which is no component", ref)
			}
		}
	}

	// The modules are those that Go itself tells.
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(string(out), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	version := regexp.MustCompile(`: go(\S+)`).FindStringSubmatch(string(out))[1]
	want = append(want, "std "+version)
	slices.Sort(want)
	slices.Sort(modules)
	if !slices.Equal(modules, want) {
		t.Errorf("modules %q, want %q", modules, want)
	}

	again, noticesAgain := describe(t, program)
	if !bytes.Equal(text, again) || !bytes.Equal(notices, noticesAgain) {
		t.Error("a second run writes something else")
	}
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	all := []string{"-version", "1", "-date", "2026-11-21T21:35:10Z", "-bom", filepath.Join(dir, "b"), "-notices", filepath.Join(dir, "n")}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-help"}, 0, "-notices"},
		{nil, 2, "name -version"},
		{all, 2, "the programs"},
		{[]string{"-colour"}, 2, "not defined"},
		{append(slices.Clone(all), script), 1, "only programs that Go has linked"},
		{append(slices.Clone(all), filepath.Join(dir, "none")), 1, "no such file"},
	} {
		var said bytes.Buffer
		if status := run(c.args, &said); status != c.status || !strings.Contains(said.String(), c.says) {
			t.Errorf("%q: exit status %d, says %s", c.args, status, &said)
		}
	}
}

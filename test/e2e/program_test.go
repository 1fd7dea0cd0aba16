package e2e

import (
	"debug/elf"
	"path/filepath"
	"testing"
)

func TestProgramsAreStatic(t *testing.T) {
	for _, name := range []string{"tandemd", "tandem"} {
		f, err := elf.Open(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		libraries, err := f.ImportedLibraries()
		if err != nil || len(libraries) != 0 {
			t.Errorf("%s needs %v (%v)", name, libraries, err)
		}
		if f.Section(".interp") != nil {
			t.Errorf("%s needs a dynamic loader", name)
		}
	}
}

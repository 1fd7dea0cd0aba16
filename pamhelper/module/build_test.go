package module_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"tandem/pamhelper/module"
)

// built is where TestMain has put the module and the programs of the tests: a folder that every user
// can read.
var built struct {
	folder string
	module string
	probe  string
}

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		_ = os.RemoveAll(built.folder)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built.folder)
		os.Exit(code)
	}))
}

// build compiles the module from the embedded sources.
func build() error {
	for program, packages := range map[string]string{"gcc": "gcc", "make": "make"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the tests build the PAM module: apt-get install %s libpam0g-dev", packages)
		}
	}
	if _, err := os.Stat("/usr/include/security/pam_modules.h"); err != nil {
		return errors.New("the tests build the PAM module: apt-get install libpam0g-dev")
	}
	var err error
	if built.folder, err = os.MkdirTemp("", "pam_tandem"); err != nil {
		return err
	}
	if err := os.Chmod(built.folder, 0o755); err != nil {
		return err
	}
	if err := unpack(built.folder); err != nil {
		return err
	}
	if out, err := exec.Command("make", "-C", built.folder, "CC=gcc").CombinedOutput(); err != nil {
		return fmt.Errorf("build the module: %w\n%s", err, out)
	}
	built.module = filepath.Join(built.folder, "pam_tandem.so")
	built.probe = filepath.Join(built.folder, "pam_probe.so")
	return compile(built.probe, "-shared", "-fPIC", "testdata/pam_probe.c", "-lpam")
}

func compile(out string, args ...string) error {
	if text, err := exec.Command("gcc", append([]string{"-o", out, "-std=gnu11", "-Wall", "-Wextra", "-Werror"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("compile %v: %w\n%s", args, err, text)
	}
	return nil
}

// unpack writes the module's sources into folder.
func unpack(folder string) error {
	return fs.WalkDir(module.Sources, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(folder, path), 0o755)
		}
		text, err := module.Sources.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, path), text, 0o644)
	})
}

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const profile = top + "/packaging/apparmor/usr.sbin.tandemd"

func TestAppArmor(t *testing.T) {
	parser := need(t, "apparmor_parser", "apparmor")
	text := read(t, profile)
	// The examples stand in comments, under the two sentences that say what they are for.
	_, examples, ok := strings.Cut(text, "  # An external command")
	if !ok {
		t.Fatal("the profile has no example of an external command")
	}
	var local strings.Builder
	for l := range strings.Lines(examples) {
		if rule, ok := strings.CutPrefix(l, "  #   "); ok {
			local.WriteString(rule)
		}
	}
	for name, local := range map[string]string{"as installed": "", "with the examples": local.String()} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "usr.sbin.tandemd"), 0o644, text)
		write(t, filepath.Join(dir, "local/usr.sbin.tandemd"), 0o644, local)
		if out, err := exec.Command(parser, "--skip-kernel-load", "--Include", dir, filepath.Join(dir, "usr.sbin.tandemd")).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestSELinux(t *testing.T) {
	checkmodule, pack := need(t, "checkmodule", "checkpolicy"), need(t, "semodule_package", "semodule-utils")
	policy, dir := top+"/packaging/selinux/tandem", t.TempDir()
	run(t, checkmodule, "-M", "-m", "-o", filepath.Join(dir, "tandem.mod"), policy+".te")
	run(t, pack, "-o", filepath.Join(dir, "tandem.pp"), "-m", filepath.Join(dir, "tandem.mod"), "-f", policy+".fc")
	if info, err := os.Stat(filepath.Join(dir, "tandem.pp")); err != nil || info.Size() == 0 {
		t.Fatalf("no policy package: %v", err)
	}

	// Each label is of a type that the module declares, or is that of ordinary programs.
	te := read(t, policy+".te")
	for _, label := range regexp.MustCompile(`object_r:(\w+):s0`).FindAllStringSubmatch(read(t, policy+".fc"), -1) {
		if label[1] != "bin_t" && !strings.Contains(te, "\ntype "+label[1]+";") {
			t.Errorf("tandem.fc gives the label %s, which tandem.te does not declare", label[1])
		}
	}
}

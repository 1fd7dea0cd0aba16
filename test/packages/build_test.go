package packages

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestVersionsOfPackages(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.0":              "1.2.0",
		"1.2.0":               "1.2.0",
		"v1.2.0-rc.1":         "1.2.0~rc.1",
		"v1.2.0-3-gabc1234":   "1.2.0+3.gabc1234",
		"v1.2.0-dirty":        "1.2.0+dirty",
		"v1.2.0-3-gabc-dirty": "1.2.0+3.gabc+dirty",
		"1265f4b":             "0~20261121.213510.1265f4b",
		"1265f4b-dirty":       "0~20261121.213510.1265f4b+dirty",
		"dev":                 "0~20261121.213510.dev",
	} {
		if got := strings.TrimSpace(run(t, top+"/packaging/version.sh", version, "1795296910")); got != want {
			t.Errorf("%s is %s, want %s", version, got, want)
		}
	}
	order := []string{"v1.1.0-rc.1", "v1.1.0", "v1.1.0-2-gabc", "v1.1.1"}
	if dpkg, err := exec.LookPath("dpkg"); err == nil {
		for i := range order[1:] {
			a, b := run(t, top+"/packaging/version.sh", order[i], "0"), run(t, top+"/packaging/version.sh", order[i+1], "0")
			run(t, dpkg, "--compare-versions", strings.TrimSpace(a), "lt", strings.TrimSpace(b))
		}
	}
}

// architectures that there are packages for, as dpkg, rpm and the linker call them.
var architectures = []struct {
	deb, rpm string
	machine  elf.Machine
}{
	{"amd64", "x86_64", elf.EM_X86_64},
	{"arm64", "aarch64", elf.EM_AARCH64},
}

// made are the packages of two versions: both of the older one in all forms, of the newer one what Debian upgrades to.
type made struct{ older, newer string }

// file is a package, by the pattern of its name.
func file(t *testing.T, folder, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// TestPackages builds the packages once, looks at them, and installs them. `make test-packages` runs it.
func TestPackages(t *testing.T) {
	if !*install {
		t.Skip("takes minutes, and a Debian from the network: make test-packages")
	}
	needRoot(t)
	dir := t.TempDir()
	m := made{filepath.Join(dir, "older"), filepath.Join(dir, "newer")}
	build := func(out, version string, args ...string) {
		t.Helper()
		run(t, "make", append([]string{"-s", "-C", top, "packages", "PACKAGES=" + out, "VERSION=" + version, "COMMIT=abc1234", "SOURCE_DATE_EPOCH=1795296910"}, args...)...)
	}
	build(m.older, "v1.0.0")
	build(m.newer, "v1.1.0", "ARCHES=amd64")
	t.Run("Lintian", m.lintian)
	t.Run("Libraries", m.libraries)
	t.Run("Documents", m.documents)
	t.Run("RPM", m.rpm)
	t.Run("Debian", m.debian)
	t.Run("Reproducible", func(t *testing.T) {
		run(t, "make", "-s", "-C", top, "reproducible")
	})
}

func (m made) lintian(t *testing.T) {
	args := []string{"--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"}
	for _, arch := range architectures {
		args = append(args, file(t, m.older, "tandem_*_"+arch.deb+".deb"), file(t, m.older, "libpam-tandem_*_"+arch.deb+".deb"))
	}
	run(t, need(t, "lintian", "lintian"), args...)
}

// libraries: daemon and command are for their machine and need no library; the module and its helper run with the C library of Debian 12, RHEL 9 and all that are newer.
func (m made) libraries(t *testing.T) {
	const newest = "GLIBC_2.34"
	for _, arch := range architectures {
		root := t.TempDir()
		run(t, need(t, "dpkg-deb", "dpkg"), "-x", file(t, m.older, "tandem_*_"+arch.deb+".deb"), root)
		for _, path := range []string{"usr/sbin/tandemd", "usr/bin/tandem"} {
			f, err := elf.Open(file(t, root, path))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if libraries, err := f.ImportedLibraries(); f.Machine != arch.machine || err != nil || len(libraries) > 0 {
				t.Errorf("%s %s is for %v, and needs %q (%v)", arch.deb, path, f.Machine, libraries, err)
			}
		}
		run(t, need(t, "dpkg-deb", "dpkg"), "-x", file(t, m.older, "libpam-tandem_*_"+arch.deb+".deb"), root)
		for _, path := range []string{"usr/libexec/tandem/tandem-pam", "usr/lib/*/security/pam_tandem.so"} {
			f, err := elf.Open(file(t, root, path))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Machine != arch.machine {
				t.Errorf("%s %s is for %v", arch.deb, path, f.Machine)
			}
			libraries, err := f.ImportedLibraries()
			for _, l := range libraries {
				if !slices.Contains([]string{"libpam.so.0", "libc.so.6", "ld-linux-aarch64.so.1"}, l) {
					t.Errorf("%s %s needs %s, and the packages do not say so", arch.deb, path, l)
				}
			}
			symbols, symbolsErr := f.ImportedSymbols()
			if err != nil || symbolsErr != nil || len(symbols) == 0 {
				t.Fatalf("%s %s: %v, %v", arch.deb, path, err, symbolsErr)
			}
			for _, s := range symbols {
				if strings.HasPrefix(s.Version, "GLIBC_") && len(s.Version) == len(newest) && s.Version > newest {
					t.Errorf("%s %s needs %s of %s", arch.deb, path, s.Name, s.Version)
				}
			}
		}
	}
}

// contents of the rpm packages, without documents.
var contents = map[string]string{
	"tandem": `
-rw-r--r-- root root /etc/logrotate.d/tandem
drwxr-x--- root tandem /etc/tandem
-rw-r----- root tandem /etc/tandem/config.toml
-rwxr-xr-x root root /usr/bin/tandem
-rw-r--r-- root root /usr/lib/systemd/system/tandemd.service
-rw-r--r-- root root /usr/lib/systemd/system/tandemd.socket
-rwxr-xr-x root root /usr/sbin/tandemd
-rw-r--r-- root root /usr/share/bash-completion/completions/tandem
-rw-r--r-- root root /usr/share/bash-completion/completions/tandemd
-rw-r--r-- root root /usr/share/fish/vendor_completions.d/tandem.fish
-rw-r--r-- root root /usr/share/fish/vendor_completions.d/tandemd.fish
-rw-r--r-- root root /usr/share/man/man1/tandem.1.gz
-rw-r--r-- root root /usr/share/man/man5/tandem.toml.5.gz
-rw-r--r-- root root /usr/share/man/man8/tandemd.8.gz
-rw-r--r-- root root /usr/share/zsh/site-functions/_tandem
drwx------ tandem tandem /var/lib/tandem
drwxr-x--- tandem tandem /var/log/tandem
`,
	"libpam-tandem": `
-rwxr-xr-x root root /usr/lib64/security/pam_tandem.so
drwxr-xr-x root root /usr/libexec/tandem
-rwxr-xr-x root root /usr/libexec/tandem/tandem-pam
drwxr-xr-x root root /usr/share/authselect/vendor/tandem
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/README
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/REQUIREMENTS
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/dconf-db
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/dconf-locks
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/fingerprint-auth
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/nsswitch.conf
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/password-auth
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/postlogin
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/smartcard-auth
-rw-r--r-- root root /usr/share/authselect/vendor/tandem/system-auth
-rw-r--r-- root root /usr/share/man/man8/pam_tandem.8.gz
-rw-r--r-- root root /usr/share/man/man8/tandem-pam.8.gz
`,
}

// rpm looks at the packages, and lets their scriptlets run in a Debian, which has the few programs that they call.
func (m made) rpm(t *testing.T) {
	rpm := need(t, "rpm", "rpm")
	var packages []string
	for name, want := range contents {
		for _, arch := range architectures {
			p := file(t, m.older, name+"-1.0.0-1."+arch.rpm+".rpm")
			if arch.machine == elf.EM_X86_64 {
				packages = append(packages, p)
			}
			var got strings.Builder
			got.WriteByte('\n')
			for l := range strings.Lines(run(t, rpm, "-qp", "--qf", `[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]`, p)) {
				if !strings.Contains(l, "/usr/share/doc/") && !strings.Contains(l, "/usr/share/licenses/") {
					got.WriteString(l)
				}
			}
			if got.String() != want {
				t.Errorf("%s contains%s, want%s", p, &got, want)
			}
			if out := run(t, rpm, "-qp", "--scripts", p); regexp.MustCompile(`systemctl.* (enable|start|restart)\b`).MatchString(out) {
				t.Errorf("the scriptlets of %s start or enable something: %s", p, out)
			}
		}
	}
	if out := run(t, rpm, "-qp", "--qf", `[%{FILEFLAGS:fflags} %{FILENAMES}\n]`, file(t, m.older, "tandem-1.0.0-1.x86_64.rpm")); !strings.Contains(out, "cn /etc/tandem/config.toml") {
		t.Errorf("config.toml is not %%config(noreplace): %s", out)
	}

	d := newDebian(t)
	pam := d.sums("/etc/pam.d")
	run(t, rpm, append([]string{"--root", d.root, "--nodeps", "--nosignature", "-i"}, packages...)...)
	if got := d.modes("/etc/tandem", "/etc/tandem/config.toml", "/var/lib/tandem", "/var/log/tandem"); got != installed {
		t.Errorf("installed as\n%s, want\n%s", got, installed)
	}
	if d.sums("/etc/pam.d") != pam {
		t.Error("the installation changed /etc/pam.d")
	}
	write(t, d.path("/etc/tandem/config.toml"), 0o640, "# edited\n")
	write(t, d.path("/var/lib/tandem/state.db"), 0o600, "state")
	run(t, rpm, "--root", d.root, "--nodeps", "--nosignature", "-U", file(t, m.newer, "tandem-1.1.0-1.x86_64.rpm"))
	if got := read(t, d.path("/etc/tandem/config.toml")); got != "# edited\n" {
		t.Errorf("after the upgrade, config.toml is %s", got)
	}
	if out := d.run("tandem", "version"); !strings.HasPrefix(out, "tandem v1.1.0 (abc1234, 2026-11-21T21:35:10Z) go") {
		t.Errorf("tandem version says %s", out)
	}
	run(t, rpm, "--root", d.root, "-e", "tandem", "libpam-tandem")
	if out := d.run("sh", "-c", "ls /etc/tandem /var/lib/tandem; ls /usr/sbin/tandemd 2>&1 || true"); !strings.Contains(out, "config.toml.rpmsave") ||
		!strings.Contains(out, "state.db") || !strings.Contains(out, "No such file") {
		t.Errorf("after the removal: %s", out)
	}
}

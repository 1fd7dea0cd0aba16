package packages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	release = "bookworm"
	mirror  = "http://deb.debian.org/debian"
	// beside is what the packages need, and what their tests do.
	beside = "adduser,logrotate,openssh-server,systemd"
	// fresh is for how long a Debian that was fetched is taken again.
	fresh = 7 * 24 * time.Hour
)

// debian is a fresh Debian in a folder. Once booted, it has a systemd, processes and a network of its own.
type debian struct {
	t    *testing.T
	root string
	init string // the id of its first process
}

// newDebian copies the Debian that was fetched lately, or fetches one: that takes a minute.
func newDebian(t *testing.T) *debian {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	fetched := filepath.Join(cache, "tandem-test", release+"+"+beside)
	if info, err := os.Stat(filepath.Join(fetched, "complete")); err != nil || time.Since(info.ModTime()) > fresh {
		run(t, "rm", "-rf", "--one-file-system", fetched)
		if err := os.MkdirAll(filepath.Dir(fetched), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, need(t, "debootstrap", "debootstrap"), "--variant=minbase", "--include="+beside, release, fetched, mirror)
		write(t, filepath.Join(fetched, "complete"), 0o644, "")
	}
	dir, err := os.MkdirTemp("", "tandem-debian-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	t.Cleanup(func() { run(t, "rm", "-rf", "--one-file-system", dir) })
	run(t, "cp", "-a", "--reflink=auto", fetched, root)
	if err := os.Remove(filepath.Join(root, "complete")); err != nil {
		t.Fatal(err)
	}
	return &debian{t: t, root: root}
}

// grouped runs a program in a control group of its own, as systemd must have one: FOLDER NAME PROGRAM…
const grouped = `set -e
mount -t cgroup2 cgroup2 "$1"
mkdir "$1/$2"
echo $$ >"$1/$2/cgroup.procs"
shift 2
exec "$@"`

// ungrouped takes that control group away, when nothing runs in it any more.
const ungrouped = `mount -t cgroup2 cgroup2 "$1" && find "$1/$2" -depth -type d -exec rmdir {} +`

// boot makes of a folder the root of its namespaces, as a runtime for containers does, and starts systemd there. What belongs to
// the machine itself (its modules, clock and kernel parameters) is out of reach.
const boot = `set -e
root=$1
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm machine
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
ip link set lo up
pivot_root . machine
umount -l /machine
rmdir /machine
mount --make-rshared / # as credentials need it
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-syslog /lib/systemd/systemd`

// boot starts the Debian. It ends with the test.
func (d *debian) boot() {
	d.t.Helper()
	groups, name := d.t.TempDir(), filepath.Base(filepath.Dir(d.root))
	unshare := need(d.t, "unshare", "util-linux")
	c := exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c", grouped, "sh", groups, name,
		unshare, "--cgroup", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net",
		"sh", "-c", boot, "sh", d.root)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no systemd behind
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = c.Process.Kill() // and with it the first process inside, and with that all others
		_ = c.Wait()
		waitFor(d.t, "all processes to end", func() bool {
			return exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c", ungrouped, "sh", groups, name).Run() == nil
		})
	})
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid)
	var state string
	waitFor(d.t, "systemd", func() bool {
		first, err := os.ReadFile(children)
		if d.init = strings.TrimSpace(string(first)); err != nil || d.init == "" {
			return false
		}
		out, _ := d.try("", "systemctl", "is-system-running")
		state = strings.TrimSpace(out)
		return state == "running" || state == "degraded"
	})
	if state != "running" {
		d.t.Fatalf("systemd is %s: %s", state, d.run("systemctl", "list-units", "--failed", "--no-pager"))
	}
}

// path is where a file of the Debian is for us.
func (d *debian) path(inside string) string { return filepath.Join(d.root, inside) }

// command is a program inside.
func (d *debian) command(ctx context.Context, args ...string) *exec.Cmd {
	d.t.Helper()
	in := []string{"nsenter", "--target", d.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	if d.init == "" { // not booted
		in = []string{"chroot", d.root}
	}
	in = append(in, args...)
	c := exec.CommandContext(ctx, in[0], in[1:]...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"}
	return c
}

// try runs a program inside, with that standard input, to its end.
func (d *debian) try(input string, args ...string) (string, error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	c := d.command(ctx, args...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	return string(out), err
}

// run is try of what must not fail.
func (d *debian) run(args ...string) string {
	d.t.Helper()
	out, err := d.try("", args...)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// modes lists owner, group and mode of files inside, a line for each.
func (d *debian) modes(paths ...string) string {
	d.t.Helper()
	return d.run(append([]string{"stat", "-c", "%A %U:%G %n"}, paths...)...)
}

// sums lists the files under folders inside with their content and rights.
func (d *debian) sums(folders ...string) string {
	d.t.Helper()
	script := `find "$@" \( -type f -printf '%M %u:%g %p ' -exec sh -c 'sha256sum <"$1"' sh {} \; \) -o -printf '%M %u:%g %p %l\n' | LC_ALL=C sort -k 3`
	return d.run(append([]string{"sh", "-c", script, "sh"}, folders...)...)
}

// ssh logs alice in with the client inside, answering each prompt by what it ends with, and runs `echo in as $USER`.
func (d *debian) ssh(answers map[string]string) (string, error) {
	d.t.Helper()
	var script strings.Builder
	script.WriteString("#!/bin/sh\ncase \"$1\" in\n")
	for prompt, answer := range answers {
		fmt.Fprintf(&script, "*%q*) echo %q ;;\n", prompt, answer)
	}
	script.WriteString("*) exit 1 ;;\nesac\n")
	write(d.t, d.path("/root/askpass"), 0o700, script.String())
	return d.try("", "env", "SSH_ASKPASS=/root/askpass", "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0", "ssh", "-F", "none",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "NumberOfPasswordPrompts=1",
		"alice@127.0.0.1", "echo in as $USER")
}

package operation

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
)

const (
	rotations = 20
	visitors  = 32
)

// visit has many users log in until stop, and returns the names of those that were answered.
func visit(d *daemon, stop <-chan struct{}) map[string]bool {
	answered := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for v := range visitors {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("visitor-%d-%d", v, n)
				reply, err := radiusclient.Exchange(context.Background(), radiusclient.Config{Addr: d.radius, Secret: secret.New(sharedSecret), Retries: 2},
					radiusclient.Request{User: name, Password: secret.New("guess")})
				if err != nil || reply.Code != radius.CodeAccessReject {
					d.t.Errorf("%s: %+v, %v", name, reply, err)
					return
				}
				mu.Lock()
				answered[name] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answered
}

// recorded counts the lines of each user over all files.
func recorded(t *testing.T, folder string) map[string]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "audit.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var record struct{ User string }
			if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
				t.Errorf("%s: %q: %v", name, lines.Text(), err)
			}
			count[record.User]++
		}
		if err := lines.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
	return count
}

// rotateUnderLoad calls rotate again and again while users log in, and compares those that were answered with the audit.
func rotateUnderLoad(t *testing.T, rotate func(d *daemon, n int)) {
	d := newDaemon(t, usersFile, nil)
	stop := make(chan struct{})
	var answered map[string]bool
	var visited sync.WaitGroup
	visited.Go(func() { answered = visit(d, stop) })
	size := func() int64 {
		info, err := os.Stat(d.path("audit.jsonl"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for n := range rotations {
		d.eventually("the new file is written to", func() bool { return size() > 4<<10 })
		rotate(d, n)
	}
	close(stop)
	visited.Wait()
	d.stop()
	got := recorded(t, d.dir)
	for name := range answered {
		if got[name] != 1 {
			t.Errorf("%s was answered, and has %d lines", name, got[name])
		}
	}
	if len(answered) < visitors || len(got) != len(answered) {
		t.Errorf("%d were answered, %d recorded", len(answered), len(got))
	}
}

// TestRotation: no answered login is without its line, whichever way the file is renamed and whether or not tandemd is
// told. Between the rename and the next line, lines go to the file under its new name.
func TestRotation(t *testing.T) {
	rename := func(d *daemon, n int) {
		if err := os.Rename(d.path("audit.jsonl"), d.path(fmt.Sprintf("audit.jsonl.%d", n+1))); err != nil {
			d.t.Fatal(err)
		}
	}
	t.Run("rename and SIGHUP", func(t *testing.T) {
		rotateUnderLoad(t, func(d *daemon, n int) {
			rename(d, n)
			if !d.reload() {
				t.Error("a reload was refused")
			}
		})
	})
	t.Run("rename", func(t *testing.T) { rotateUnderLoad(t, rename) })
	t.Run("logrotate", func(t *testing.T) {
		settings := logrotateSettings(t)
		rotateUnderLoad(t, func(d *daemon, n int) {
			if n == 0 {
				d.write("logrotate.conf", strings.Replace(settings, "/var/log/tandem", d.dir, 1))
			}
			out, err := exec.Command("/usr/sbin/logrotate", "--force", "--state", d.path("logrotate.state"), d.path("logrotate.conf")).CombinedOutput()
			if err != nil {
				t.Fatalf("logrotate: %v\n%s", err, out)
			}
		})
	})
}

// logrotateSettings are those of the package, for files of this process's user.
func logrotateSettings(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/logrotate"); err != nil {
		t.Fatal("logrotate is missing: apt-get install logrotate")
	}
	text, err := os.ReadFile("../../packaging/logrotate/tandem")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*copytruncate`).Match(text) {
		t.Error("copytruncate loses lines")
	}
	return regexp.MustCompile(`(?m)^\s*su tandem tandem\n`).ReplaceAllString(string(text), "")
}

// TestCopytruncateLosesLines is why the guide warns of it: the copy is made, a login is answered, the file is truncated.
func TestCopytruncateLosesLines(t *testing.T) {
	d := newDaemon(t, usersFile, nil)
	login := func(name string) {
		_, err := radiusclient.Exchange(t.Context(), radiusclient.Config{Addr: d.radius, Secret: secret.New(sharedSecret)},
			radiusclient.Request{User: name, Password: secret.New("guess")})
		if err != nil {
			t.Fatal(err)
		}
	}
	login("before")
	text, err := os.ReadFile(d.path("audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("audit.jsonl.1", string(text))
	login("between")
	if err := os.Truncate(d.path("audit.jsonl"), 0); err != nil {
		t.Fatal(err)
	}
	login("after")
	if got := recorded(t, d.dir); got["before"] != 1 || got["after"] != 1 || got["between"] != 0 {
		t.Errorf("%v", got)
	}
}

// TestRotatedFileWithAWrongMode: a file that others can read is not written to, so nobody is let in; the check says
// what to do.
func TestRotatedFileWithAWrongMode(t *testing.T) {
	d := newDaemon(t, usersFile, nil)
	if err := os.Rename(d.path("audit.jsonl"), d.path("audit.jsonl.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path("audit.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.path("audit.jsonl"), 0o644); err != nil {
		t.Fatal(err)
	}
	if page := d.page("/healthz"); !strings.Contains(page, "chmod 0600") {
		t.Errorf("/healthz: %s", page)
	}
	if out, ok := d.sh("tandem check"); ok || !strings.Contains(out, "chmod 0600") {
		t.Errorf("tandem check: %s", out)
	}
	if out, ok := d.sh("chmod 0600 audit.jsonl && tandem check"); !ok {
		t.Errorf("after chmod: %s", out)
	}
}

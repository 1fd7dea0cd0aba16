package operation

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tandem/test/freeport"
)

// What stands in for the host of docs/admin.md: its service manager, which runs the daemon, and its users.
var standIns = map[string]string{
	"systemctl": `
up() {
	tandemd --config "$CONFIG" >>"$ROOT/log" 2>&1 &
	echo $! >"$ROOT/pid"
	for _ in $(seq 1000); do curl -sf "http://$PAGES/healthz" >/dev/null && return; sleep 0.02; done
	cat "$ROOT/log" >&2; return 1
}
down() { kill "$(cat "$ROOT/pid")"; while kill -0 "$(cat "$ROOT/pid")" 2>/dev/null; do sleep 0.02; done; }
case $* in
"enable --now tandemd" | "start tandemd") up ;;
"stop tandemd") down ;;
"reload tandemd")
	before=$(grep -c msg=reloaded "$ROOT/log" || true)
	kill -HUP "$(cat "$ROOT/pid")"
	for _ in $(seq 1000); do [ "$(grep -c msg=reloaded "$ROOT/log")" -gt "$before" ] && exit; sleep 0.02; done
	cat "$ROOT/log" >&2; exit 1 ;;
*) echo "systemctl $*: not in this play" >&2; exit 1 ;;
esac`,
	"runuser": `[ "$1 $2 $3" = "-u tandem --" ]; shift 3; exec "$@"`,
	"tandem":  `exec "$BIN/tandem" -c "$CONFIG" "$@"`,
	"tandemd": `exec "$BIN/tandemd" "$@"`,
	"chgrp":   `[ "$1" = tandem ] && ls "${@:2}" >/dev/null`,
	"install": `exec /usr/bin/install $(printf '%s\n' "$@" | sed 's/^-[og]$//; s/^tandem$//')`,
}

// TestGuide runs the blocks of docs/admin.md, one after the other, in one shell.
func TestGuide(t *testing.T) {
	for program, of := range map[string]string{"curl": "curl", "oathtool": "oathtool", "openssl": "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", program, of)
		}
	}
	root, stubs := t.TempDir(), t.TempDir()
	for _, folder := range []string{"etc/tandem", "var/lib/tandem", "var/log/tandem", "run"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range standIns {
		if err := os.WriteFile(filepath.Join(stubs, name), []byte("#!/bin/bash\nset -eu\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ports := make([]string, 2)
	for i := range ports {
		var err error
		if ports[i], err = freeport.Address(); err != nil {
			t.Fatal(err)
		}
	}
	packaged, err := os.ReadFile("../../packaging/etc/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(root, "etc/tandem/config.toml")
	places := fmt.Sprintf("[audit]\nfile = %q\n[store]\nfile = %q\n[admin]\nsocket = %q\n[metrics]\nlisten = %q\n[radius]\nlisten = [%q]\n",
		root+"/var/log/tandem/audit.jsonl", root+"/var/lib/tandem/state.db", root+"/run/admin.sock", ports[0], ports[1])
	if err := os.WriteFile(config, []byte(places+string(packaged)), 0o600); err != nil {
		t.Fatal(err)
	}

	script := "set -euo pipefail\n"
	for i, block := range guide(t) {
		script += fmt.Sprintf("echo '== block %d'\n%s\n", i+1, block)
	}
	script = strings.NewReplacer("/etc/tandem", root+"/etc/tandem", "/var/", root+"/var/", "-C / ", "-C "+root+" ", "127.0.0.1:9812", ports[0]).Replace(script)
	c := exec.Command("bash", "-c", script)
	c.Env = append(os.Environ(), "PATH="+stubs+":/usr/sbin:"+os.Getenv("PATH"), "BIN="+bin, "ROOT="+root, "CONFIG="+config, "PAGES="+ports[0], "TZ=UTC")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }() // the daemon that it leaves behind
	log, err := os.Create(filepath.Join(stubs, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	err = c.Run()
	text, readErr := os.ReadFile(log.Name())
	if err != nil || readErr != nil {
		t.Fatalf("%v %v\n%s", err, readErr, text)
	}
	for _, want := range []string{
		"warn  daemon", "ACCEPT (ok)", "YES (ok)", "1 accepted", "and can decide", "records of bolt", "never went back in time", "records, as they were on",
		"codes are accepted again", "Recovery codes of alice", "alice may try again now", `"account":"alice"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "FAIL") {
		t.Errorf("something fails:\n%s", text)
	}
}

func guide(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) < 8 {
		t.Fatalf("the guide has %d blocks to run", len(blocks))
	}
	return blocks
}

// TestGuidesLinks: what the guide refers to is there.
func TestGuidesLinks(t *testing.T) {
	text, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := func(file string) map[string]bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(text, -1) {
			plain := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(string(m[1])), "")
			found[strings.ReplaceAll(plain, " ", "-")] = true
		}
		return found
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(string(text), -1) {
		file := "../../docs/admin.md"
		if m[1] != "" {
			file = filepath.Join("../../docs", m[1])
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", m[0], err)
		} else if m[2] != "" && !headings(file)[m[2]] {
			t.Errorf("%s: there is no such heading", m[0])
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tandem/internal/admin"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/store"
)

type checkCmd struct {
	JSON bool `help:"Print the findings as JSON."`
}

// finding is one line of the check.
type finding struct {
	// Status is ok, warn or FAIL.
	Status string `json:"status"`
	// What was looked at.
	What string `json:"what"`
	// Text says what was found and, unless ok, what to do.
	Text string `json:"text"`
}

// checkTime bounds the whole check.
const checkTime = 30 * time.Second

// Run looks at everything that the daemon needs and prints a line for each. It fails if anything does.
func (c *checkCmd) Run(e *env) error {
	ctx, cancel := context.WithTimeout(e.ctx, checkTime)
	defer cancel()
	var k checking
	k.all(ctx, e.config)
	if c.JSON {
		if err := json.NewEncoder(e.stdout).Encode(k.findings); err != nil {
			return err
		}
	} else if err := k.print(e.stdout); err != nil {
		return err
	}
	if k.failed {
		return errSilent
	}
	return nil
}

// checking collects findings.
type checking struct {
	findings []finding
	failed   bool
}

func (k *checking) ok(what, format string, args ...any) {
	k.findings = append(k.findings, finding{"ok", what, fmt.Sprintf(format, args...)})
}

func (k *checking) warn(what, format string, args ...any) {
	k.findings = append(k.findings, finding{"warn", what, fmt.Sprintf(format, args...)})
}

func (k *checking) fail(what string, err error) {
	k.findings = append(k.findings, finding{"FAIL", what, err.Error()})
	k.failed = true
}

func (k *checking) print(w io.Writer) error {
	for _, f := range k.findings {
		if _, err := fmt.Fprintf(w, "%-4s  %-14s  %s\n", f.Status, f.What, f.Text); err != nil {
			return err
		}
	}
	if !k.failed {
		return nil
	}
	_, err := fmt.Fprintln(w, "\nMend what says FAIL and run this again.")
	return err
}

func (k *checking) all(ctx context.Context, path string) {
	cfg, err := config.Load(path)
	if err != nil {
		k.fail("configuration", err)
		return
	}
	k.ok("configuration", "%s: %d RADIUS clients, %d policies", path, len(cfg.Radius.Clients), len(cfg.Policies))
	for _, w := range cfg.Warnings {
		k.warn("configuration", "%s", w)
	}
	k.directory(ctx, cfg)
	k.folder("audit", cfg.Audit.File)
	k.daemonAndState(ctx, cfg)
}

// directory looks up what a login would need, at each server.
func (k *checking) directory(ctx context.Context, cfg *config.Config) {
	quiet := slog.New(slog.DiscardHandler)
	if cfg.Directory.Type == "file" {
		_, closeIt, err := compose.Directory(cfg, time.Now, quiet)
		if err != nil {
			k.fail("users file", err)
			return
		}
		_ = closeIt()
		k.ok("users file", "%s", cfg.Directory.File.Path)
		return
	}
	results, err := compose.CheckLDAP(ctx, cfg, quiet)
	if err != nil {
		k.fail("ldap", err)
		return
	}
	for _, r := range results {
		switch {
		case r.Err == nil:
			k.ok("ldap", "%s: %s: %s", r.URL, r.Step, r.Found)
		case r.Warning:
			k.warn("ldap", "%s: %v", r.Step, r.Err)
		default:
			k.fail("ldap", fmt.Errorf("%s: %w", r.Step, r.Err))
		}
	}
}

// folder looks whether a file can be made or written where it belongs.
func (k *checking) folder(what, file string) {
	if file == "-" {
		k.ok(what, "goes to standard output")
		return
	}
	dir := filepath.Dir(file)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		k.fail(what, fmt.Errorf("there is no folder %s: make it, owned by the user that tandemd runs as (mkdir -p -m 0750 %s)", dir, dir))
		return
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		k.warn(what, "this user cannot write to %s; make sure that tandemd's can", dir)
		return
	}
	k.ok(what, "%s", file)
}

// daemonAndState asks the running daemon, and looks at the state, which need not stop it.
func (k *checking) daemonAndState(ctx context.Context, cfg *config.Config) {
	k.daemon(cfg)
	k.state(ctx, cfg.Store)
}

func (k *checking) daemon(cfg *config.Config) {
	client, err := admin.Dial(cfg.Admin.Socket)
	if err != nil {
		k.warn("daemon", "%v", err)
		return
	}
	defer func() { _ = client.Close() }()
	reply, err := client.Do(admin.Request{Op: admin.OpStatus}, nil)
	switch {
	case err != nil:
		k.fail("daemon", err)
	case reply.Status.Ready != "":
		k.fail("daemon", fmt.Errorf("tandemd %s runs (pid %d), but cannot decide: %s", reply.Status.Version, reply.Status.PID, reply.Status.Ready))
	default:
		k.ok("daemon", "tandemd %s runs (pid %d, since %s) and can decide", reply.Status.Version, reply.Status.PID, reply.Status.Started.Local().Format(time.DateTime))
	}
}

// state reads the whole state, and changes nothing: one that is not there yet is not made, an older one not migrated.
func (k *checking) state(ctx context.Context, c config.Store) {
	at := compose.Place(c, slog.New(slog.DiscardHandler))
	s, err := statusOf(ctx, c, at)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Type == "bolt":
		k.folder("state", c.File)
	case errors.Is(err, fs.ErrNotExist):
		k.ok("state", "%s is empty: tandemd begins a state when it starts", at)
	case err != nil:
		k.fail("state", err)
	case s.MovedTo != "":
		k.fail("state", fmt.Errorf("%s: %w, to %s: set [store] to that", at, store.ErrMoved, s.MovedTo))
	case s.FilledFrom != "":
		k.fail("state", fmt.Errorf("%s: %w: run the command that fills it from %s again", at, store.ErrPartial, s.FilledFrom))
	case len(s.alarms()) > 0:
		k.fail("state", fmt.Errorf("%s: alarm %s: etcd takes no writes, so nobody is let in (docs/cluster.md)", at, strings.Join(s.alarms(), ", ")))
	case s.Restored != nil && s.Restored.Pending:
		k.warn("state", "%s went back in time (%s): %s", at, s.Restored.Why, store.RestoredRemedy)
	case c.Type == "bolt":
		k.ok("state", "%s is whole", c.File)
	default:
		k.ok("state", "%s answers: %s", c.Type, strings.Join(c.Etcd.Endpoints, ", "))
	}
}

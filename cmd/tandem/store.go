package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/version"
	"tandem/store/upkeep"
)

// storeCmd is what an administrator does with the state as a whole.
type storeCmd struct {
	Status        storeStatusCmd        `cmd:"" help:"Say where the state is, how large, and whether it can be trusted."`
	Backup        storeBackupCmd        `cmd:"" help:"Write a backup of the state to a file. tandemd may run."`
	Restore       storeRestoreCmd       `cmd:"" help:"Make the state that of a backup. Higher counters that are there are kept."`
	Migrate       storeMigrateCmd       `cmd:"" help:"Move the state to the store of another configuration: from the file to etcd, or back."`
	AcceptRestore storeAcceptRestoreCmd `cmd:"" help:"Let HOTP and other codes in again after the state went back in time, with all counters put ahead."`
}

// place loads the configuration and finds its store.
func place(e *env) (*config.Config, upkeep.Place, error) {
	c, err := config.Load(e.config)
	if err != nil {
		return nil, nil, err
	}
	return c, compose.Place(c.Store, e.logger()), nil
}

// logger tells on standard error what the stores have to say beside their errors.
func (e *env) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// report prints v as JSON, or text.
func report(w io.Writer, asJSON bool, v any, text string) (err error) {
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	_, err = io.WriteString(w, text)
	return err
}

type storeBackupCmd struct {
	File string `arg:"" help:"The file to write. One that is there is replaced."`
	JSON bool   `help:"Print the result as JSON."`
}

// Run writes a backup.
func (c *storeBackupCmd) Run(e *env) error {
	_, from, err := place(e)
	if err != nil {
		return err
	}
	n, err := upkeep.Backup(e.ctx, from, c.File, version.String(), time.Now())
	if err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	return report(e.stdout, c.JSON, map[string]any{"file": c.File, "records": n},
		fmt.Sprintf("%s: %d records of %s. Keep it as you keep passwords.\n", c.File, n, from))
}

type storeRestoreCmd struct {
	File  string `arg:"" help:"The backup."`
	Force bool   `help:"Replace a state that is newer than the backup, or another. Of it, only counters that are higher are kept."`
	JSON  bool   `help:"Print the result as JSON."`
}

// Run restores a backup.
func (c *storeRestoreCmd) Run(e *env) error {
	_, to, err := place(e)
	if err != nil {
		return err
	}
	h, n, err := upkeep.Restore(e.ctx, c.File, to, c.Force, time.Now())
	if err != nil {
		return fmt.Errorf("restore %s: %w", to, err)
	}
	return report(e.stdout, c.JSON, map[string]any{"taken": h.Taken, "from": h.From, "records": n}, fmt.Sprintf(
		"%d records, as they were on %s in %s.\n"+
			"Codes that were used since are forgotten, so HOTP tokens, Yubikeys and recovery codes are refused until\n"+
			"`tandem store accept-restore`; TOTP codes of the last minutes are refused too. Now start tandemd, on every node.\n",
		n, h.Taken.UTC().Format(time.RFC3339), h.From))
}

type storeMigrateCmd struct {
	To    string `required:"" placeholder:"FILE" help:"A configuration file whose [store] is where the state is to go."`
	Force bool   `help:"Replace another state that is there. Of it, only counters that are higher are kept."`
	JSON  bool   `help:"Print the result as JSON."`
}

// Run moves the state.
func (c *storeMigrateCmd) Run(e *env) error {
	_, from, err := place(e)
	if err != nil {
		return err
	}
	next, err := config.Load(c.To)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	to := compose.Place(next.Store, e.logger())
	n, err := upkeep.Migrate(e.ctx, from, to, c.Force)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return report(e.stdout, c.JSON, map[string]any{"from": from.String(), "to": to.String(), "records": n}, fmt.Sprintf(
		"%d records moved from %s\nto %s. What was there is closed: tandemd refuses to start on it.\n"+
			"Now put %s in the place of %s, and start tandemd.\n", n, from, to, c.To, e.config))
}

type storeAcceptRestoreCmd struct {
	Margin uint64 `default:"100" help:"How far each HOTP counter is put ahead: more than any token was used since the state was as it is now (default ${default})."`
	JSON   bool   `help:"Print the result as JSON."`
}

// Run accepts that the state went back in time.
func (c *storeAcceptRestoreCmd) Run(e *env) error {
	cfg, at, err := place(e)
	if err != nil {
		return err
	}
	// After as many presses as the margin, a token is between 0 and margin codes ahead of the new counter, and must be found there.
	if reach := uint64(cfg.HOTP.LookAhead + cfg.HOTP.ResyncWindow); c.Margin > reach {
		return fmt.Errorf("--margin %d: tokens are found up to %d codes ahead ([hotp] look_ahead %d + resync_window %d), and could not catch up; "+
			"raise resync_window first, or choose less", c.Margin, reach, cfg.HOTP.LookAhead, cfg.HOTP.ResyncWindow)
	}
	n, err := upkeep.Accept(e.ctx, at, c.Margin, time.Now())
	switch {
	case errors.Is(err, upkeep.ErrNotRestored):
		return fmt.Errorf("nothing to accept: %w", err)
	case err != nil:
		return fmt.Errorf("accept-restore: %w", err)
	}
	return report(e.stdout, c.JSON, map[string]any{"counters": n, "margin": c.Margin}, fmt.Sprintf(
		"%d HOTP counters put ahead by %d; codes are accepted again.\n"+
			"Whose token is refused now presses its button up to %[2]d times, and then logs in; if that code is wrong, with the next one too.\n", n, c.Margin))
}

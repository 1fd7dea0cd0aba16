package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"tandem/internal/admin"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/version"
	"tandem/radiusd"
	"tandem/store/bolt"
	"tandem/verify"
)

// drainTime is how long what has begun may take to finish after SIGTERM or in a reload.
const drainTime = 15 * time.Second

// tandemd is the running daemon: what a reload works on.
type tandemd struct {
	path    string
	config  *config.Config
	level   *slog.LevelVar
	log     *slog.Logger
	audit   *auditFile
	core    *verify.Core
	radius  *radiusd.Server
	closeOf func() error // closes the directory in force
	notify  func(string)
}

// serve puts the daemon together, serves until ctx ends, and takes it apart again.
func serve(ctx context.Context, path string, p process) (err error) {
	// Configuration, logger.
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	d := &tandemd{path: path, config: cfg, level: new(slog.LevelVar), notify: p.notify}
	d.log = compose.Logger(cfg.Log, d.level, p.stderr)
	for _, w := range cfg.Warnings {
		d.log.Warn("configuration: " + w)
	}

	// Audit, metrics.
	if d.audit, err = openAudit(cfg.Audit, d.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.audit.Close()) }()
	m := newMetrics()

	// Store, directory, core.
	db, err := bolt.Open(bolt.Options{Path: cfg.Store.File, Now: time.Now, Logger: d.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m.observeStore(db)
	users, closeOf, err := compose.Directory(cfg, time.Now, d.log)
	if err != nil {
		return err
	}
	d.closeOf = closeOf
	defer func() { err = errors.Join(err, d.closeOf()) }()
	record := verify.AuditFunc(func(r verify.Record) error {
		m.count(r)
		return d.audit.Append(r)
	})
	d.core, err = verify.New(ctx, verify.Config{Store: db, Audit: record, Log: d.log}, compose.Setup(cfg, users, time.Now))
	if err != nil {
		return err
	}

	// Front doors.
	if d.radius, err = radiusd.New(compose.RADIUS(cfg, d.core, d.log)); err != nil {
		return err
	}
	m.register(d.radius.Collectors()...)
	if err := d.radius.Listen(); err != nil {
		return err
	}
	started := time.Now()
	door, err := admin.Listen(admin.Config{
		Path: cfg.Admin.Socket, Core: d.core, Log: d.log,
		Audit: func(a admin.Action) error { return d.audit.Append(a) },
		Status: func(ctx context.Context) admin.Status {
			s := admin.Status{Version: version.Version, PID: os.Getpid(), Started: started}
			if err := d.core.Ready(ctx); err != nil {
				s.Ready = err.Error()
			}
			return s
		},
	})
	if err != nil {
		return errors.Join(err, d.radius.Shutdown(ctx))
	}
	page, err := m.listen(cfg.Metrics.Listen, d.core)
	if err != nil {
		return errors.Join(err, d.radius.Shutdown(ctx))
	}

	// Serve until ctx ends or a part fails; then all parts end.
	serving, ctx := errgroup.WithContext(ctx)
	serving.Go(func() error { return d.radius.Serve(context.WithoutCancel(ctx)) })
	serving.Go(func() error { return door.Serve(ctx) })
	serving.Go(func() error { return page.serve(ctx) })
	serving.Go(func() error {
		<-ctx.Done()
		d.notify("STOPPING=1")
		d.log.Info("stopping: no new requests; finishing those that have begun")
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		return d.radius.Shutdown(draining)
	})
	serving.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-p.reload:
				d.reload(ctx)
			}
		}
	})
	d.log.Info("tandemd serves", "version", version.Version, "radius", d.radius.Addrs(), "clients", len(cfg.Radius.Clients),
		"directory", cfg.Directory.Type, "state", cfg.Store.File)
	d.notify("READY=1")
	return serving.Wait()
}

// reload reads the configuration anew and puts it in force at once, for requests that come from now on. A
// configuration with mistakes changes nothing.
func (d *tandemd) reload(ctx context.Context) {
	d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds()))
	defer d.notify("READY=1")
	if err := d.takeOver(ctx); err != nil {
		d.log.Error("reload refused; the old configuration stays in force", "err", err)
		return
	}
	d.log.Info("reloaded", "config", d.path)
}

func (d *tandemd) takeOver(ctx context.Context) error {
	next, err := config.Load(d.path)
	if err != nil {
		return err
	}
	users, closeOf, err := compose.Directory(next, time.Now, d.log)
	if err != nil {
		return err
	}
	// All that can fail has been made; from the audit on, everything is taken over.
	if err := d.audit.Replace(next.Audit); err != nil {
		return errors.Join(err, closeOf())
	}
	if err := d.radius.Reload(compose.RADIUSSettings(next)); err != nil {
		return errors.Join(err, closeOf())
	}
	for _, w := range next.Warnings {
		d.log.Warn("configuration: " + w)
	}
	for _, key := range d.config.NeedsRestart(next) {
		d.log.Warn("this change needs a restart of tandemd", "key", key)
	}
	compose.SetLevel(d.level, next.Log)
	draining, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := d.core.Swap(draining, compose.Setup(next, users, time.Now)); err != nil {
		d.log.Warn("attempts with the old configuration have not ended", "err", err)
	}
	if err := d.closeOf(); err != nil {
		d.log.Warn("close the old directory", "err", err)
	}
	d.config, d.closeOf = next, closeOf
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sync/errgroup"

	"tandem/internal/admin"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/version"
	"tandem/pamhelper"
	"tandem/radiusd"
	"tandem/store/bolt"
	"tandem/verify"
	"tandem/verify/policy"
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
	setup   verify.Setup // in force, but for policies that are being retired
	closeOf func() error // closes the directory in force
	retire  <-chan time.Time
	metrics *metrics
	notify  func(string)
}

// serve puts the daemon together, serves until ctx ends, and takes it apart again.
func serve(ctx context.Context, path string, p process) (err error) {
	within, err := watchdogTime()
	if err != nil {
		return err
	}

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
	m.certificates.follow(cfg)
	d.metrics = m

	// Store, directory, core.
	state, err := compose.Store(ctx, cfg.Store, d.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	if file, ok := state.(*bolt.DB); ok {
		m.observeFile(file)
	}
	users, closeOf, err := compose.Directory(cfg, time.Now, d.log)
	if err != nil {
		return err
	}
	d.closeOf = closeOf
	defer func() { err = errors.Join(err, d.closeOf()) }()
	setup, err := compose.Setup(cfg, users, time.Now, d.log)
	if err != nil {
		return err
	}
	d.setup = setup
	defer func() { err = errors.Join(err, compose.Close(d.setup)) }()
	d.core, err = verify.New(ctx, verify.Config{Store: timedStore{state, m.updates}, Audit: recorder{m, d.audit}, Log: d.log, Observe: m.observe}, setup)
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
	var host *pamhelper.Server // nil: the door is closed
	if cfg.PAM.Socket != "" {
		c := compose.PAM(cfg, d.core, d.log)
		if c.Inherited, err = inherited("pam", cfg.PAM.Socket); err == nil {
			host, err = pamhelper.Listen(c)
		}
		if err != nil {
			return errors.Join(err, d.radius.Shutdown(ctx))
		}
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
		watch(ctx, within, d.alive, d.notify)
		return nil
	})
	serving.Go(func() error {
		letGarbageGather(ctx)
		return nil
	})
	if host != nil {
		serving.Go(func() error { return host.Serve(ctx) })
	}
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
			case <-d.retire: // nobody has begun under the old policies any more
				d.drain(ctx, d.core.Swap(d.setup))
			}
		}
	})
	d.log.Info("tandemd serves", "version", version.Version, "radius", d.radius.Addrs(), "clients", len(cfg.Radius.Clients),
		"directory", cfg.Directory.Type, "store", cfg.Store.Type)
	d.notify("READY=1")
	return serving.Wait()
}

// inherited returns the Unix socket of that name which systemd has made for us (systemd.socket(5),
// FileDescriptorName=), or nil if there is none.
func inherited(name, path string) (*net.UnixListener, error) {
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets from systemd: %w", err)
	}
	if len(byName[name]) == 0 {
		return nil, nil
	}
	l := byName[name][0]
	if u, ok := l.(*net.UnixListener); ok && l.Addr().String() == path {
		return u, nil
	}
	return nil, fmt.Errorf("the socket %q from systemd is %v, and the configuration says %s: make them agree", name, l.Addr(), path)
}

// reload reads the configuration anew and puts it in force at once, for requests that come from now on. A
// configuration with mistakes changes nothing.
func (d *tandemd) reload(ctx context.Context) {
	d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds()))
	defer d.notify("READY=1")
	// What has begun is finished even if the daemon is told to stop meanwhile.
	if err := d.takeOver(context.WithoutCancel(ctx)); err != nil {
		d.log.Error("reload refused; the old configuration stays in force", "err", err)
		d.metrics.reloaded.Set(0)
		return
	}
	d.metrics.reloaded.Set(1)
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
	setup, err := compose.Setup(next, users, time.Now, d.log)
	if err != nil {
		return errors.Join(err, closeOf())
	}
	// All that can fail has been made; from the audit on, everything is taken over.
	if err := d.audit.Replace(next.Audit); err != nil {
		return errors.Join(err, closeOf())
	}
	// The core first: it must know the policies of the clients' new settings before they come, and, for
	// requests and challenges that have begun under the old ones, theirs.
	drained := d.core.Swap(withRetired(setup, d.setup))
	if err := d.radius.Reload(compose.RADIUSSettings(next)); err != nil {
		return err // never seen: config has checked more
	}
	for _, w := range next.Warnings {
		d.log.Warn("configuration: " + w)
	}
	for _, key := range d.config.NeedsRestart(next) {
		d.log.Warn("this change needs a restart of tandemd", "key", key)
	}
	compose.SetLevel(d.level, next.Log)
	d.drain(ctx, drained)
	if err := errors.Join(d.closeOf(), compose.Close(d.setup)); err != nil {
		d.log.Warn("close the old directory and first factors", "err", err)
	}
	d.retire = time.After(longest(d.setup.Policies) + next.Radius.RequestTimeout)
	d.config, d.setup, d.closeOf = next, setup, closeOf
	d.metrics.certificates.follow(next)
	return nil
}

// drain waits for what drained waits for, as long as an attempt may take.
func (d *tandemd) drain(ctx context.Context, drained func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, max(drainTime, d.config.Radius.RequestTimeout))
	defer cancel()
	if err := drained(ctx); err != nil {
		d.log.Warn("attempts with the old configuration have not ended", "err", err)
	}
}

// withRetired is next with those of old's policies that are gone.
func withRetired(next, old verify.Setup) verify.Setup {
	policies := maps.Clone(old.Policies)
	maps.Copy(policies, next.Policies)
	next.Policies = policies
	return next
}

// longest is how long a challenge of any of the policies may still be answered.
func longest(policies map[string]*policy.Policy) (d time.Duration) {
	for _, p := range policies {
		d = max(d, p.LoginTimeout, p.EnrolTimeout)
	}
	return d
}

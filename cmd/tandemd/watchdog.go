package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tandem/verify"
)

// watchdogTime is how long the service manager waits for a sign of life before it kills the daemon and starts it anew
// (WatchdogSec= of the unit); 0: it does not wait for any.
func watchdogTime() (time.Duration, error) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("the service manager's watchdog: %w", err)
	}
	return within, nil
}

// watch gives a sign of life three times in within, each after alive has returned, until ctx ends.
func watch(ctx context.Context, within time.Duration, alive func(context.Context), notify func(state string)) {
	if within == 0 {
		return
	}
	beat := time.NewTicker(within / 3)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			alive(ctx)
			notify(daemon.SdNotifyWatchdog)
		}
	}
}

// alive returns if a login could take its turns: with the core's lock and with the audit's. It is less than ready:
// whether the directory and the state can be reached is for /healthz to say, and a restart would not mend it.
func (d *tandemd) alive(ctx context.Context) {
	_, _, _ = d.core.Asks(ctx, verify.Attempt{Policy: "watchdog"}) // whether there is such a policy does not matter
	_ = d.audit.Check()
}

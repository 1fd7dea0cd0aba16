package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tandem/internal/audit"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/pamhelper"
	"tandem/verify"
)

// decider is who decides, and how this process shows what comes of it.
type decider struct {
	pamhelper.Core
	// qrCode is config.PAM.QRCode.
	qrCode bool
}

// ownCore makes a core in this process, by a tandemd's configuration, over the store that all helpers share. If
// that is a state file, no tandemd may run on it: it keeps the file to itself.
func ownCore(ctx context.Context, path string, log *slog.Logger) (core decider, closeAll func() error, err error) {
	c, err := config.Load(path)
	if err != nil {
		return decider{}, nil, err
	}
	if c.Audit.File == audit.Stdout {
		return decider{}, nil, fmt.Errorf("%s: audit.file is %q, and standard output is the module's: name a file", path, audit.Stdout)
	}
	records, err := audit.Open(c.Audit.File, audit.Options{Sync: c.Audit.Sync, Logger: log})
	if err != nil {
		return decider{}, nil, err
	}
	users, closeUsers, err := compose.Directory(c, time.Now, log)
	if err != nil {
		return decider{}, nil, errors.Join(err, records.Close())
	}
	closeAll = func() error { return errors.Join(closeUsers(), records.Close()) }
	setup, err := compose.Setup(c, users, time.Now, log)
	if err != nil {
		return decider{}, nil, errors.Join(err, closeAll())
	}
	state, err := compose.BriefStore(ctx, c.Store, log)
	if err != nil {
		return decider{}, nil, errors.Join(err, closeAll())
	}
	closeAll = func() error { return errors.Join(closeUsers(), state.Close(), records.Close()) }
	own, err := verify.New(ctx, verify.Config{
		Store: state,
		Audit: verify.AuditFunc(func(r verify.Record) error { return records.AppendJSON(r.AppendJSON) }),
		Log:   log,
	}, setup)
	if err != nil {
		return decider{}, nil, errors.Join(err, closeAll())
	}
	return decider{own, c.PAM.QRCode}, closeAll, nil
}

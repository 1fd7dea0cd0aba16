package main

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/internal/audit"
	"tandem/internal/config"
	"tandem/verify"
)

// auditFile is the audit in force; a reload can put another file in its place between two records.
type auditFile struct {
	log *slog.Logger

	mu   sync.RWMutex // held for writing while the file is exchanged
	file *audit.Log
}

func openAudit(c config.Audit, log *slog.Logger) (*auditFile, error) {
	a := &auditFile{log: log}
	return a, a.Replace(c)
}

// Replace opens the audit that c names and closes the one before, if there is one.
func (a *auditFile) Replace(c config.Audit) error {
	next, err := audit.Open(c.File, audit.Options{Sync: c.Sync, Logger: a.log})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	a.mu.Lock()
	old := a.file
	a.file = next
	a.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Append writes one record.
func (a *auditFile) Append(record any) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.file.Append(record)
}

// AppendJSON is Append of one that encode appends to b.
func (a *auditFile) AppendJSON(encode func(b []byte) ([]byte, error)) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.file.AppendJSON(encode)
}

// Check returns nil if the last record could be written.
func (a *auditFile) Check() error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.file.Check()
}

// Close closes the file.
func (a *auditFile) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// recorder counts and keeps the core's records.
type recorder struct {
	metrics *metrics
	*auditFile
}

// Record implements [verify.Auditor].
func (r recorder) Record(record verify.Record) error {
	err := r.AppendJSON(record.AppendJSON)
	if err != nil { // so the core rejects it, whatever it was
		record.Outcome, record.Reason = verify.Reject.String(), verify.ReasonAuditDown
	}
	r.metrics.count(record)
	return err
}

// monotonic is the kernel's monotonic clock, which systemd compares a reload's beginning with.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail: the clock exists
	return time.Duration(t.Nano())
}

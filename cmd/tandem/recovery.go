package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/internal/admin"
	"tandem/internal/config"
	"tandem/verify/recovery"
)

type recoveryCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Left   bool   `xor:"what" help:"Only say how many codes are left."`
	Delete bool   `xor:"what" help:"Take away the codes that are left."`
}

// Run makes the user a new set of recovery codes and prints it, once: one code a line.
func (c *recoveryCmd) Run(e *env) error {
	cfg, err := config.Load(e.config)
	if err != nil {
		return err
	}
	if !cfg.Factor.Recovery.Enabled && !c.Left && !c.Delete {
		return errors.New("recovery codes are switched off: write enabled = true under [factor.recovery] first")
	}
	client, err := admin.Dial(cfg.Admin.Socket)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	switch {
	case c.Left:
		return c.left(e, client)
	case c.Delete:
		return c.delete(e, client)
	}
	return c.make(e, client)
}

func (c *recoveryCmd) make(e *env, client *admin.Client) error {
	codes, record, err := recovery.Make(rand.Reader, time.Now())
	if err != nil {
		return err
	}
	reply, err := client.Do(admin.Request{Op: admin.OpRecovery, User: c.User, Record: record}, nil)
	if err != nil {
		return fmt.Errorf("recovery codes for %s: %w", c.User, err)
	}
	if _, err := fmt.Fprintln(e.stdout, strings.Join(codes, "\n")); err != nil {
		return fmt.Errorf("the new codes of %s hold, but could not be printed, so nobody knows them: make others: %w", reply.Account, err)
	}
	_, err = fmt.Fprintf(e.stderr, "Recovery codes of %s, shown only now; earlier ones are void. Print them and keep them safe: each works once, "+
		"typed in place of a code, with or without the dashes.\n", reply.Account)
	return err
}

func (c *recoveryCmd) left(e *env, client *admin.Client) error {
	reply, err := client.Do(admin.Request{Op: admin.OpRecoveryLeft, User: c.User}, nil)
	if err != nil {
		return fmt.Errorf("recovery codes of %s: %w", c.User, err)
	}
	_, err = fmt.Fprintf(e.stdout, "%s has %d recovery codes left.\n", reply.Account, reply.Left)
	return err
}

func (c *recoveryCmd) delete(e *env, client *admin.Client) error {
	reply, err := client.Do(admin.Request{Op: admin.OpRecoveryDelete, User: c.User}, nil)
	if err != nil {
		return fmt.Errorf("recovery codes of %s: %w", c.User, err)
	}
	_, err = fmt.Fprintf(e.stdout, "%s has no recovery codes any more.\n", reply.Account)
	return err
}

package admin

import (
	"context"
	"errors"

	"tandem/verify/recovery"
)

var errForeignSet = errors.New("tandemd cannot read the set of recovery codes that this command made, and has changed nothing: " +
	"use the tandem command of its own version")

// changeRecovery gives the user a new set of recovery codes, or takes away the one there is. The codes themselves
// never come here: the command makes them, and sends what is to be kept of them.
func (c *connection) changeRecovery(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var set []byte
	if r.Op == OpRecovery {
		if left, err := recovery.Left(r.Record); err != nil || left == 0 {
			return c.refuse(errForeignSet)
		}
		set = r.Record
	}
	if err := c.record(r); err != nil {
		return c.refuse(err)
	}
	account, err := c.Core.PutRecord(ctx, r.User, recovery.Key, set)
	if err != nil {
		c.Log.Warn("recovery codes not changed", "action", r.Op, "by", c.by, "user", r.User, "err", err)
		return c.refuse(err)
	}
	c.Log.Info("recovery codes changed", "action", r.Op, "by", c.by, "user", account)
	return writeLine(c.conn, Reply{Account: account, Done: true})
}

// countRecovery says how many recovery codes the user has left.
func (c *connection) countRecovery(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	account, set, err := c.Core.Record(ctx, r.User, recovery.Key)
	if err != nil {
		return c.refuse(err)
	}
	left, err := recovery.Left(set)
	if err != nil {
		return c.refuse(err)
	}
	return writeLine(c.conn, Reply{Account: account, Left: left, Given: set != nil, Done: true})
}

package verify

import (
	"context"
	"fmt"
	"time"

	"tandem/directory"
	"tandem/store"
)

// Unlock empties the throttle of the user of that name, so that the next attempt is looked at again.
// It returns the directory's name for the user, and until when attempts from a source that has not
// logged in lately would have been refused (zero if they were not).
func (c *Core) Unlock(ctx context.Context, name string) (account string, until time.Time, err error) {
	setup, release := c.acquire()
	defer release()
	user, err := setup.account(ctx, name)
	if err != nil {
		return "", time.Time{}, err
	}
	unlock, err := c.locks.lock(ctx, user.ID)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("wait for the attempts of %q: %w", name, err)
	}
	defer unlock()
	err = c.store.Update(ctx, func(tx store.Tx) error {
		var err error
		until, err = setup.Throttle.reset(tx, user.ID, c.now())
		return err
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("empty the throttle of %q: %w", name, err)
	}
	return user.Name, until, nil
}

// Record reads what is kept under key for the user of that name, nil if nothing is: for what an admin gives
// a user, such as recovery codes. account is the directory's name for the user.
func (c *Core) Record(ctx context.Context, name, key string) (account string, value []byte, err error) {
	setup, release := c.acquire()
	defer release()
	user, err := setup.account(ctx, name)
	if err != nil {
		return "", nil, err
	}
	value, err = userMarks{ctx, c.store, user.ID}.Record(key)
	if err != nil {
		return "", nil, fmt.Errorf("read what is kept of %q: %w", name, err)
	}
	return user.Name, value, nil
}

// PutRecord keeps value, for ever, under key for the user of that name, whatever was there; nil deletes it. An
// attempt that was checked against the record before can no longer be accepted.
func (c *Core) PutRecord(ctx context.Context, name, key string, value []byte) (account string, err error) {
	setup, release := c.acquire()
	defer release()
	user, err := setup.account(ctx, name)
	if err != nil {
		return "", err
	}
	unlock, err := c.locks.lock(ctx, user.ID)
	if err != nil {
		return "", fmt.Errorf("wait for the attempts of %q: %w", name, err)
	}
	defer unlock()
	err = c.store.Update(ctx, func(tx store.Tx) error {
		putRecord(tx, user.ID, key, value, 0)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("write what is kept of %q: %w", name, err)
	}
	return user.Name, nil
}

// account finds the entry that an admin means.
func (s *Setup) account(ctx context.Context, name string) (*directory.User, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	user, err := s.Directory.Lookup(ctx, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look up %q: %w", name, err)
	case user.ID == "":
		return nil, fmt.Errorf("the entry of %q has no identifier to keep state under", name)
	}
	return user, nil
}

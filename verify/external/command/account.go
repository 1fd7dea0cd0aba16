package command

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Account is who a program runs as; nil: as this process does.
type Account struct{ credential *syscall.Credential }

// LookupAccount finds the user and group of those names, or numbers. With a user alone, the program has that
// user's groups; with a group, that one only; without a user, this process's user id. If both are empty, the
// Account is nil.
func LookupAccount(userName, groupName string) (*Account, error) {
	if userName == "" && groupName == "" {
		return nil, nil //nolint:nilnil // nil is an Account of its own: nobody else
	}
	c := &syscall.Credential{Uid: uint32(os.Geteuid())}
	if userName != "" {
		if err := setUser(c, userName, groupName == ""); err != nil {
			return nil, err
		}
	}
	if groupName != "" {
		g, err := user.LookupGroup(groupName)
		if err != nil {
			if g, err = user.LookupGroupId(groupName); err != nil {
				return nil, fmt.Errorf("group %.64q does not exist on this host: create it, or name another one", groupName)
			}
		}
		if c.Gid, err = number(g.Gid); err != nil {
			return nil, fmt.Errorf("group %.64q: %w", groupName, err)
		}
	}
	return &Account{c}, nil
}

// setUser sets c to be the user of that name, with its groups or without.
func setUser(c *syscall.Credential, name string, groups bool) error {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return fmt.Errorf("user %.64q does not exist on this host: create it, or name another one", name)
		}
	}
	if c.Uid, err = number(u.Uid); err != nil {
		return fmt.Errorf("user %.64q: %w", name, err)
	}
	if !groups {
		return nil
	}
	if c.Gid, err = number(u.Gid); err != nil {
		return fmt.Errorf("user %.64q: %w", name, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("user %.64q: find the groups: %w", name, err)
	}
	for _, id := range ids {
		n, err := number(id)
		if err != nil {
			return fmt.Errorf("user %.64q: %w", name, err)
		}
		c.Groups = append(c.Groups, n)
	}
	return nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n == math.MaxUint32 { // which means "leave it as it is"
		return 0, fmt.Errorf("the id %.20q is no number that an account can have", id)
	}
	return uint32(n), nil
}

// of is what the kernel is told; nil for nobody else.
func (a *Account) of() *syscall.Credential {
	if a == nil {
		return nil
	}
	return a.credential
}

// errNotRoot says why an Account is of no use.
var errNotRoot = errors.New("only root can run a program as somebody else: start the service as root, or remove user and group")

// Check reports whether this process may run programs as a.
func (a *Account) Check() error {
	if a != nil && os.Geteuid() != 0 {
		return errNotRoot
	}
	return nil
}

package ldap

import (
	"sync"
	"time"

	"tandem/directory"
)

// maxRemembered is how many entries are remembered at most: some tens of megabytes.
const maxRemembered = 10_000

// maxEntryCache bounds how long somebody whom an administrator has shut out may still be let in.
const maxEntryCache = time.Minute

// entryCache remembers for a short while which entries names have led to, so that a login costs one operation of LDAP in
// place of two. Names that led to nobody are not remembered, and passwords never: each is the server's to check.
//
// The zero value remembers nothing.
type entryCache struct {
	keep time.Duration
	now  func() time.Time

	mu     sync.Mutex
	byName map[string]rememberedEntry
	// forgotten counts the calls of forget: what was asked before one may be what it was to forget.
	forgotten uint64
}

type rememberedEntry struct {
	user  *directory.User
	until time.Time
}

// find returns the entry that name, exactly as typed, led to lately. If there is none, the directory has to be asked, and
// remember to be told what it said.
func (c *entryCache) find(name string) (u *directory.User, remember func(*directory.User)) {
	if c.keep <= 0 {
		return nil, func(*directory.User) {}
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.byName[name]
	if known && now.Before(e.until) && !now.Before(e.until.Add(-c.keep)) { // the last: the clock was not set back
		return e.user, nil
	}
	forgotten := c.forgotten
	return nil, func(u *directory.User) { c.remember(name, u, now, forgotten) }
}

// remember keeps u for the next who types name. asked is when the directory was asked, and forgotten what it was then.
func (c *entryCache) remember(name string, u *directory.User, asked time.Time, forgotten uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != forgotten {
		return
	}
	if len(c.byName) >= maxRemembered {
		c.makeRoom(asked)
	}
	if c.byName == nil {
		c.byName = make(map[string]rememberedEntry)
	}
	c.byName[name] = rememberedEntry{u, asked.Add(c.keep)}
}

// makeRoom removes what is too old, or all, if that is not much. c.mu must be held.
func (c *entryCache) makeRoom(now time.Time) {
	for name, e := range c.byName {
		if !now.Before(e.until) {
			delete(c.byName, name)
		}
	}
	if len(c.byName) > maxRemembered/2 {
		c.byName = nil
	}
}

// forget forgets the entry with that identifier, under all its names.
func (c *entryCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	for name, e := range c.byName {
		if e.user.ID == id {
			delete(c.byName, name)
		}
	}
}

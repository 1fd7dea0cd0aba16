package radiusd

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// replyCache remembers requests for as long as they may be sent again (RFC 5080 §2.2.2), so that
// none is decided twice: while a request is undecided its repetitions are dropped, and for a while
// after its reply was sent they get the same bytes.
type replyCache struct {
	max int

	mu      sync.Mutex // guards what follows
	entries map[cacheKey]*cacheEntry
	// answered holds the entries whose reply was sent, the oldest first.
	answered list.List
}

// cacheKey is what a NAS may not use again while it waits (RFC 2865 §3, Identifier): the Identifier,
// on the way between two sockets.
type cacheKey struct {
	asked, peer netip.AddrPort
	identifier  byte
	// client is the name: a reload that gives an address to another client gives it fresh entries.
	client string
}

// cacheEntry is one request. Its fields belong to the cache.
type cacheEntry struct {
	key           cacheKey
	authenticator [16]byte
	// reply is nil until it has been sent.
	reply []byte
	sent  time.Time
	// place is the entry's element in replyCache.answered; nil until then.
	place *list.Element
	// gone: it was removed, and another may be under its key.
	gone bool
}

// arrival is what the cache makes of a request.
type arrival int

const (
	arrivalNew      arrival = iota // not seen before: decide it
	arrivalPending                 // a repetition of a request that is not answered yet
	arrivalAnswered                // a repetition of one that is
	arrivalNoRoom                  // new, but the cache is full of undecided requests
)

func newReplyCache(limit int) *replyCache {
	return &replyCache{max: limit, entries: make(map[cacheKey]*cacheEntry)}
}

// arrive looks a request up and enters it if it is new. The entry belongs to a new request, the
// reply to an answered one. lifetime is how long after sending it a reply is kept.
//
// Another authenticator under the same key is a new request, with which the NAS says that it has
// given up the old one: that is forgotten, and its reply not sent if it is still on its way.
func (c *replyCache) arrive(key cacheKey, authenticator [16]byte, now time.Time, lifetime time.Duration) (what arrival, e *cacheEntry, reply []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now, lifetime)
	if known := c.entries[key]; known != nil {
		if known.authenticator == authenticator {
			if known.reply == nil {
				return arrivalPending, nil, nil
			}
			return arrivalAnswered, nil, known.reply
		}
		c.remove(known)
	}
	if len(c.entries) >= c.max && !c.evict() {
		return arrivalNoRoom, nil, nil
	}
	e = &cacheEntry{key: key, authenticator: authenticator}
	c.entries[key] = e
	return arrivalNew, e, nil
}

// current reports whether the request is still the newest under its key.
func (c *replyCache) current(e *cacheEntry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !e.gone
}

// answer keeps the reply that is about to be sent. It returns false if nobody waits for it any
// more: then it must not be sent.
func (c *replyCache) answer(e *cacheEntry, reply []byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.gone {
		return false
	}
	e.reply, e.sent = reply, now
	e.place = c.answered.PushBack(e)
	return true
}

// forget drops a request that will not be answered, so that its repetition is decided anew.
func (c *replyCache) forget(e *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !e.gone {
		c.remove(e)
	}
}

// size is how many requests are remembered.
func (c *replyCache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// expire forgets the replies sent longer ago than lifetime.
func (c *replyCache) expire(now time.Time, lifetime time.Duration) {
	for first := c.answered.Front(); first != nil; first = c.answered.Front() {
		e := first.Value.(*cacheEntry) //nolint:forcetypeassert // nothing else is put there
		if now.Sub(e.sent) < lifetime {
			return
		}
		c.remove(e)
	}
}

// evict forgets the oldest reply to make room; false if there is none.
func (c *replyCache) evict() bool {
	first := c.answered.Front()
	if first == nil {
		return false
	}
	c.remove(first.Value.(*cacheEntry)) //nolint:forcetypeassert // nothing else is put there
	return true
}

func (c *replyCache) remove(e *cacheEntry) {
	delete(c.entries, e.key)
	e.gone = true
	if e.place != nil {
		c.answered.Remove(e.place)
	}
}

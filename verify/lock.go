package verify

import (
	"context"
	"errors"
	"sync"
)

// maxWaiting is how many attempts of one user may wait for their turn. More are turned away, so
// that a storm on one user does not take the workers from all others.
const maxWaiting = 16

var errTooMany = errors.New("too many attempts of this user at once")

// userLocks serialises the attempts of each user on this node, so that parallel guesses cannot
// outrun the count of failures. The zero value is ready.
type userLocks struct {
	mu    sync.Mutex
	users map[string]*userLock
}

type userLock struct {
	turn chan struct{} // holds one token while nobody has the lock
	refs int           // holder and waiters
}

// lock waits for the user's turn. unlock must be called exactly once.
func (l *userLocks) lock(ctx context.Context, user string) (unlock func(), err error) {
	l.mu.Lock()
	if l.users == nil {
		l.users = make(map[string]*userLock)
	}
	u := l.users[user]
	if u == nil {
		u = &userLock{turn: make(chan struct{}, 1)}
		u.turn <- struct{}{}
		l.users[user] = u
	}
	if u.refs > maxWaiting {
		l.mu.Unlock()
		return nil, errTooMany
	}
	u.refs++
	l.mu.Unlock()

	select {
	case <-u.turn:
		return func() {
			u.turn <- struct{}{}
			l.release(user, u)
		}, nil
	case <-ctx.Done():
		l.release(user, u)
		return nil, ctx.Err()
	}
}

func (l *userLocks) release(user string, u *userLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.refs--
	if u.refs == 0 {
		delete(l.users, user)
	}
}

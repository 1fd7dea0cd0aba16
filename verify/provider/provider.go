// Package provider bounds what a factor has done by somebody else: a command, a mail server, a web service.
//
// Whoever it is may hang, or fail for hours. A [Guard] gives each call a deadline, lets only so many run at
// once, and after several failures in a row does not call at all for a while: so a dead provider costs the
// logins that need it a moment, and those that do not need it nothing.
package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"
)

var (
	// ErrBusy means that as many calls as may run at once are running.
	ErrBusy = errors.New("as many calls as are allowed at once are under way")
	// ErrResting means that the last calls have failed, and that the next is made a little later.
	ErrResting = errors.New("the last calls have failed, so none is made for a while")
)

// Limits are what a Guard holds its calls to.
type Limits struct {
	// Timeout is the longest that one call may take.
	Timeout time.Duration
	// MaxConcurrent is how many calls may run at once; further ones fail with ErrBusy.
	MaxConcurrent int
	// MaxFailures is after how many failures in a row no call is made for Rest. Then one is tried.
	MaxFailures int
	Rest        time.Duration
}

// The limits' usual values.
const (
	DefaultTimeout       = 4 * time.Second
	DefaultMaxConcurrent = 16
	DefaultMaxFailures   = 5
	DefaultRest          = 15 * time.Second
)

// Guard makes calls within limits. It may be used by many goroutines at once.
type Guard struct {
	timeout time.Duration
	slots   chan struct{}
	breaker *gobreaker.CircuitBreaker[struct{}]
}

// New makes a Guard. Limits that are 0 have their usual values.
func New(l Limits) *Guard {
	usual := func(d *time.Duration, u time.Duration) {
		if *d <= 0 {
			*d = u
		}
	}
	usual(&l.Timeout, DefaultTimeout)
	usual(&l.Rest, DefaultRest)
	if l.MaxConcurrent <= 0 {
		l.MaxConcurrent = DefaultMaxConcurrent
	}
	if l.MaxFailures <= 0 {
		l.MaxFailures = DefaultMaxFailures
	}
	return &Guard{
		timeout: l.Timeout,
		slots:   make(chan struct{}, l.MaxConcurrent),
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Timeout:     l.Rest,
			ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= l.MaxFailures },
			// Of a caller that gave up before the call had its time nothing follows about the provider.
			IsExcluded: func(err error) bool { return errors.Is(err, errGaveUp) },
		}),
	}
}

// errGaveUp marks a call that the caller ended.
var errGaveUp = errors.New("the login was given up meanwhile")

// Do calls fn with a context that ends at the time-out. fn returns nil for every definite answer, a no
// included: an error is a failure of the provider. Do returns ErrBusy or ErrResting if it did not call.
func (g *Guard) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		return ErrBusy
	}
	_, err := g.breaker.Execute(func() (struct{}, error) {
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		err := fn(call)
		if err != nil && ctx.Err() != nil && time.Since(began) < g.timeout/2 {
			err = fmt.Errorf("%w: %w", errGaveUp, err)
		}
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return ErrResting
	}
	return err
}

package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"tandem/store"
)

// A cluster is all members, of which one is asked at a time.
type cluster struct {
	members []*member
	// current is the place of the member that is asked.
	current atomic.Int64
	// patience is how long a member may take to answer before the next is asked.
	patience time.Duration
	log      *slog.Logger
}

func newCluster(o Options) (*cluster, error) {
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	c := &cluster{patience: o.Timeout / 4, log: o.Logger}
	for place, endpoint := range o.Endpoints {
		m, err := connect(endpoint, o, config)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the connection to %s: %w", endpoint, err), c.close())
		}
		m.place = int64(place)
		c.members = append(c.members, m)
	}
	return c, nil
}

// ask puts a question to the current member, and if it does not answer to the next, until one answers or ctx
// ends. The question must be one that may be asked twice. A refusal is an answer.
func (c *cluster) ask(ctx context.Context, question func(ctx context.Context, m *member) error) error {
	var last error // the last that says more than that time was up
	for n := 1; ; n++ {
		m := c.members[c.current.Load()]
		err := c.askOne(ctx, m, question)
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		switch {
		case err == nil:
			c.answers(m)
			return nil
		case ctx.Err() != nil:
			return c.silent(last)
		case tokenIsStale(err):
			m.login.token.Store(nil)
		case isAnswer(err):
			c.answers(m)
			return fmt.Errorf("%s refuses: %w", m.endpoint, err)
		default:
			c.leave(m, err)
		}
		if n%len(c.members) != 0 {
			continue
		}
		// All have been asked. Members that are down answer at once: do not ask them in a circle.
		if pause(ctx, 20*time.Millisecond) != nil {
			return c.silent(last)
		}
	}
}

func (c *cluster) askOne(ctx context.Context, m *member, question func(ctx context.Context, m *member) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	if err := m.authenticate(ctx); err != nil {
		return err
	}
	return rpctypes.Error(question(ctx, m))
}

// leave makes the member after m the current one, unless somebody else has.
func (c *cluster) leave(m *member, err error) {
	next := (m.place + 1) % int64(len(c.members))
	c.current.CompareAndSwap(m.place, next)
	if !m.failing.Swap(true) {
		c.log.Warn("an etcd member does not answer; the next one is asked",
			"endpoint", m.endpoint, "error", err, "next", c.members[next].endpoint)
	}
}

func (c *cluster) answers(m *member) {
	if m.failing.Swap(false) {
		c.log.Info("an etcd member answers again", "endpoint", m.endpoint)
	}
}

// silent is the error if no member answered in time. What a context says is only text in it: who looks for
// context errors looks for those of the caller's context.
func (c *cluster) silent(last error) error {
	return fmt.Errorf("no answer in time, last: %v", last) //nolint:errorlint // on purpose, see above
}

// unavailable makes err one that says what was tried, where, and what to do.
func (c *cluster) unavailable(tried string, err error) error {
	remedy := "a majority of its members must run and be reachable from here: see `etcdctl --endpoints=… endpoint health`"
	if errors.Is(err, rpctypes.ErrNoSpace) {
		remedy = noSpaceRemedy
	}
	return fmt.Errorf("%w: %s: etcd at %s: %w; %s", store.ErrUnavailable, tried, c.endpoints(), err, remedy)
}

func (c *cluster) endpoints() string {
	all := make([]string, len(c.members))
	for i, m := range c.members {
		all[i] = m.endpoint
	}
	return strings.Join(all, ", ")
}

func (c *cluster) close() error {
	var errs []error
	for _, m := range c.members {
		if err := m.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("close the connection to %s: %w", m.endpoint, err))
		}
	}
	return errors.Join(errs...)
}

// isAnswer: the member has looked at the request and refuses it; another would say the same.
func isAnswer(err error) bool {
	return slices.Contains(answers, code(err)) || errors.Is(err, rpctypes.ErrNoSpace)
}

var answers = []codes.Code{
	codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
	codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated,
}

// tokenIsStale: the member was restarted, or roles were changed. The request was refused before it did anything.
func tokenIsStale(err error) bool {
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision)
}

func code(err error) codes.Code {
	if known := (rpctypes.EtcdError{}); errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// pause waits for about d, or until ctx ends, which is then the error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

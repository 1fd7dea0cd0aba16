package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/directory"
	"tandem/store"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// Setup is what a reload exchanges: where users come from and what is asked of them.
type Setup struct {
	Directory Directory
	// Passwords are first factors other than the Directory, by the name that a policy refers to them with.
	Passwords map[string]PasswordChecker
	// Factors in the order in which a code is tried against them.
	Factors []Factor
	// When holds the rules of those factors, by name, that are not for every login.
	When map[string]*rule.Rule
	// Policies by name.
	Policies map[string]*policy.Policy
	// Order has those policies that are chosen by their rules, in that order: the first one that holds is taken.
	Order []*policy.Policy
	// Levels are what factors are worth, by name; those that are not there, DefaultLevel.
	Levels   map[string]int
	Throttle Throttle
	// Registry writes devices down; nil: nobody can.
	Registry Registry
	Devices  Devices
}

// DefaultLevel is what a second factor is worth.
const DefaultLevel = 2

// level is what a factor is worth.
func (s *Setup) level(factor string) int {
	if l, ok := s.Levels[factor]; ok {
		return l
	}
	return DefaultLevel
}

// checker finds who checks passwords under that name; none is the directory.
func (s *Setup) checker(name string) (PasswordChecker, bool) {
	if name == "" || name == policy.FirstDirectory {
		return s.Directory, true
	}
	c, ok := s.Passwords[name]
	return c, ok
}

// Config is what lives as long as the Core.
type Config struct {
	Store store.Store
	Audit Auditor
	Log   *slog.Logger
	// Now and Rand are the system's if nil.
	Now  func() time.Time
	Rand io.Reader
	// Observe, if not nil, is told what factors do, for metrics. It returns at once.
	Observe func(factor string, e FactorEvent, took time.Duration)
}

// FactorEvent is something that a factor did.
type FactorEvent string

// The events.
const (
	FactorSent       FactorEvent = "sent"
	FactorSendFailed FactorEvent = "send-failed"
	// FactorRight, FactorWrong: it has checked a code; FactorDown: it could not.
	FactorRight FactorEvent = "right"
	FactorWrong FactorEvent = "wrong"
	FactorDown  FactorEvent = "unavailable"
)

func sendEvent(err error) FactorEvent {
	if err != nil {
		return FactorSendFailed
	}
	return FactorSent
}

func checkEvent(f Finding, err error) FactorEvent {
	switch {
	case err != nil:
		return FactorDown
	case f.Result == Match:
		return FactorRight
	}
	return FactorWrong
}

func (c *Core) observe(f Factor, e FactorEvent, took time.Duration) {
	if c.observer != nil {
		c.observer(f.Name(), e, took)
	}
}

// Core verifies logins. Its methods may be called by many goroutines at once; attempts of one user
// are served one after the other.
type Core struct {
	store    store.Store
	audit    Auditor
	log      *slog.Logger
	now      func() time.Time
	rand     io.Reader
	observer func(factor string, e FactorEvent, took time.Duration)
	stateKey []byte
	locks    userLocks

	mu      sync.Mutex // guards running
	running *running
}

// running is a Setup and the attempts that still use it.
type running struct {
	Setup
	attempts sync.WaitGroup
}

// New makes a Core. It reads, and at the very first start writes, the key that marks the states of
// challenges as this store's.
func New(ctx context.Context, c Config, s Setup) (*Core, error) {
	core := &Core{store: c.Store, audit: c.Audit, log: c.Log, now: c.Now, rand: c.Rand, observer: c.Observe, running: &running{Setup: s}}
	if core.now == nil {
		core.now = time.Now
	}
	if core.rand == nil {
		core.rand = rand.Reader
	}
	key, err := loadStateKey(ctx, core.store, core.rand)
	if err != nil {
		return nil, fmt.Errorf("read the challenge key from the store: %w", err)
	}
	core.stateKey = key
	return core, nil
}

// Swap lets every attempt from now on use s. It returns at once; drained waits until the last attempt that uses
// the Setup before has ended, or for ctx's end: then the old Setup may still be in use.
func (c *Core) Swap(s Setup) (drained func(ctx context.Context) error) {
	c.mu.Lock()
	old := c.running
	c.running = &running{Setup: s}
	c.mu.Unlock()

	return func(ctx context.Context) error {
		done := make(chan struct{})
		go func() { // ends with the last attempt, and each attempt has a deadline
			old.attempts.Wait()
			close(done)
		}()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// acquire returns the Setup in force; release must be called when the attempt has ended.
func (c *Core) acquire() (s *Setup, release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.running
	r.attempts.Add(1)
	return &r.Setup, r.attempts.Done
}

// Ready returns nil if the core could decide now: its store serves, and so do its audit and its directory if
// they can tell.
func (c *Core) Ready(ctx context.Context) error {
	if err := c.store.Check(ctx); err != nil {
		return err
	}
	if a, ok := c.audit.(interface{ Check() error }); ok {
		if err := a.Check(); err != nil {
			return err
		}
	}
	s, release := c.acquire()
	defer release()
	if d, ok := s.Directory.(interface{ Ready(context.Context) error }); ok {
		return d.Ready(ctx)
	}
	return nil
}

// Asks returns the policy that holds for a, and in which form it wants password and code, for a front door that asks the
// user itself. The door names the policy in the Attempts that follow, so that what it asked for is what is checked. The
// error is [ErrNoSuchPolicy], [ErrNoPolicyHolds], or any other if that cannot be told now.
func (c *Core) Asks(ctx context.Context, a Attempt) (name string, m policy.Mode, err error) {
	s, release := c.acquire()
	defer release()
	a.Explain = nil
	l := c.newLogin(s, a)
	if s.ruled(a.Policy) && checkName(a.User) == nil {
		l.user, err = s.Directory.Lookup(ctx, a.Names.Plain(a.User))
		if err != nil && !errors.Is(err, directory.ErrNoUser) && !errors.Is(err, directory.ErrAmbiguous) {
			return "", "", fmt.Errorf("find the policy of %q: %w", a.User, err)
		}
	}
	if a.Policy != "" && s.Policies[a.Policy] == nil {
		return "", "", fmt.Errorf("%w: %q", ErrNoSuchPolicy, a.Policy)
	}
	if !l.choosePolicy() {
		return "", "", ErrNoPolicyHolds
	}
	return l.policy.Name, l.policy.Mode, nil
}

var (
	// ErrNoSuchPolicy means that the policy which is named is not there.
	ErrNoSuchPolicy = errors.New("there is no such policy")
	// ErrNoPolicyHolds means that no policy is for this login: a no, which the user's groups may decide.
	ErrNoPolicyHolds = errors.New("no policy holds for this login")
)

// ruled reports whether it takes a rule to tell which policy holds.
func (s *Setup) ruled(named string) bool {
	if named != "" {
		p := s.Policies[named]
		return p != nil && p.When != nil
	}
	return slices.ContainsFunc(s.Order, func(p *policy.Policy) bool { return p.When != nil })
}

// Start begins a login.
func (c *Core) Start(ctx context.Context, a Attempt) Verdict {
	return c.step(ctx, a, "start", (*login).start)
}

// Resume goes on with a login whose challenge has been answered: state is Verdict.State, and
// a.Secret is the answer.
func (c *Core) Resume(ctx context.Context, state []byte, a Attempt) Verdict {
	return c.step(ctx, a, "answer", func(l *login, ctx context.Context) ending { return l.resume(ctx, state) })
}

// Refuse records an attempt in which there is nothing that could be verified, and rejects it in the
// policy's words: for what a front door cannot turn into a Secret.
func (c *Core) Refuse(ctx context.Context, a Attempt, r Reason) Verdict {
	return c.step(ctx, a, "start", func(l *login, _ context.Context) ending {
		l.choosePolicy()
		return reject(r)
	})
}

// step runs one step of a login between acquiring the Setup and writing the audit record.
func (c *Core) step(ctx context.Context, a Attempt, name string, run func(*login, context.Context) ending) Verdict {
	began := c.now()
	setup, release := c.acquire()
	defer release()

	l := c.newLogin(setup, a)
	if l.ID == "" {
		l.ID = c.newID()
	}
	end := run(l, ctx)
	if end.outcome == Unavailable && ctx.Err() != nil {
		end.reason = ReasonTooLate // whatever was being waited for is not to blame
	}
	v := l.verdict(end)

	record := Record{
		Time: began.UTC(), ID: l.ID, Step: name,
		User: clip(a.User), Door: a.Door, Client: clip(a.Client), NAS: clip(a.NAS), Source: clip(a.Source), Service: clip(a.Service),
		Factors: l.tried, Device: l.device, Sent: l.sent, SendFailed: l.failed,
		Outcome: v.Outcome.String(), Reason: v.Reason,
		DurationMS: float64(c.now().Sub(began).Microseconds()) / 1000,
	}
	if l.user != nil {
		record.Account, record.AccountID = l.user.Name, l.user.ID
	}
	if l.policy != nil {
		record.Policy, record.Mode = l.policy.Name, string(l.policy.Mode)
	}
	if l.enrolled != nil {
		record.Enrolled, record.EnrolledType = l.enrolled.Name, l.enrolled.Type
	}
	record.Removed = l.removed
	record.Detail = l.detail
	if end.err != nil {
		record.Detail = clip(end.err.Error())
	}
	if err := c.audit.Record(record); err != nil {
		// What cannot be recorded did not happen; a code that was claimed stays claimed.
		c.log.Error("the audit record could not be written; the attempt is rejected", "attempt", l.ID, "err", err)
		l.explain("audit", "the record could not be written: %v", err)
		l.unregister(ctx)
		return l.verdict(ending{outcome: Reject, reason: ReasonAuditDown})
	}
	c.logStep(record)
	return v
}

// clip bounds what strangers, and servers, can write into a record.
func clip(s string) string {
	const most = 1 << 10
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (c *Core) logStep(r Record) {
	level := slog.LevelInfo
	if r.Outcome == Unavailable.String() || r.Reason == ReasonClockBehind || r.Reason == ReasonRegistryDown {
		level = slog.LevelError // somebody has to look after this host
	}
	if !c.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 11)
	for _, a := range []struct{ key, value string }{
		{"attempt", r.ID},
		{"step", r.Step},
		{"reason", string(r.Reason)},
		{"user", r.User},
		{"door", r.Door},
		{"client", r.Client},
		{"source", r.Source},
		{"service", r.Service},
		{"policy", r.Policy},
		{"enrolled", r.Enrolled},
		{"detail", r.Detail},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	c.log.LogAttrs(context.Background(), level, "login "+r.Outcome, attrs...)
}

func (c *Core) newID() string {
	var b [8]byte
	if _, err := io.ReadFull(c.rand, b[:]); err != nil {
		return "unnamed"
	}
	return hex.EncodeToString(b[:])
}

// errInput marks what is wrong with the attempt itself.
var errInput = errors.New("bad input")

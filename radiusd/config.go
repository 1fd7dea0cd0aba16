package radiusd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
	"tandem/verify"
)

// Core decides. *verify.Core is one.
type Core interface {
	// Start begins a login.
	Start(ctx context.Context, a verify.Attempt) verify.Verdict
	// Resume goes on with the login whose challenge carried state.
	Resume(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict
	// Refuse records a login without anything in it that could be verified, and rejects it.
	Refuse(ctx context.Context, a verify.Attempt, reason verify.Reason) verify.Verdict
	// Plausible says, without asking anybody, whether state could be one of ours. Only the order in
	// which packets are served depends on it.
	Plausible(state []byte) bool
	// Ready returns nil if the core could decide now.
	Ready(ctx context.Context) error
}

// Defaults of a [Config] and its [Settings] where they are zero.
const (
	DefaultWorkers        = 128
	DefaultQueue          = 1024
	DefaultMaxCached      = 65536
	DefaultRequestTimeout = 5 * time.Second
	DefaultRejectDelay    = time.Second
	DefaultReplyCache     = 10 * time.Second
)

// MinReplyCache and MaxReplyCache bound [Settings.ReplyCache] (RFC 5080 §2.2.2 asks for 5 to 30 seconds).
const (
	MinReplyCache = 5 * time.Second
	MaxReplyCache = 30 * time.Second
)

// Config says how to serve. Zero numbers and durations take their defaults.
type Config struct {
	// Listen holds the UDP addresses to serve, as address:port: "192.0.2.1:1812", "[2001:db8::1]:1812",
	// "0.0.0.0:1812" and "[::]:1812" for every address of the family. Host names are refused.
	Listen []string
	// Workers is how many requests are decided at once. They mostly wait for the directory.
	Workers int
	// Queue is how many requests may wait for a worker: as many that answer a challenge, and as many others.
	Queue int
	// MaxCached is how many requests are remembered, decided or not, and how many replies may be held back.
	MaxCached int
	Core      Core
	// Logger is slog.Default() if nil.
	Logger *slog.Logger

	Settings
}

// Settings are the part of a [Config] that [Server.Reload] exchanges.
type Settings struct {
	// Clients are those that are answered.
	Clients []Client
	// RequestTimeout is how long a request may take from its arrival. One that waited so long in the
	// queue is dropped: its NAS has given up or asked again.
	RequestTimeout time.Duration
	// RejectDelay is how long after a request's arrival its reject leaves at the earliest.
	RejectDelay time.Duration
	// ReplyCache is how long after it was sent a reply is kept for retransmissions of its request.
	ReplyCache time.Duration
}

// Charset is how a client encodes names, passwords and messages.
type Charset string

// The charsets. Empty means UTF8, which RFC 2865 §5 demands.
const (
	UTF8   Charset = "utf-8"
	Latin1 Charset = "latin-1"
)

// Client is a host, or a network of hosts, that may ask.
type Client struct {
	// Name stands in logs and audit, and challenges are bound to it. Unique.
	Name string
	// Networks are the source addresses; where clients' networks overlap, the most specific wins.
	Networks []netip.Prefix
	// Secret is the shared secret.
	Secret secret.String
	// key is Secret, prepared by newClientTable.
	key *msgauth.Key
	// RequireMessageAuthenticator drops requests without a Message-Authenticator. Without it, who
	// can change packets on their way can turn a reject into an accept (CVE-2024-3596).
	RequireMessageAuthenticator bool
	// LimitProxyState drops requests that carry Proxy-State but no Message-Authenticator: that
	// attack needs the first to do without the second.
	LimitProxyState bool
	// Policy names the core's policy for this client; empty: the core chooses one by its rules.
	Policy string
	// Names is what its users may write beside their name.
	Names directory.Names
	// Level is what its users have to reach at least; 0: nothing.
	Level int
	// Charset is how the client encodes text.
	Charset Charset
	// RejectWhenUnavailable answers with a reject when nobody can decide, instead of silence that
	// makes the NAS fail over to the next server.
	RejectWhenUnavailable bool
}

// settings is a [Settings] in force: checked, and with the clients ready for look-up. It never changes.
type settings struct {
	clients        *clientTable
	requestTimeout time.Duration
	rejectDelay    time.Duration
	replyCache     time.Duration
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.Queue = cmp.Or(c.Queue, DefaultQueue)
	c.MaxCached = cmp.Or(c.MaxCached, DefaultMaxCached)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// check returns everything that is wrong with c, but for its Settings.
func (c Config) check() error {
	var errs []error
	if c.Core == nil {
		errs = append(errs, errors.New("radius: no core to decide"))
	}
	if len(c.Listen) == 0 {
		errs = append(errs, errors.New("radius: no address to listen on: give one, such as 127.0.0.1:1812"))
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"workers", c.Workers}, {"queue", c.Queue}, {"max cached", c.MaxCached}} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("radius: %s is %d: it must be at least 1", n.name, n.value))
		}
	}
	return errors.Join(errs...)
}

// compile checks s and makes it ready for use. The error holds everything that is wrong.
func (s Settings) compile() (*settings, error) {
	compiled := &settings{
		requestTimeout: cmp.Or(s.RequestTimeout, DefaultRequestTimeout),
		rejectDelay:    cmp.Or(s.RejectDelay, DefaultRejectDelay),
		replyCache:     cmp.Or(s.ReplyCache, DefaultReplyCache),
	}
	var errs []error
	if compiled.requestTimeout < 0 {
		errs = append(errs, fmt.Errorf("radius: the request timeout is %v: it must be positive", compiled.requestTimeout))
	}
	if compiled.rejectDelay < 0 {
		errs = append(errs, fmt.Errorf("radius: the reject delay is %v: it must be positive", compiled.rejectDelay))
	}
	if compiled.replyCache < MinReplyCache || compiled.replyCache > MaxReplyCache {
		errs = append(errs, fmt.Errorf("radius: replies are cached for %v: choose %v to %v (RFC 5080 §2.2.2)",
			compiled.replyCache, MinReplyCache, MaxReplyCache))
	}
	clients, err := newClientTable(s.Clients)
	if err != nil {
		errs = append(errs, err)
	}
	compiled.clients = clients
	return compiled, errors.Join(errs...)
}

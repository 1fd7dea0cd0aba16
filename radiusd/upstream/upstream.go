// Package upstream has another RADIUS server check passwords: a first factor for sites whose passwords an NPS or a
// FreeRADIUS knows. What that server gives the user, address or VLAN, may be passed on.
//
// Several servers have the same users. The first that answers is asked; one that keeps silent is left alone
// for a while, and asked by Status-Server (RFC 5997) whether it is back, so that no login has to wait for that.
// Requests carry a Message-Authenticator, and no answer without one is believed (CVE-2024-3596).
package upstream

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/radiusd/attribute"
	"tandem/radiusd/radiusclient"
	"tandem/verify"
)

// Config says whom to ask.
type Config struct {
	// Name is the first factor's, in policies and errors.
	Name string
	// Servers are host:port, the preferred one first; Secret is shared with all of them.
	Servers []string
	Secret  secret.String
	// Timeout is how long each copy of a request waits for its reply, and Retries how many more copies there are.
	Timeout time.Duration
	Retries int
	// Rest is how long a silent server is left alone.
	Rest time.Duration
	// NASIdentifier says who asks.
	NASIdentifier string
	// Pass names the attributes of an accept that are passed on.
	Pass []string
	Log  *slog.Logger
}

// maxPassword is what a User-Password holds, in octets (RFC 2865 §5.2).
const maxPassword = 128

// giveUp is after how many rests without an answer to Status-Server a login tries a server again all the same: not
// every server knows the question.
const giveUp = 4

// Checker is the first factor.
type Checker struct {
	config  Config
	pass    []number
	servers []*server

	probing sync.WaitGroup
	stop    context.CancelFunc
	stopped context.Context //nolint:containedctx // ends with the Checker
}

var (
	_ verify.PasswordChecker = (*Checker)(nil)
	_ verify.Voucher         = (*Checker)(nil)
)

// server is one of them, and whether it is left alone.
type server struct {
	client radiusclient.Config

	mu   sync.Mutex
	down bool
}

// number tells attributes apart: by vendor, 0 for the standard ones, and type.
type number struct{ vendor, kind uint32 }

// New makes the Checker. It asks nobody yet. Close it when it is no longer used.
func New(c Config) (*Checker, error) {
	checker := &Checker{config: c}
	for _, name := range c.Pass {
		a, err := attribute.Find(name)
		if err != nil {
			return nil, fmt.Errorf("upstream %s: pass: %w", c.Name, err)
		}
		if a.Sealed() {
			return nil, fmt.Errorf("upstream %s: pass: %s is encrypted for us alone, and cannot be passed on", c.Name, a)
		}
		vendor, kind := a.Number()
		checker.pass = append(checker.pass, number{vendor, kind})
	}
	for _, address := range c.Servers {
		checker.servers = append(checker.servers, &server{client: radiusclient.Config{
			Addr: address, Secret: c.Secret, Timeout: c.Timeout, Retries: c.Retries,
		}})
	}
	checker.stopped, checker.stop = context.WithCancel(context.Background())
	return checker, nil
}

// Close ends the questions to silent servers.
func (c *Checker) Close() error {
	c.stop()
	c.probing.Wait()
	return nil
}

// CheckPassword implements [verify.PasswordChecker].
func (c *Checker) CheckPassword(ctx context.Context, u *directory.User, password string) error {
	_, err := c.Vouch(ctx, u, password)
	return err
}

// Vouch implements [verify.Voucher]: it returns the attributes of the accept that are to be passed on.
func (c *Checker) Vouch(ctx context.Context, u *directory.User, password string) ([]verify.Attribute, error) {
	if password == "" || len(password) > maxPassword {
		return nil, fmt.Errorf("%w: it has %d octets, and a request holds 1 to %d", directory.ErrWrongPassword, len(password), maxPassword)
	}
	reply, err := c.ask(ctx, radiusclient.Request{User: u.Name, Password: secret.New(password), NASIdentifier: c.config.NASIdentifier})
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", c.config.Name, err)
	}
	if reply.Code == radius.CodeAccessAccept {
		return c.passed(reply.Attributes), nil
	}
	if reply.Code == radius.CodeAccessReject {
		return nil, fmt.Errorf("%w, says upstream %s", directory.ErrWrongPassword, c.config.Name)
	}
	return nil, fmt.Errorf("upstream %s answers with %v, and only a yes or a no can be used: let it check the password alone", c.config.Name, reply.Code)
}

// ask asks the servers in turn: those that are up, or, if none is, all.
func (c *Checker) ask(ctx context.Context, r radiusclient.Request) (*radiusclient.Reply, error) {
	var silent error
	for _, down := range []bool{false, true} {
		servers := slices.DeleteFunc(slices.Clone(c.servers), func(s *server) bool { return s.isDown() != down })
		for i, s := range servers {
			reply, err := s.exchange(ctx, len(servers)-i, r)
			if err == nil {
				return reply, nil
			}
			silent = errors.Join(silent, err)
			if ctx.Err() != nil {
				return nil, silent
			}
			if !down && errors.Is(err, radiusclient.ErrNoReply) {
				c.leaveAlone(s)
			}
		}
	}
	return nil, silent
}

// exchange asks s, and leaves as much time as it takes itself to each of those that are left.
func (s *server) exchange(ctx context.Context, left int, r radiusclient.Request) (*radiusclient.Reply, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	began := time.Now()
	reply, err := radiusclient.Exchange(ctx, s.client, r)
	if errors.Is(err, context.DeadlineExceeded) && time.Since(began) >= s.client.Timeout { // its share was over: that is silence, too
		err = fmt.Errorf("%w: %w", radiusclient.ErrNoReply, err)
	}
	return reply, err
}

func (s *server) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// leaveAlone marks s as down, and sees to its coming back.
func (c *Checker) leaveAlone(s *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || c.stopped.Err() != nil {
		return
	}
	s.down = true
	c.config.Log.Warn("an upstream RADIUS server does not answer; it is left alone for a while", "upstream", c.config.Name, "server", s.client.Addr)
	c.probing.Go(func() { // one a server, until it is back or the Checker is closed
		why := c.wait(s)
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		c.config.Log.Info("an upstream RADIUS server is asked again", "upstream", c.config.Name, "server", s.client.Addr, "why", why)
	})
}

// wait returns when s may be asked again.
func (c *Checker) wait(s *server) (why string) {
	for range giveUp {
		select {
		case <-c.stopped.Done():
			return "the service stops"
		case <-time.After(c.config.Rest):
		}
		if _, err := radiusclient.Status(c.stopped, s.client); err == nil {
			return "it answers Status-Server"
		}
	}
	return "perhaps it does not know Status-Server"
}

// passed picks the attributes that are passed on. They stay octets, whatever they mean.
func (c *Checker) passed(all radius.Attributes) []verify.Attribute {
	var out []verify.Attribute
	add := func(n number, value []byte) {
		if slices.Contains(c.pass, n) && len(value) > 0 {
			out = append(out, verify.Attribute{
				Name:  strconv.Itoa(int(n.vendor)) + ":" + strconv.Itoa(int(n.kind)) + ":octets",
				Value: "0x" + hex.EncodeToString(value),
			})
		}
	}
	for _, a := range all {
		if a.Type != rfc2865.VendorSpecific_Type {
			add(number{0, uint32(a.Type)}, a.Attribute)
			continue
		}
		vendor, rest, ok := cutVendor(a.Attribute)
		for ok && len(rest) >= 2 && int(rest[1]) >= 2 && int(rest[1]) <= len(rest) {
			add(number{vendor, uint32(rest[0])}, rest[2:rest[1]])
			rest = rest[rest[1]:]
		}
	}
	return out
}

// cutVendor takes the vendor's number off a Vendor-Specific attribute (RFC 2865 §5.26).
func cutVendor(b []byte) (vendor uint32, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(b), b[4:], true
}

// String names the servers.
func (c *Checker) String() string {
	return "RADIUS " + strings.Join(c.config.Servers, ", ")
}

package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/internal/unixsock"
	"tandem/verify"
)

// Core is what the socket lets an admin use.
type Core interface {
	Start(ctx context.Context, a verify.Attempt) verify.Verdict
	Resume(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict
	Unlock(ctx context.Context, name string) (account string, until time.Time, err error)
	Record(ctx context.Context, name, key string) (account string, value []byte, err error)
	PutRecord(ctx context.Context, name, key string, value []byte) (account string, err error)
	Preview(ctx context.Context, a verify.Attempt, at time.Time) (verify.Preview, error)
	ConfirmDevice(ctx context.Context, name string, d directory.Device, codes []secret.String) (account string, use verify.Use, err error)
	Spend(ctx context.Context, name string, d directory.Device, numbers []uint64) (account string, err error)
	Resync(ctx context.Context, name, deviceID string, codes []secret.String) (account, found string, err error)
	Describe(ctx context.Context, name string) (verify.Description, error)
}

// Action is the audit's line about something that an admin did.
type Action struct {
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	// By is the operating system's user at the other end of the socket, PID its process.
	By      string `json:"by"`
	PID     int32  `json:"pid"`
	User    string `json:"user,omitempty"`
	Account string `json:"account,omitempty"`
	// Device is the name of the device that it was done to, DeviceType its type, and Detail says more.
	Device     string `json:"device,omitempty"`
	DeviceType string `json:"device_type,omitempty"`
	Detail     string `json:"detail,omitempty"`
	// Error says that it was tried and failed: a line without it stands before.
	Error string `json:"error,omitempty"`
}

// Config is what a Server needs.
type Config struct {
	// Path of the socket. Its folder must exist.
	Path string
	Core Core
	// Status answers OpStatus.
	Status func(context.Context) Status
	// Audit keeps an Action; one that cannot be kept is not done.
	Audit func(Action) error
	Log   *slog.Logger
}

// The bounds of one admin connection.
const (
	maxConnections = 256              // scripts add devices many at a time
	connectionTime = 10 * time.Minute // a person types the answers
	requestTime    = 30 * time.Second
)

// Server serves the admin socket.
type Server struct {
	Config
	listener *net.UnixListener
}

// Listen makes the socket, mode 0600.
func Listen(c Config) (*Server, error) {
	l, err := unixsock.Listen(c.Path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return &Server{Config: c, listener: l}, nil
}

// Serve answers until ctx ends; then it waits for open connections to end.
func (s *Server) Serve(ctx context.Context) error {
	defer func() { _ = os.Remove(s.Path) }()
	var open sync.WaitGroup
	defer open.Wait()
	places := make(chan struct{}, maxConnections)
	for {
		conn := unixsock.Accept(ctx, s.listener, s.Log)
		if conn == nil {
			return nil
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		open.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, connectionTime)
			defer cancel()
			hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer hangUp()
			defer func() { _ = conn.Close() }()
			if err := s.serve(ctx, conn); err != nil && ctx.Err() == nil {
				s.Log.Warn("admin connection ended", "err", err)
			}
		})
	}
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn) error {
	peer, err := unixsock.Peer(conn)
	if err != nil {
		return err
	}
	if uid := int(peer.Uid); uid != 0 && uid != os.Geteuid() {
		return errors.Join(
			fmt.Errorf("user id %d is refused: only root and the daemon's own user are served", uid),
			writeLine(conn, Reply{Error: "you are neither root nor the user that tandemd runs as", Done: true}))
	}
	c := connection{Server: s, conn: conn, in: bufio.NewReader(conn), by: userName(peer.Uid), pid: peer.Pid}
	var r Request
	switch err := readLine(c.in, maxRequest, &r); {
	case errors.Is(err, io.EOF): // somebody looked whether we are here
		return nil
	case err != nil:
		return err
	}
	return c.answer(ctx, r)
}

// connection is one admin's conversation.
type connection struct {
	*Server
	conn *net.UnixConn
	in   *bufio.Reader
	by   string
	pid  int32
}

func (c *connection) answer(ctx context.Context, r Request) error {
	switch r.Op {
	case OpStatus:
		status := c.Status(ctx)
		return writeLine(c.conn, Reply{Status: &status, Done: true})
	case OpUnlock:
		return c.unlock(ctx, r)
	case OpRecovery, OpRecoveryDelete:
		return c.changeRecovery(ctx, r)
	case OpRecoveryLeft:
		return c.countRecovery(ctx, r)
	case OpTry:
		return c.try(ctx, r)
	case OpPolicy:
		return c.preview(ctx, r)
	case OpConfirm:
		return c.confirmDevice(ctx, r)
	case OpSpend:
		return c.spend(ctx, r)
	case OpResync:
		return c.resync(ctx, r)
	case OpDescribe:
		return c.describe(ctx, r)
	case OpChange:
		return c.noteChange(r)
	}
	return writeLine(c.conn, Reply{Error: fmt.Sprintf("this tandemd does not know %q: is it older than the command?", r.Op), Done: true})
}

func (c *connection) unlock(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if err := c.record(r); err != nil {
		return c.refuse(err)
	}
	account, until, err := c.Core.Unlock(ctx, r.User)
	if err != nil {
		c.Log.Warn("unlock failed", "by", c.by, "user", r.User, "err", err)
		return c.refuse(err)
	}
	c.Log.Info("unlocked", "by", c.by, "user", account)
	reply := Reply{Account: account, Done: true}
	if !until.IsZero() {
		reply.Until = &until
	}
	return writeLine(c.conn, reply)
}

// record writes the audit's line about r. It is written before r is done: what cannot be recorded is not done.
func (c *connection) record(r Request) error {
	return c.note(Action{Action: r.Op, User: r.User})
}

// note writes a line about something that this administrator does.
func (c *connection) note(a Action) error {
	a.Time, a.By, a.PID = time.Now().UTC(), c.by, c.pid
	if err := c.Audit(a); err != nil {
		return fmt.Errorf("the audit record could not be written, nothing was changed: %w", err)
	}
	return nil
}

func (c *connection) refuse(err error) error {
	return writeLine(c.conn, Reply{Error: err.Error(), Reason: string(reasonOf(err)), Done: true})
}

// try runs a real attempt through the core, with all it costs: a code that is right is used up.
func (c *connection) try(ctx context.Context, r Request) error {
	a := verify.Attempt{
		Door: "admin", Client: "admin:" + c.by, NAS: "admin socket", Source: r.Source,
		User: r.User, Secret: secret.New(r.Secret), Policy: r.Policy,
	}
	var lost error
	if r.Explain {
		a.Explain = func(d verify.Decision) { lost = errors.Join(lost, writeLine(c.conn, Reply{Decision: &d})) }
	}
	v := c.step(ctx, func(ctx context.Context) verify.Verdict { return c.Core.Start(ctx, a) })
	for v.Outcome == verify.Challenge {
		if err := errors.Join(lost, writeLine(c.conn, Reply{Prompt: v.Message})); err != nil {
			return err
		}
		var answer Request
		if err := readLine(c.in, maxRequest, &answer); err != nil {
			return err
		}
		a.Secret = secret.New(answer.Secret)
		state := v.State
		v = c.step(ctx, func(ctx context.Context) verify.Verdict { return c.Core.Resume(ctx, state, a) })
	}
	return errors.Join(lost, writeLine(c.conn, Reply{
		Outcome: v.Outcome.String(), Reason: string(v.Reason), AttemptID: v.AttemptID, Message: v.Message, Done: true,
	}))
}

func (c *connection) step(ctx context.Context, run func(context.Context) verify.Verdict) verify.Verdict {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return run(ctx)
}

// preview says what a login would meet. It changes nothing, so nothing of it goes to the audit.
func (c *connection) preview(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	a := verify.Attempt{User: r.User, Policy: r.Policy, Source: r.Source}
	var at time.Time
	if l := r.Login; l != nil {
		a.Door, a.Client, a.Level, a.Service = l.Via, l.Client, l.Level, l.Service
		a.Names.Domains, a.Names.Realms = l.Domains, l.Realms
		a.Station.Identifier, a.Station.IP, a.Station.PortType = l.NASIdentifier, l.NASIP, l.NASPortType
		if l.Time != nil {
			at = l.Time.Local() // the time zone that hours and weekdays of rules are meant in
		}
	}
	p, err := c.Core.Preview(ctx, a, at)
	if err != nil {
		return c.refuse(err)
	}
	return writeLine(c.conn, Reply{Preview: &p, Done: true})
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

package pamhelper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"tandem/verify"
	"tandem/verify/policy"
)

// Core is what decides.
type Core interface {
	// Start begins a login.
	Start(ctx context.Context, a verify.Attempt) verify.Verdict
	// Resume goes on with the login whose challenge carried state.
	Resume(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict
	// Asks says which policy holds for a, and in which form it wants password and code. The name may be
	// empty: then there is only one. The error is verify.ErrNoPolicyHolds if none holds, which is a no.
	Asks(ctx context.Context, a verify.Attempt) (name string, mode policy.Mode, err error)
}

// A Door has conversations with PAM modules.
type Door struct {
	Core Core
	Log  *slog.Logger
	// Client is the name of this host's logins in logs and audit, and what challenges are bound to.
	// Default: "pam".
	Client string
	// KeyServices are the PAM services whose word is taken that a public key was checked: SSH_AUTH_INFO_0
	// comes from sshd there, while elsewhere (pam_env under sudo) the user could have set it. Default: sshd.
	KeyServices []string
	// RejectDelay is how long after an answer's arrival a reject leaves at the earliest; 0: at once.
	RejectDelay time.Duration
	// QRCode: who enrols a device at the login is shown a QR code, if the module can; else the device's key in words.
	QRCode bool
	// admit, if not nil, is asked whether there is room for one more conversation of that real user id, whom
	// a trusted process names; release gives it up.
	admit func(uid string) (release func(), ok bool)
	// UserName gives the login name of a user id; nil: the operating system's. It is asked about processes
	// that are not root's.
	UserName func(uid uint32) (string, error)
}

// The bounds of one conversation.
const (
	helloTime = 5 * time.Second  // a module says hello at once
	writeTime = 5 * time.Second  // a module always reads
	stepTime  = 10 * time.Second // the core's time for one answer
)

// errLeft: the other side will not answer any more; nobody waits for a result.
var errLeft = errors.New("the application left the conversation")

// Converse has one conversation on conn, up to its result, and leaves conn open. When ctx ends, a
// conversation that waits for the user ends with PAM_AUTHINFO_UNAVAIL; one that waits for the core gets its
// answer. The error says why there was no conversation; a module that went away is none.
func (d *Door) Converse(ctx context.Context, conn *net.UnixConn) error {
	p, err := peerOf(conn)
	if err != nil {
		return err
	}
	c := &conversation{door: d, conn: conn, peer: p}
	hurry := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer hurry()
	err = c.run(ctx)
	switch {
	case errors.Is(err, errLeft), errors.Is(err, io.EOF):
		d.Log.Info("the user or the application went away", "user", c.user(), "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("conversation with process %d of user id %d: %w", p.pid, p.uid, err)
	}
	return nil
}

func (d *Door) client() string {
	if d.Client == "" {
		return "pam"
	}
	return d.Client
}

func (d *Door) userName(uid uint32) (string, error) {
	if d.UserName == nil {
		return lookupName(uid)
	}
	return d.UserName(uid)
}

// keyChecked reports whether sshd has checked a public key of the user in this login.
func (d *Door) keyChecked(h *hello, p peer) bool {
	services := d.KeyServices
	if services == nil {
		services = []string{"sshd"}
	}
	if !p.trusted() || !slices.Contains(services, h.service) {
		return false
	}
	return slices.ContainsFunc(strings.Split(h.authInfo, "\n"), func(line string) bool {
		method, _, _ := strings.Cut(line, " ")
		return method == "publickey"
	})
}

// listen takes the hello.
func (c *conversation) listen(ctx context.Context) error {
	c.answerBy(ctx, time.Now().Add(helloTime))
	t, payload, err := readFrame(c.conn)
	switch {
	case overdue(err) && ctx.Err() == nil: // a user can stop the module's process: not our being out of reach
		return errors.Join(err, c.end(pamAuthErr))
	case err != nil:
		return err
	case t != frameHello:
		return fmt.Errorf("%w: frame %#x instead of a hello", errProtocol, byte(t))
	}
	c.arrived = time.Now()
	if c.hello, err = parseHello(payload); err != nil {
		return c.refuse(err)
	}
	if err := c.peer.mayAskAbout(c.hello.user, c.door.userName); err != nil {
		return c.refuse(err)
	}
	// The module keeps the last quarter of its time for us; an answer that comes later it sends no more.
	c.answerBy(ctx, c.arrived.Add(c.hello.timeout))
	return nil
}

// answerBy sets the time by which the module must have said what is waited for.
func (c *conversation) answerBy(ctx context.Context, t time.Time) {
	_ = c.conn.SetReadDeadline(t)
	if ctx.Err() != nil { // it ended before, and its deadline is overwritten
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// refuse ends a conversation before it has begun: the module's host learns why from its own syslog.
func (c *conversation) refuse(why error) error {
	const syslogErr = 3
	return errors.Join(why,
		c.send(frameSyslog, append([]byte{syslogErr}, truncate(why.Error())...)),
		c.end(pamAuthinfoUnavail))
}

// truncate keeps a text within what the module shows of it.
func truncate(s string) string {
	const most = 500
	if len(s) > most {
		return s[:most]
	}
	return s
}

// overdue reports whether err is a deadline's.
func overdue(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/recovery"
)

// Device is a [directory.Device] on its way over the socket, with its secrets: those print themselves as "[redacted]"
// everywhere else, and in JSON too.
type Device struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	Epoch     int64  `json:"epoch,omitempty"`
	Secret    []byte `json:"secret,omitempty"`
	Digits    int    `json:"digits,omitempty"`
	Period    int    `json:"period,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Counter   uint64 `json:"counter,omitempty"`
	PublicID  string `json:"public_id,omitempty"`
	PrivateID []byte `json:"private_id,omitempty"`
}

// WholeDevice is d with its secrets.
func WholeDevice(d directory.Device) *Device {
	return &Device{
		Type: d.Type, Name: d.Name, Epoch: d.Epoch, Secret: []byte(d.Secret.Reveal()), Digits: d.Digits, Period: d.Period,
		Algorithm: d.Algorithm, Counter: d.Counter, PublicID: d.PublicID, PrivateID: []byte(d.PrivateID.Reveal()),
	}
}

func (d *Device) device() directory.Device {
	return directory.Device{
		Type: d.Type, Name: d.Name, Epoch: d.Epoch, Secret: secret.New(string(d.Secret)), Digits: d.Digits, Period: d.Period,
		Algorithm: d.Algorithm, Counter: d.Counter, PublicID: d.PublicID, PrivateID: secret.New(string(d.PrivateID)),
	}
}

// What a command does to devices, for the audit.
const (
	ActionAdd    = "device-add"
	ActionRename = "device-rename"
	ActionDelete = "device-delete"
	ActionImport = "import"
	ActionExport = "export"
)

var actions = []string{ActionAdd, ActionRename, ActionDelete, ActionImport, ActionExport}

// Change is what the command is about to do to Request.Device of Request.User. It does it by itself, with the
// rights of the administrator; only the audit's line comes from the daemon, which knows who asked.
type Change struct {
	// Action is one of the constants.
	Action string `json:"action"`
	// Detail says more: the new name.
	Detail string `json:"detail,omitempty"`
	// Error says that it was tried and failed, and why.
	Error string `json:"error,omitempty"`
}

// The longest text of a command's that goes into the audit, in octets.
const maxNoted = 1 << 10

func clipped(s string) string {
	if len(s) <= maxNoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxNoted], "") + "…"
}

var errNoDevice = errors.New("the request says of no device what is to become of it: use the tandem command of tandemd's own version")

// noteChange writes the audit's line. The command goes on only after it is written.
func (c *connection) noteChange(r Request) error {
	if r.Device == nil || r.Change == nil || !slices.Contains(actions, r.Change.Action) {
		return c.refuse(errNoDevice)
	}
	err := c.note(Action{
		Action: r.Change.Action, User: clipped(r.User), Device: clipped(r.Device.Name), DeviceType: clipped(r.Device.Type),
		Detail: clipped(r.Change.Detail), Error: clipped(r.Change.Error),
	})
	if err != nil {
		return c.refuse(err)
	}
	if r.Change.Error == "" {
		c.Log.Info(r.Change.Action, "by", c.by, "user", clipped(r.User), "device", clipped(r.Device.Name))
	} else {
		c.Log.Warn(r.Change.Action+" failed", "by", c.by, "user", clipped(r.User), "device", clipped(r.Device.Name), "err", clipped(r.Change.Error))
	}
	return writeLine(c.conn, Reply{Done: true})
}

// confirmDevice uses up codes of a device that is about to be written down.
func (c *connection) confirmDevice(ctx context.Context, r Request) error {
	if r.Device == nil {
		return c.refuse(errNoDevice)
	}
	a := Action{Action: r.Op, User: r.User, Device: r.Device.Name, DeviceType: r.Device.Type}
	return c.audited(ctx, a, func(ctx context.Context) (reply Reply, err error) {
		var use verify.Use
		reply.Account, use, err = c.Core.ConfirmDevice(ctx, r.User, r.Device.device(), secrets(r.Codes))
		reply.Use = &use
		return reply, err
	})
}

// spend notes codes that were used elsewhere.
func (c *connection) spend(ctx context.Context, r Request) error {
	if r.Device == nil {
		return c.refuse(errNoDevice)
	}
	a := Action{Action: r.Op, User: r.User, Device: r.Device.Name, DeviceType: r.Device.Type}
	return c.audited(ctx, a, func(ctx context.Context) (reply Reply, err error) {
		reply.Account, err = c.Core.Spend(ctx, r.User, r.Device.device(), r.Numbers)
		return reply, err
	})
}

// resync moves the counter of a device.
func (c *connection) resync(ctx context.Context, r Request) error {
	a := Action{Action: r.Op, User: r.User}
	if r.Device != nil {
		a.Device, a.DeviceType = r.Device.Name, r.Device.Type
	}
	return c.audited(ctx, a, func(ctx context.Context) (reply Reply, err error) {
		reply.Account, reply.Message, err = c.Core.Resync(ctx, r.User, r.DeviceID, secrets(r.Codes))
		return reply, err
	})
}

// describe says what the core sees of a user. It changes nothing, so nothing of it goes to the audit.
func (c *connection) describe(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	described, err := c.Core.Describe(ctx, r.User)
	if err != nil {
		return c.refuse(err)
	}
	_, set, err := c.Core.Record(ctx, r.User, recovery.Key)
	if err != nil {
		return c.refuse(err)
	}
	left, err := recovery.Left(set)
	if err != nil {
		return c.refuse(err)
	}
	return writeLine(c.conn, Reply{Description: &described, Left: left, Done: true})
}

// audited does something that changes the state, between a line in the audit and, if it fails, another one.
func (c *connection) audited(ctx context.Context, a Action, do func(context.Context) (Reply, error)) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	a.User, a.Device, a.DeviceType = clipped(a.User), clipped(a.Device), clipped(a.DeviceType)
	if err := c.note(a); err != nil {
		return c.refuse(err)
	}
	reply, err := do(ctx)
	if err == nil {
		c.Log.Info(a.Action, "by", c.by, "user", reply.Account)
		reply.Done = true
		return writeLine(c.conn, reply)
	}
	c.Log.Warn(a.Action+" failed", "by", c.by, "user", a.User, "err", err)
	a.Error = clipped(err.Error())
	if noted := c.note(a); noted != nil {
		err = fmt.Errorf("%w; that it failed stands in no audit: %w", err, noted)
	}
	return c.refuse(err)
}

// reasonOf tells errors apart that typing another code mends.
func reasonOf(err error) verify.Reason {
	switch {
	case errors.Is(err, verify.ErrWrongCode):
		return verify.ReasonWrongCode
	case errors.Is(err, verify.ErrUsedCode):
		return verify.ReasonReplayedCode
	}
	return ""
}

func secrets(typed []string) []secret.String {
	out := make([]secret.String, 0, len(typed))
	for _, t := range typed {
		out = append(out, secret.New(t))
	}
	return out
}

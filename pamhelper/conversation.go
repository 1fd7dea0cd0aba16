package pamhelper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/policy"
)

const defaultPrompt = "Password: "

// conversation is one login.
type conversation struct {
	door  *Door
	conn  *net.UnixConn
	peer  peer
	hello *hello
	// arrived is when the module last said something: rejects are delayed from then on.
	arrived time.Time
}

func (c *conversation) user() string {
	if c.hello == nil {
		return ""
	}
	return c.hello.user
}

// run is the conversation from hello to result.
func (c *conversation) run(ctx context.Context) error {
	if err := c.listen(ctx); err != nil {
		return err
	}
	if c.door.admit != nil && c.peer.trusted() {
		release, ok := c.door.admit(c.hello.uid)
		if !ok {
			c.door.Log.Warn("too many PAM conversations: one was turned away", "uid", c.hello.uid)
			return c.end(pamAuthErr)
		}
		defer release()
	}
	asking, cancel := context.WithTimeout(ctx, min(stepTime, c.hello.timeout/5))
	defer cancel()
	name, mode, err := c.door.Core.Asks(asking, c.attempt())
	switch {
	// For this user, or because a crowd makes it take long: not our being out of reach.
	case errors.Is(err, verify.ErrNoPolicyHolds), errors.Is(err, context.DeadlineExceeded):
		c.door.Log.Warn("a login was turned away", "user", c.hello.user, "service", c.hello.service, "err", err)
		return c.end(pamAuthErr)
	case err != nil:
		return c.refuse(fmt.Errorf("the PAM service %q: %w", c.hello.service, err))
	}
	c.hello.policy = name
	err = c.login(ctx, mode)
	switch {
	case overdue(err) && ctx.Err() != nil: // we shut down
		return c.end(pamAuthinfoUnavail)
	case overdue(err): // the user was too slow
		return c.end(pamAuthErr)
	}
	return err
}

// login starts with the first factor, or at once with the second, and goes on as long as the core wants
// to know more.
func (c *conversation) login(ctx context.Context, mode policy.Mode) error {
	a := c.attempt()
	a.Asked = mode
	a.FirstFactorDone = mode == policy.CodeOnly || c.door.keyChecked(c.hello, c.peer)
	if c.hello.useFirstPass && !c.hello.hasAuthtok {
		return c.end(pamAuthErr) // the stack has asked nobody before
	}
	start, err := c.firstStep(ctx, &a)
	if err != nil {
		return err
	}
	v, typed := start, a.Secret
	// A second question says that the first code was wrong: only the first is overridden.
	override := c.hello.codePrompt
	for v.Outcome == verify.Challenge {
		text := v.Message
		if override != "" && v.Plain {
			text = override
		}
		override = ""
		if v.Enrolment != nil {
			text = c.draw(v.Message, v.Enrolment)
		}
		if a.Secret, err = c.ask(text, v.Echo || c.hello.echoCode); err != nil {
			return err
		}
		state := v.State
		v = c.step(ctx, func(ctx context.Context) verify.Verdict { return c.door.Core.Resume(ctx, state, a) })
	}
	if c.hello.forwardPass && v.Outcome == verify.Accept && !a.FirstFactorDone {
		if password := barePassword(typed, start, v); !password.Empty() {
			if err := c.send(frameSetAuthtok, []byte(password.Reveal())); err != nil {
				return err
			}
		}
	}
	return c.conclude(v)
}

// firstStep starts the login: with what an earlier module asked for, with the password that the user
// is asked for now, or, where only the code is wanted, with nothing, so that the core asks for it (and
// may send it to the user first). a.Secret then holds what was typed.
func (c *conversation) firstStep(ctx context.Context, a *verify.Attempt) (verify.Verdict, error) {
	start := func() verify.Verdict {
		return c.step(ctx, func(ctx context.Context) verify.Verdict { return c.door.Core.Start(ctx, *a) })
	}
	switch {
	case c.hello.useFirstPass:
		a.Secret = c.hello.authtok
		return start(), nil
	case a.FirstFactorDone:
		// Not with try_first_pass's password: tried as a code it would count as a wrong guess.
		return start(), nil
	case c.hello.tryFirstPass && c.hello.hasAuthtok:
		a.Secret = c.hello.authtok
		if v := start(); v.Outcome != verify.Reject || v.Reason == verify.ReasonThrottled {
			return v, nil
		}
	}
	prompt := c.hello.prompt
	if prompt == "" {
		prompt = defaultPrompt
	}
	typed, err := c.ask(prompt, false)
	if err != nil {
		return verify.Verdict{}, err
	}
	a.Secret = typed
	return start(), nil
}

func (c *conversation) attempt() verify.Attempt {
	a := verify.Attempt{
		Door: "pam", Client: c.door.client(), NAS: "pam:" + c.hello.tty,
		Service: c.hello.service, User: c.hello.user, Policy: c.hello.policy,
	}
	if c.hello.tty == "" {
		a.NAS = "pam:process " + strconv.Itoa(int(c.peer.pid))
	}
	if c.peer.trusted() { // others could claim to be where the user really is
		a.Source = c.hello.rhost
	}
	return a
}

// step has the core decide, and holds back what must not leave too early. The core gets its time even if
// the server shuts down meanwhile: a code that was used up must not be used up for nothing.
func (c *conversation) step(ctx context.Context, decide func(context.Context) verify.Verdict) verify.Verdict {
	// The module keeps a quarter of its time for us.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(stepTime, c.hello.timeout/5))
	defer cancel()
	v := decide(ctx)
	if v.Hold { // but never so long that the module gives up, and takes us to be out of reach
		time.Sleep(time.Until(c.arrived.Add(min(c.door.RejectDelay, c.hello.timeout/5))))
	}
	return v
}

// conclude sends a final verdict, after what the session may know of how it came about.
func (c *conversation) conclude(v verify.Verdict) error {
	if v.Outcome == verify.Accept {
		for _, e := range []string{"TANDEM_LEVEL=" + strconv.Itoa(v.Level), "TANDEM_FACTOR=" + v.Factor} {
			if err := c.send(framePutEnvironment, []byte(e)); err != nil {
				return err
			}
		}
	}
	if v.Outcome == verify.Reject && v.Message != "" && !c.hello.silent() {
		if err := c.send(frameErrorText, []byte(v.Message)); err != nil {
			return err
		}
	}
	return c.end(codeOf(v, c.hello.nullok))
}

// ask has the module ask the user. An end of file here means that the user went away: whatever was
// asked counts as nothing.
func (c *conversation) ask(text string, echo bool) (secret.String, error) {
	t := framePrompt
	if echo {
		t = framePromptEcho
	}
	if err := c.send(t, []byte(text)); err != nil {
		return secret.String{}, err
	}
	t, payload, err := readFrame(c.conn)
	if err != nil {
		return secret.String{}, err
	}
	c.arrived = time.Now()
	switch t {
	case frameAnswer:
		return secret.New(string(payload)), nil
	case frameConversationError:
		return secret.String{}, errLeft
	default:
	}
	return secret.String{}, fmt.Errorf("%w: frame %#x instead of an answer", errProtocol, byte(t))
}

func (c *conversation) send(t frameType, payload []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	return writeFrame(c.conn, t, payload)
}

// end sends the result.
func (c *conversation) end(result code) error {
	return c.send(frameResult, binary.BigEndian.AppendUint32(nil, uint32(result)))
}

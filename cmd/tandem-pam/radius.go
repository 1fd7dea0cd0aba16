package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"

	"tandem/radiusd/radiusclient"
	"tandem/verify"
	"tandem/verify/policy"
)

// remoteCore lets RADIUS servers decide. It knows no user's secrets, and no policy but theirs.
type remoteCore struct{ remote }

// localState marks the first question where this process asks it, not the servers.
const localState = "first"

// What fits into a request (RFC 2865 §5.1, §5.2).
const (
	maxUser   = 253
	maxSecret = 128
)

// Asks implements pamhelper.Core: the servers choose the policy.
func (c *remoteCore) Asks(context.Context, verify.Attempt) (name string, mode policy.Mode, err error) {
	if c.remote.Asks == "code" {
		return "", policy.CodeOnly, nil
	}
	return "", policy.Auto, nil
}

// Start implements pamhelper.Core.
func (c *remoteCore) Start(ctx context.Context, a verify.Attempt) verify.Verdict {
	if a.FirstFactorDone && a.Secret.Empty() {
		prompt := "Password: " // the servers want it, whatever has been checked here before
		if c.remote.Asks == "code" {
			prompt = c.Prompt
		}
		return verify.Verdict{Outcome: verify.Challenge, Message: prompt, State: []byte(localState)}
	}
	return c.exchange(ctx, c.Servers, nil, a)
}

// Resume implements pamhelper.Core. The server that opened the challenge is asked first; the others may share
// its state.
func (c *remoteCore) Resume(ctx context.Context, state []byte, a verify.Attempt) verify.Verdict {
	if string(state) == localState {
		return c.exchange(ctx, c.Servers, nil, a)
	}
	opener, theirs, _ := strings.Cut(string(state), " ")
	servers := []string{opener}
	for _, s := range c.Servers {
		if s != opener {
			servers = append(servers, s)
		}
	}
	return c.exchange(ctx, servers, []byte(theirs), a)
}

// exchange asks the servers in turn; one that keeps silent cannot decide.
func (c *remoteCore) exchange(ctx context.Context, servers []string, state []byte, a verify.Attempt) verify.Verdict {
	// What cannot be asked is a no, and not a server out of reach: the user chooses what is typed.
	if n := len(a.Secret.Reveal()); n == 0 || n > maxSecret || a.User == "" || len(a.User) > maxUser {
		return verify.Verdict{Outcome: verify.Reject, Hold: true, Message: policy.DefaultTexts().Reject, Reason: verify.ReasonBadSecret}
	}
	request := radiusclient.Request{
		User: a.User, Password: a.Secret, State: state, NASIdentifier: c.NASIdentifier, CallingStation: a.Source[:min(len(a.Source), maxUser)],
	}
	var failures error
	for i, server := range servers {
		reply, err := c.ask(ctx, len(servers)-i, radiusclient.Config{Addr: server, Secret: c.secret, Timeout: c.Timeout, Retries: c.Retries}, request)
		if err == nil {
			v := verdict(reply)
			v.State = append([]byte(server+" "), v.State...)
			return v
		}
		failures = errors.Join(failures, err)
	}
	logger().Error(fmt.Sprintf("%v could not decide", &c.remote), "err", failures)
	return verify.Verdict{Outcome: verify.Unavailable, Message: policy.DefaultTexts().Reject, Hold: true}
}

// ask asks one server, and leaves as much time as it takes itself to each of those that are left.
func (c *remoteCore) ask(ctx context.Context, left int, server radiusclient.Config, r radiusclient.Request) (*radiusclient.Reply, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return radiusclient.Exchange(ctx, server, r)
}

func verdict(reply *radiusclient.Reply) verify.Verdict {
	v := verify.Verdict{Outcome: verify.Reject, Message: reply.Message, State: reply.State, Lifetime: int(reply.Timeout.Seconds()), Hold: true}
	switch {
	case reply.Code == radius.CodeAccessAccept:
		v.Outcome, v.Hold = verify.Accept, false
	case reply.Code == radius.CodeAccessChallenge && len(reply.State) > 0: // else there is nothing to answer with
		v.Outcome, v.Hold, v.Echo = verify.Challenge, false, reply.Prompt == rfc2869.Prompt_Value_Echo
	}
	return v
}

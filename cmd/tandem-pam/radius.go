package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"

	"tandem/radiusd/radiusclient"
	"tandem/verify"
	"tandem/verify/policy"
)

// remoteCore lets RADIUS servers decide. It knows no user's secrets, and no policy but theirs.
type remoteCore struct{ remote }

// localState marks the challenge that this process opens itself, where the servers check a code alone.
const localState = "ask for the code"

// Asks implements pamhelper.Core: every policy name means the servers'.
func (c *remoteCore) Asks(string) (policy.Mode, bool) {
	if c.remote.Asks == "code" {
		return policy.CodeOnly, true
	}
	return policy.Auto, true
}

// Start implements pamhelper.Core.
func (c *remoteCore) Start(ctx context.Context, a verify.Attempt) verify.Verdict {
	if a.FirstFactorDone && a.Secret.Empty() {
		return verify.Verdict{Outcome: verify.Challenge, Message: c.Prompt, State: []byte(localState)}
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
	if a.Secret.Empty() {
		return verify.Verdict{Outcome: verify.Reject, Hold: true, Message: policy.DefaultReject, Reason: verify.ReasonEmptyPassword}
	}
	request := radiusclient.Request{
		User: a.User, Password: a.Secret, State: state, NASIdentifier: c.NASIdentifier, CallingStation: a.Source,
	}
	var failures error
	for _, server := range servers {
		reply, err := radiusclient.Exchange(ctx, radiusclient.Config{Addr: server, Secret: c.secret, Timeout: c.Timeout, Retries: c.Retries}, request)
		if err == nil {
			v := verdict(reply)
			v.State = append([]byte(server+" "), v.State...)
			return v
		}
		failures = errors.Join(failures, err)
	}
	logger().Error(fmt.Sprintf("%v could not decide", &c.remote), "err", failures)
	return verify.Verdict{Outcome: verify.Unavailable, Message: policy.DefaultReject, Hold: true}
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

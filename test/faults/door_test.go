package faults

import (
	"context"
	"net/netip"
	"time"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/pamhelper"
	"tandem/radiusd/radiusclient"
	"tandem/verify"
)

// A door is a way to ask a node about a code.
type door struct {
	name string
	ask  func(n *node, user, source, code string) outcome
}

var doors = []door{{"RADIUS", askRADIUS}, {"PAM", askPAM}}

// A NAS of the tests sends a request up to three times. If the node was killed meanwhile, it does not know of
// the first, and judges the code anew.
const (
	nasTimeout = 700 * time.Millisecond
	nasRetries = 2
)

const home = "198.51.100.7" // where all people log in from

func askRADIUS(n *node, user, source, code string) outcome {
	reply, err := radiusclient.Exchange(context.Background(), n.client(nasTimeout, nasRetries),
		radiusclient.Request{User: user, Password: secret.New(code), NASIdentifier: "vpn", CallingStation: source})
	return outcomeOf(reply, err)
}

func outcomeOf(reply *radiusclient.Reply, err error) outcome {
	switch {
	case err != nil:
		return unknown
	case reply.Code == radius.CodeAccessAccept:
		return accepted
	case reply.Code == radius.CodeAccessReject:
		return rejected
	}
	return unknown
}

// askPAM asks as the PAM module does. There, a no may also mean that there was no time or no room.
func askPAM(n *node, user, source, code string) outcome {
	conn, err := pamhelper.Dial(n.path("pam.sock"))
	if err != nil {
		return unasked
	}
	defer func() { _ = conn.Close() }()
	// A node that was paused is given up.
	giveUp := time.AfterFunc((1+nasRetries)*nasTimeout, func() { _ = conn.Close() })
	defer giveUp.Stop()
	in, err := pamhelper.Ask(conn, verify.Attempt{User: user, Service: "sshd", Source: source, Secret: secret.New(code)})
	switch {
	case err != nil:
		return unknown
	case in:
		return accepted
	}
	return rejected
}

// portalTimeout is how long a portal waits.
const portalTimeout = time.Second

// A portal asks for the password, and then for the code. It sends everything once, so that an answer is the
// answer to what was sent.
func portal(n *node, r radiusclient.Request) (*radiusclient.Reply, error) {
	c := n.client(portalTimeout, 0)
	c.LocalAddr = netip.MustParseAddrPort("127.0.0.2:0")
	r.NASIdentifier, r.CallingStation = "portal", home
	return radiusclient.Exchange(context.Background(), c, r)
}

// openChallenge shows the password; nil: no challenge was opened.
func openChallenge(n *node, user string) (state []byte) {
	reply, err := portal(n, radiusclient.Request{User: user, Password: secret.New(password)})
	if err != nil || reply.Code != radius.CodeAccessChallenge {
		return nil
	}
	return reply.State
}

func answerChallenge(n *node, user, code string, state []byte) outcome {
	return outcomeOf(portal(n, radiusclient.Request{User: user, Password: secret.New(code), State: state}))
}

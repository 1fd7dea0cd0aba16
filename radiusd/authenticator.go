package radiusd

import "layeh.com/radius"

// authenticate checks that p comes from c, as far as its Message-Authenticator can tell, and
// returns why p must be dropped, or "".
//
// A Message-Authenticator that is there must be right, whatever the client is allowed. It must be
// there unless the client may do without, and always with EAP-Message (RFC 3579 §3.2) and in a
// Status-Server (RFC 5997 §3). A client that may do without still may not send Proxy-State unsigned:
// that is where the attack of CVE-2024-3596 puts its collision.
func authenticate(p packet, c *Client) dropReason {
	if p.messageAuth > 0 {
		if !c.key.Valid(p.raw, p.messageAuth, p.authenticator()) {
			return dropForged
		}
		return ""
	}
	switch {
	case c.RequireMessageAuthenticator, p.eap, p.code() == radius.CodeStatusServer:
		return dropUnauthenticated
	case p.proxyState && c.LimitProxyState:
		return dropProxyState
	}
	return ""
}

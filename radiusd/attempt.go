package radiusd

import (
	"net/netip"
	"regexp"
	"strings"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/vendors/microsoft"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/rule"
)

// maxSource is how many octets of a Calling-Station-Id are taken for a source.
const maxSource = 64

// undecipherable stands for a User-Password of a length that cannot be: a secret that the core
// always rejects, and records.
const undecipherable = "\x00"

// What a request may carry in place of User-Password, in log lines and metrics.
const (
	credentialCHAP   = "CHAP"
	credentialMSCHAP = "MS-CHAP"
	credentialEAP    = "EAP"
	credentialNone   = "no password"
)

// newAttempt reads an attempt out of a request of client c. ok is false if there is no User-Password
// in it, so that there is nothing that the core could check.
func newAttempt(p *radius.Packet, c *Client, peer netip.Addr) (a verify.Attempt, ok bool) {
	a = verify.Attempt{
		Door:    "radius",
		Client:  c.Name,
		NAS:     nas(p, peer),
		Station: station(p),
		Source:  source(p),
		User:    c.Charset.decode(rfc2865.UserName_GetString(p)),
		Policy:  c.Policy,
		Level:   c.Level,
		Names:   c.Names,
	}
	hidden, ok := p.Lookup(rfc2865.UserPassword_Type)
	if !ok {
		return a, false
	}
	password, err := revealPassword(hidden, p.Secret, p.Authenticator)
	if err != nil {
		password = undecipherable
	}
	a.Secret = secret.New(c.Charset.decode(password))
	return a, true
}

// nas is what the client says it is; a client that says nothing is its address. A challenge is
// bound to it, so it must not depend on anything that changes between two requests.
func nas(p *radius.Packet, peer netip.Addr) string {
	if id := rfc2865.NASIdentifier_GetString(p); id != "" {
		return id
	}
	if ip, err := rfc2865.NASIPAddress_Lookup(p); err == nil {
		return ip.String()
	}
	if ip, err := rfc3162.NASIPv6Address_Lookup(p); err == nil {
		return ip.String()
	}
	return peer.Unmap().String()
}

// station is what the client says of itself, for rules.
func station(p *radius.Packet) rule.NAS {
	s := rule.NAS{Identifier: rfc2865.NASIdentifier_GetString(p)}
	if ip, err := rfc2865.NASIPAddress_Lookup(p); err == nil {
		s.IP = ip.String()
	} else if ip, err := rfc3162.NASIPv6Address_Lookup(p); err == nil {
		s.IP = ip.String()
	}
	if t, err := rfc2865.NASPortType_Lookup(p); err == nil {
		s.PortType = t.String()
	}
	return s
}

// portSuffix is the port that strongSwan writes behind the address: 203.0.113.2[4500]. It differs from one login to the
// next, and says nothing about where the person is.
var portSuffix = regexp.MustCompile(`\[[0-9]{1,5}\]$`)

// source is where the person is, as far as the client says: Calling-Station-Id if it is printable
// ASCII of sensible length, since throttles are kept and logs are written under it.
func source(p *radius.Packet) string {
	id := rfc2865.CallingStationID_GetString(p)
	if strings.HasSuffix(id, "]") {
		id = portSuffix.ReplaceAllString(id, "")
	}
	if len(id) > maxSource {
		return ""
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return ""
		}
	}
	return id
}

// credential names what a request without User-Password carries in its stead.
func credential(p *radius.Packet) string {
	if _, ok := p.Lookup(rfc2865.CHAPPassword_Type); ok {
		return credentialCHAP
	}
	if _, ok := p.Lookup(rfc2869.EAPMessage_Type); ok {
		return credentialEAP
	}
	if _, err := microsoft.MSCHAPChallenge_Lookup(p); err == nil {
		return credentialMSCHAP
	}
	return credentialNone
}

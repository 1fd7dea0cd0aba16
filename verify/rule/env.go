package rule

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Env is what a rule knows of a login: its variables, under the names in the tags. Beside them there are
//
//	inGroup("vpn")                 is the user in that group? Case does not matter. Groups that are DNs also go
//	                               by the value of their first RDN: "vpn" is cn=VPN,ou=groups,dc=example,dc=org
//	inNetwork("192.0.2.0/24", …)   is source an address in one of these networks? What is no address is in none
//	attribute("mail")              the first value of a user's attribute, "" if there is none
type Env struct {
	// User is the directory's name of the user.
	User string `expr:"user"`
	// Groups are names or DNs.
	Groups []string `expr:"groups"`
	// Attributes are the user's, by the names that the configuration has for them.
	Attributes map[string][]string `expr:"attributes"`
	// Client is the configured name of the front door's client.
	Client string `expr:"client"`
	// NAS is what that client says about itself.
	NAS NAS `expr:"nas"`
	// Service is the PAM service; empty over RADIUS.
	Service string `expr:"service"`
	// Via is the front door: "radius" or "pam".
	Via string `expr:"via"`
	// Source is where the person is, as far as the client says (Calling-Station-Id, PAM_RHOST).
	Source string `expr:"source"`
	// Time is when the login began, in the time zone that hours and weekdays are meant in.
	Time time.Time `expr:"time"`
}

// NAS is what a RADIUS client says about itself; all may be empty.
type NAS struct {
	Identifier string `expr:"identifier"`
	IP         string `expr:"ip"`
	// PortType is the dictionary's name of NAS-Port-Type, such as "Virtual" (RFC 2865 §5.41).
	PortType string `expr:"port_type"`
}

// vocabulary is an Env with the functions as rules write them: restrictions makes one call of inNetwork for each
// network.
type vocabulary struct {
	Env
	InNetwork func(networks ...string) bool `expr:"inNetwork"`
	InGroup   func(name string) bool        `expr:"inGroup"`
	Attribute func(name string) string      `expr:"attribute"`
}

// scope is an Env as the machine reads it, with the functions. It is used for one login after the other, so that the
// functions need to be bound to it only once.
type scope struct {
	Env
	// variables are those of Env and the functions, by their names: a map is what the machine reads fastest.
	variables map[string]any
	// networks are those that the rule which is being matched names.
	networks map[string]netip.Prefix

	// address is Source, once inNetwork has read it.
	address netip.Addr
	read    bool
	// names are those of the groups, once inGroup has read them; empty: it has not.
	names []string
}

func newScope() *scope {
	s := new(scope)
	s.variables = map[string]any{"inNetwork": s.inNetwork, "inGroup": s.inGroup, "attribute": s.attribute}
	s.enter(Env{})
	return s
}

func (s *scope) enter(e Env) {
	s.Env = e
	v := s.variables
	v["user"], v["groups"], v["attributes"] = e.User, e.Groups, e.Attributes
	v["client"], v["nas"], v["service"], v["via"] = e.Client, e.NAS, e.Service, e.Via
	v["source"], v["time"] = e.Source, e.Time
}

func (s *scope) leave() {
	clear(s.names)
	s.read, s.names, s.networks = false, s.names[:0], nil
	s.enter(Env{})
}

func (s *scope) inNetwork(network string) bool {
	if !s.read {
		s.address, _ = netip.ParseAddr(s.Source) // a MAC address, or nothing, is in no network
		s.address = s.address.Unmap().WithZone("")
		s.read = true
	}
	return s.networks[network].Contains(s.address)
}

func (s *scope) attribute(name string) string {
	if values := s.Attributes[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (s *scope) inGroup(name string) bool {
	if len(s.names) == 0 {
		for _, group := range s.Groups {
			s.names = append(s.names, group)
			if value, ok := firstRDN(group); ok {
				s.names = append(s.names, value)
			}
		}
	}
	for _, of := range s.names {
		if strings.EqualFold(of, name) {
			return true
		}
	}
	return false
}

// firstRDN returns the value of a DN's first RDN (RFC 4514 §2.3); ok is false if dn is none.
func firstRDN(dn string) (value string, ok bool) {
	_, rest, ok := strings.Cut(dn, "=")
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, `\,+`)
	if end < 0 {
		return rest, true
	}
	if rest[end] != '\\' {
		return rest[:end], true
	}
	return unescape(rest), true
}

// unescape reads the value that begins s, up to the next RDN, and resolves its escapes: \, and \2C.
func unescape(s string) string {
	var value strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ',' || s[i] == '+':
			return value.String()
		case s[i] != '\\' || i+1 == len(s):
			value.WriteByte(s[i])
		default:
			if hex, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8); err == nil && i+3 <= len(s) {
				value.WriteByte(byte(hex))
				i += 2
				continue
			}
			i++
			value.WriteByte(s[i])
		}
	}
	return value.String()
}

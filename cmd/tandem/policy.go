package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"layeh.com/radius"

	"tandem/internal/admin"
	"tandem/internal/config"
	"tandem/radiusd/attribute"
	"tandem/verify"
)

type policyCmd struct {
	Test policyTestCmd `cmd:"" help:"Say under which policy a login comes, what is asked and what the client is told. Nobody logs in: no password is asked for, nothing is sent or counted."`
}

type policyTestCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Via    string `default:"radius" enum:"radius,pam" help:"Through which door: ${enum} (default ${default})."`
	Client string `placeholder:"NAME" help:"The RADIUS client, by its name in the configuration, with its policy, level and realms."`
	Policy string `placeholder:"NAME" help:"The policy that the client, or the PAM module, names (default: the configured client's)."`
	Level  *int   `placeholder:"N" help:"The level that the client demands (default: the configured client's)."`
	Source string `placeholder:"S" help:"Where the user is: Calling-Station-Id, or the host that ssh comes from."`

	Service       string     `placeholder:"S" help:"The PAM service, such as sshd."`
	NASIdentifier string     `name:"nas-identifier" placeholder:"S" help:"NAS-Identifier."`
	NASIP         string     `name:"nas-ip" placeholder:"IP" help:"NAS-IP-Address."`
	NASPortType   string     `name:"nas-port-type" placeholder:"T" help:"NAS-Port-Type, by its name in the dictionary, such as Virtual."`
	Time          *time.Time `placeholder:"RFC3339" help:"The time that rules see, such as 2027-01-31T08:00:00+01:00 (default: now)."`
	JSON          bool       `help:"Print the result as JSON."`
}

// pamClient is what rules see as the client of this host's own logins.
const pamClient = "pam"

// Run asks the daemon, which knows the directory and the state. It fails if the user could not get in.
func (c *policyTestCmd) Run(e *env) error {
	cfg, err := config.Load(e.config)
	if err != nil {
		return err
	}
	request, err := c.request(cfg)
	if err != nil {
		return err
	}
	client, err := admin.Dial(cfg.Admin.Socket)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	reply, err := client.Do(request, nil)
	if err != nil {
		return fmt.Errorf("test the policies for %s: %w", c.User, err)
	}
	if c.Via == "radius" {
		checkReply(reply.Preview)
	}
	if c.JSON {
		err = json.NewEncoder(e.stdout).Encode(reply.Preview)
	} else {
		_, err = fmt.Fprint(e.stdout, describePreview(reply.Preview, request))
	}
	if err == nil && !reply.Preview.Possible {
		return errSilent
	}
	return err
}

// request is the login as the door would hand it over: a client brings its policy, its level and its realms with it.
func (c *policyTestCmd) request(cfg *config.Config) (admin.Request, error) {
	login := &admin.Login{
		Via: c.Via, Client: c.Client, Service: c.Service, Time: c.Time,
		NASIdentifier: c.NASIdentifier, NASIP: c.NASIP, NASPortType: c.NASPortType,
	}
	r := admin.Request{Op: admin.OpPolicy, User: c.User, Policy: c.Policy, Source: c.Source, Login: login}
	switch {
	case c.Via == "pam" && c.Client == "":
		login.Client = pamClient
	case c.Via == "radius" && c.Client != "":
		known := cfg.Radius.Clients
		i := slices.IndexFunc(known, func(cl config.Client) bool { return cl.Name == c.Client })
		if i < 0 {
			return r, usageError{fmt.Errorf("--client %s: no [[radius.clients]] of the configuration has that name; there are: %s", c.Client, clientNames(known))}
		}
		login.Level, login.Domains, login.Realms = known[i].Level, known[i].Domains, known[i].Realms
		if r.Policy == "" {
			r.Policy = known[i].Policy
		}
	}
	if c.Level != nil {
		login.Level = *c.Level
	}
	return r, nil
}

func clientNames(clients []config.Client) string {
	if len(clients) == 0 {
		return "none"
	}
	names := make([]string, len(clients))
	for i := range clients {
		names[i] = clients[i].Name
	}
	return strings.Join(names, ", ")
}

// reasonUnsendable: the user gets in, and the Access-Accept cannot be written, so a reject is sent.
const reasonUnsendable verify.Reason = "unsendable-reply"

// checkReply looks whether a packet can carry the attributes, as the RADIUS door will find out.
func checkReply(p *verify.Preview) {
	size := 0
	for _, said := range p.Reply {
		a, err := attribute.Find(said.Name)
		if err == nil {
			var n int
			n, err = a.Check(said.Value)
			size += n
		}
		if err != nil {
			p.Possible, p.Reason, p.Detail = false, reasonUnsendable, fmt.Sprintf("%s = %s: %v", said.Name, said.Value, err)
			return
		}
	}
	const room = radius.MaxPacketLength - 20 - 18 // beside the header and the Message-Authenticator
	if size > room {
		p.Possible, p.Reason = false, reasonUnsendable
		p.Detail = fmt.Sprintf("the attributes take %d octets, and a packet has room for %d", size, room)
	}
}

// endings says in words what a reason means before anything was tried.
var endings = map[verify.Reason]string{ //nolint:gochecknoglobals // constant
	verify.ReasonOK:              "with the right answers",
	verify.ReasonLevel:           "with the first factor alone, which is worth as much as is demanded",
	verify.ReasonExempt:          "with the first factor alone: this user needs no second one",
	verify.ReasonPasswordOnly:    "with the first factor alone, as long as the user has no device",
	verify.ReasonNoDeviceAllowed: "without any factor of ours, as long as the user has no device",
	verify.ReasonUnknownUser:     "the directory has no such user",
	verify.ReasonAmbiguousUser:   "the directory has more than one such user",
	verify.ReasonNoPolicy:        "no policy lets this login in",
	verify.ReasonNotInGroup:      "the policy lets in members of other groups only",
	verify.ReasonThrottled:       "too many failures; `tandem unlock` ends that",
	verify.ReasonNoDevice:        "the user has no second factor",
	verify.ReasonNoUsableDevice:  "no device of the user's can be used",
	verify.ReasonEnrolled:        "once the user, who has no second factor yet, has enrolled a device",
	verify.ReasonDeviceExpired:   "the user's device expired, and there is no other",
	verify.ReasonNoCode:          "the user cannot give a code in this mode",
}

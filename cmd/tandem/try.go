package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"layeh.com/radius"

	"tandem/internal/admin"
	"tandem/internal/config"
	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/verify"
)

type tryCmd struct {
	User    string `arg:"" help:"The user's name, as typed at a login."`
	Policy  string `help:"The policy to try (default: the first whose rule holds). Not with --radius: there the client decides."`
	Source  string `help:"Where the user claims to be (Calling-Station-Id); throttles are counted by it."`
	Explain bool   `help:"Print each decision and why. Not with --radius."`
	JSON    bool   `help:"Print the result as JSON."`

	PAM       string `name:"pam" placeholder:"SERVICE" xor:"way" help:"Try through a PAM service of this host, as sshd or sudo would."`
	PAMHelper string `name:"pam-helper" placeholder:"FILE" default:"/usr/libexec/tandem/tandem-pam" help:"With --pam: the program that speaks PAM (default ${default})."`

	Radius     bool   `xor:"way" help:"Try over the wire, as a VPN would, instead of over the admin socket."`
	Server     string `placeholder:"HOST:PORT" help:"With --radius: the server (default: the first address of this configuration)."`
	SecretFile string `placeholder:"FILE" help:"With --radius: a file with the shared secret (default: that of the configured client that this host is)."`
}

// result is what a try ends with.
type result struct {
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
	AttemptID string `json:"attempt_id,omitempty"`
}

// Run makes one real attempt: a right code is used up, a wrong one counts.
func (c *tryCmd) Run(e *env) error {
	if c.PAM != "" {
		return c.throughPAM(e)
	}
	try := c.overAdminSocket
	if c.Radius {
		try = c.overRADIUS
	}
	r, err := try(e, newAsker(e))
	if err != nil {
		return fmt.Errorf("try %s: %w", c.User, err)
	}
	if c.JSON {
		err = json.NewEncoder(e.stdout).Encode(r)
	} else {
		_, err = fmt.Fprintln(e.stdout, r)
	}
	if err == nil && r.Outcome != verify.Accept.String() {
		return errSilent
	}
	return err
}

func (r result) String() string {
	s := strings.ToUpper(r.Outcome)
	if r.Reason != "" {
		s += " (" + r.Reason + ")"
	}
	if r.Message != "" {
		s += ": " + r.Message
	}
	if r.AttemptID != "" {
		s += "\nIn the audit: attempt " + r.AttemptID
	}
	return s
}

func (c *tryCmd) overAdminSocket(e *env, a *asker) (result, error) {
	client, err := dialDaemon(e)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = client.Close() }()
	typed, err := a.ask("Password: ")
	if err != nil {
		return result{}, err
	}
	request := admin.Request{Op: admin.OpTry, User: c.User, Secret: typed, Policy: c.Policy, Source: c.Source, Explain: c.Explain}
	last, err := client.Do(request, func(r admin.Reply) (string, error) {
		if d := r.Decision; d != nil {
			fmt.Fprintf(e.stderr, "  %-10s %s\n", d.Step, harmless(d.Text))
		}
		if r.Prompt != "" {
			return a.ask(r.Prompt)
		}
		return "", nil
	})
	return result{Outcome: last.Outcome, Reason: last.Reason, Message: last.Message, AttemptID: last.AttemptID}, err
}

// throughPAM leaves the conversation to tandem-pam, because this program is static and loads no PAM modules.
func (c *tryCmd) throughPAM(e *env) error {
	pam := exec.CommandContext(e.ctx, c.PAMHelper, "try", c.PAM, c.User)
	pam.Stdin, pam.Stdout, pam.Stderr = e.stdin, e.stdout, e.stderr
	err := pam.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return errSilent
	case err != nil:
		return fmt.Errorf("try %s through PAM: %w (install tandem-pam, or name it with --pam-helper)", c.User, err)
	}
	return nil
}

func (c *tryCmd) overRADIUS(e *env, a *asker) (result, error) {
	if c.Explain {
		return result{}, errors.New("--explain: a RADIUS server explains nothing; leave --radius out")
	}
	server, err := c.server(e)
	if err != nil {
		return result{}, err
	}
	typed, err := a.ask("Password: ")
	if err != nil {
		return result{}, err
	}
	request := radiusclient.Request{User: c.User, NASIdentifier: "tandem-try", CallingStation: c.Source}
	for {
		request.Password = secret.New(typed)
		reply, err := radiusclient.Exchange(e.ctx, server, request)
		if err != nil {
			return result{}, err
		}
		switch reply.Code {
		case radius.CodeAccessAccept:
			return result{Outcome: verify.Accept.String(), Message: reply.Message}, nil
		case radius.CodeAccessChallenge:
			request.State = reply.State
			if typed, err = a.ask(reply.Message); err != nil {
				return result{}, err
			}
		default:
			return result{Outcome: verify.Reject.String(), Message: reply.Message}, nil
		}
	}
}

// server says whom to ask over RADIUS, and with which shared secret.
func (c *tryCmd) server(e *env) (radiusclient.Config, error) {
	server := radiusclient.Config{Addr: c.Server, Retries: 2}
	if c.SecretFile != "" {
		b, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return server, fmt.Errorf("read the shared secret: %w", err)
		}
		server.Secret = secret.New(strings.TrimRight(string(b), "\r\n"))
	}
	if c.Server != "" && c.SecretFile != "" {
		return server, nil
	}
	cfg, err := config.Load(e.config)
	if err != nil {
		return server, err
	}
	if server.Addr == "" {
		server.Addr = loopbackFor(cfg.Radius.Listen[0].AddrPort)
	}
	if server.Secret.Empty() {
		host, _, err := net.SplitHostPort(server.Addr)
		if err != nil {
			return server, fmt.Errorf("--server %s: %w", server.Addr, err)
		}
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return server, fmt.Errorf("--server %s: give an address instead of a name, or --secret-file too", server.Addr)
		}
		if server.Secret, err = secretFor(cfg, addr); err != nil {
			return server, err
		}
	}
	return server, nil
}

// loopbackFor is where a server that listens on every address is reached from its own host.
func loopbackFor(listen netip.AddrPort) string {
	addr := listen.Addr()
	switch {
	case addr == netip.IPv4Unspecified():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr == netip.IPv6Unspecified():
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, listen.Port()).String()
}

// secretFor finds the shared secret that the server has for the address that this host asks it
// from: over loopback and on an own address, that is the address itself.
func secretFor(cfg *config.Config, addr netip.Addr) (secret.String, error) {
	var best netip.Prefix
	var found secret.String
	for _, client := range cfg.Radius.Clients {
		for _, n := range client.Prefixes() {
			if n.Contains(addr) && (found.Empty() || n.Bits() > best.Bits()) {
				best, found = n, client.Secret
			}
		}
	}
	if found.Empty() {
		return found, fmt.Errorf("no [[radius.clients]] of the configuration has the network of %s: add one to try from here, or give --server and --secret-file", addr)
	}
	return found, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tandem/directory"
	"tandem/internal/admin"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/verify"
)

// registry is what commands for devices work with: the directory, which they write themselves, and the daemon, which
// keeps the state and the audit.
type registry struct {
	*env
	conf  *config.Config
	rules verify.Devices
	compose.Registry
	closeIt func() error
}

func openRegistry(e *env) (*registry, error) {
	c, err := config.Load(e.config)
	if err != nil {
		return nil, err
	}
	rules, err := compose.DeviceRules(c)
	if err != nil {
		return nil, err
	}
	r, closeIt, err := compose.OpenRegistry(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &registry{env: e, conf: c, rules: rules, Registry: r, closeIt: closeIt}, nil
}

func (r *registry) close() { _ = r.closeIt() }

// withUser does something about the user who logs in by that name.
func withUser(e *env, name string, do func(*registry, *directory.User) error) error {
	r, err := openRegistry(e)
	if err != nil {
		return err
	}
	defer r.close()
	u, err := r.user(name)
	if err != nil {
		return err
	}
	return do(r, u)
}

// withDevice does something about one of that user's devices: the one of that name or ID.
func withDevice(e *env, name, device string, do func(*registry, *directory.User, listed) error) error {
	return withUser(e, name, func(r *registry, u *directory.User) error {
		l, err := r.find(u, device)
		if err != nil {
			return err
		}
		return do(r, u, l)
	})
}

// user looks up who is meant.
func (r *registry) user(name string) (*directory.User, error) {
	u, err := r.Lookup(r.ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look up %q: %w", name, err)
	}
	return u, nil
}

// ask has the daemon do one thing.
func (r *registry) ask(request admin.Request) (admin.Reply, error) {
	client, err := admin.Dial(r.conf.Admin.Socket)
	if err != nil {
		return admin.Reply{}, err
	}
	defer func() { _ = client.Close() }()
	return client.Do(request, nil)
}

// daemonRuns returns nil if there is a daemon to ask: better known before a user has scanned a code.
func (r *registry) daemonRuns() error {
	_, err := r.ask(admin.Request{Op: admin.OpStatus})
	return err
}

// noted is a device as the audit is to name it.
type noted struct{ kind, name, detail string }

// change does c to the devices of u, between a line in the audit for each of about, and, if it fails, another one.
func (r *registry) change(u *directory.User, action string, c directory.Change, about ...noted) error {
	for _, n := range about {
		if err := r.note(u, action, n, nil); err != nil {
			return err
		}
	}
	failure := r.ChangeDevices(r.ctx, u, c)
	if failure == nil {
		r.awaitDaemon(u, c)
		return nil
	}
	for _, n := range about {
		if err := r.note(u, action, n, failure); err != nil {
			failure = fmt.Errorf("%w; that it failed stands in no audit: %w", failure, err)
		}
	}
	if errors.Is(failure, directory.ErrReadOnly) {
		return r.instead(u, c, failure)
	}
	return failure
}

// The daemon reads the users file once a second, may ask an LDAP server that is a little behind, and remembers entries for
// as long as directory.ldap.entry_cache says, which comes on top.
const (
	patience   = 3 * time.Second
	lookedEach = 50 * time.Millisecond
)

// awaitDaemon waits until tandemd sees the change, so that what the command says holds when it says it: nobody gets in
// any more with a device that was deleted.
func (r *registry) awaitDaemon(u *directory.User, c directory.Change) {
	most := patience
	if l := r.conf.Directory.LDAP; l != nil {
		most += l.EntryCache
	}
	ctx, cancel := context.WithTimeout(r.ctx, most)
	defer cancel()
	for {
		reply, err := r.ask(admin.Request{Op: admin.OpDescribe, User: u.Name})
		if err == nil && follows(reply.Description, c) {
			return
		}
		select {
		case <-ctx.Done():
			fmt.Fprintln(r.stderr, "It is written, but tandemd does not see it yet: is the LDAP server that it asks behind the one that was written to? `tandem user` shows what it sees.")
			return
		case <-time.After(lookedEach):
		}
	}
}

// follows reports whether what the daemon sees is what it was before with c made to it.
func follows(d *verify.Description, c directory.Change) bool {
	ids := map[string]bool{}
	for _, device := range d.Devices {
		ids[device.ID] = true
	}
	for _, device := range c.Add {
		if !ids[device.ID()] {
			return false
		}
	}
	for id := range c.Rename {
		if ids[id] {
			return false
		}
	}
	return !slices.ContainsFunc(c.Remove, func(id string) bool { return ids[id] })
}

// note puts into the audit what is about to happen, or that it failed.
func (r *registry) note(u *directory.User, action string, n noted, failure error) error {
	change := &admin.Change{Action: action, Detail: n.detail}
	if failure != nil {
		change.Error = failure.Error()
	}
	_, err := r.ask(admin.Request{
		Op: admin.OpChange, User: u.Name, Change: change, Device: &admin.Device{Type: n.kind, Name: n.name},
	})
	if err != nil {
		return fmt.Errorf("the audit comes first: %w", err)
	}
	return nil
}

// instead prints what somebody with more rights can apply.
func (r *registry) instead(u *directory.User, c directory.Change, failure error) error {
	describer, ok := r.Registry.(compose.Describer)
	if !ok {
		return failure
	}
	text, err := describer.ChangeLDIF(r.ctx, u, c)
	if err != nil {
		return fmt.Errorf("%w; and what to apply instead cannot be said: %w", failure, err)
	}
	if _, err := fmt.Fprint(r.stdout, text); err != nil {
		return err
	}
	return fmt.Errorf("%w\nNothing was written. Above is what to apply with ldapmodify as somebody who may (it can hold secrets); "+
		"or give Tandem an account that may: [directory.ldap.write] in the configuration", failure)
}

// listed is a device of a user's as it is shown, readable or not.
type listed struct {
	Type       string    `json:"type"`
	Name       string    `json:"name"`
	ID         string    `json:"id"`
	Registered time.Time `json:"registered,omitzero"`
	Expires    time.Time `json:"expires,omitzero"`
	Source     string    `json:"source,omitempty"`
	// State is one of the constants, and Why says more.
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
}

// What state a device is in.
const (
	stateOK         = "ok"
	stateWeak       = "weak"
	stateExpired    = "expired"
	stateUnreadable = "unreadable"
)

// list lists all devices of u, those that cannot be read last.
func (r *registry) list(u *directory.User) []listed {
	out := make([]listed, 0, len(u.Devices)+len(u.Skipped))
	for _, d := range u.Devices {
		l := listed{Type: d.Type, Name: d.Name, ID: d.ID(), Source: d.Source, State: stateOK}
		if d.Epoch > 0 {
			l.Registered = time.Unix(d.Epoch, 0).UTC()
		}
		expired, at := r.rules.Expired(d, time.Now())
		if !at.IsZero() {
			l.Expires = at.UTC()
		}
		switch {
		case expired && at.IsZero():
			l.State, l.Why = stateExpired, "it does not say when it was registered"
		case expired:
			l.State, l.Why = stateExpired, "on "+at.Local().Format(time.DateOnly)
		case d.Weak:
			l.State, l.Why = stateWeak, "its secret has fewer than 128 bits"
		}
		out = append(out, l)
	}
	for _, p := range u.Skipped {
		out = append(out, listed{Type: p.Type, Name: p.Device, ID: p.ID, State: stateUnreadable, Why: p.Why})
	}
	return out
}

// find finds the device of u that wanted names: by its ID, or by its name if only one has it.
func (r *registry) find(u *directory.User, wanted string) (listed, error) {
	var named []listed
	var ids []string
	for _, l := range r.list(u) {
		if l.ID == wanted {
			return l, nil
		}
		if l.Name == wanted {
			named = append(named, l)
			ids = append(ids, l.ID)
		}
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return listed{}, fmt.Errorf("%s has no device of the name or ID %q: `tandem device list %s` shows them", u.Name, wanted, u.Name)
	}
	return listed{}, fmt.Errorf("%s has %d devices called %q: give the ID, one of %s", u.Name, len(named), wanted, strings.Join(ids, ", "))
}

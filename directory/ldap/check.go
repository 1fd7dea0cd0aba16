package ldap

import (
	"context"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"
)

// CheckResult is one step of looking at one server, for a line of `tandem check`.
type CheckResult struct {
	URL string
	// Step is "connect" (with TLS), "service account", "users", one for each source of devices ("devices" for the
	// attribute, "gluu", "sessions"), and "write account" if there is one.
	Step string
	// Found says what is there, if Err is nil.
	Found string
	// Err says what is wrong and what to do.
	Err error
	// Warning: Err may be as it should be; the server can be used.
	Warning bool
}

// Check looks at every server as a login would, on connections of its own, whatever is believed about
// the server. The steps after one that failed are left out.
func (d *Directory) Check(ctx context.Context) []CheckResult {
	results := make([]CheckResult, 0, 4*len(d.servers))
	for _, s := range d.servers {
		results = append(results, d.checkServer(ctx, s)...)
	}
	return results
}

func (d *Directory) checkServer(ctx context.Context, s *server) (results []CheckResult) {
	report := func(step, found string, err error) bool {
		r := CheckResult{URL: s.endpoint.url, Step: step, Found: found, Err: err}
		if err != nil {
			r.Found, r.Err = "", &serverError{url: s.endpoint.url, err: err}
		}
		results = append(results, r)
		return err == nil
	}

	c, err := s.dial(ctx)
	if !report("connect", s.endpoint.security.String(), err) {
		return results
	}
	defer c.close()

	account := "anonymous: no BindDN is set"
	if d.config.BindDN != "" {
		account = "logged in as " + d.config.BindDN
	}
	if !report("service account", account, d.bindService(ctx, c)) {
		return results
	}

	found, err := d.checkUsers(ctx, c)
	if !report("users", found, err) {
		return results
	}

	for _, source := range d.config.Devices.Sources {
		step := string(source)
		if source == SourceAttribute {
			step = "devices"
		}
		found, err = d.checkSource(ctx, c, source)
		report(step, found, err)
		results[len(results)-1].Warning = err != nil && !isServersFault(err)
	}

	if d.config.Write.DN != "" {
		report("write account", "logged in as "+d.config.Write.DN, d.checkWriter(ctx, s))
	}
	return results
}

// checkWriter logs the write account in. What it may write shows only when it does.
func (d *Directory) checkWriter(ctx context.Context, s *server) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return d.bindWriter(ctx, c)
}

// checkUsers looks for any one user, and whether it shows what a login needs.
func (d *Directory) checkUsers(ctx context.Context, c *conn) (string, error) {
	filter := fmt.Sprintf("(%s=*)", d.config.Attributes.Name)
	if d.config.ActiveDirectory { // where groups and machines have such names too
		filter = "(&(objectCategory=person)(objectClass=user)" + filter + ")"
	}
	e, err := d.sample(ctx, c, "users", filter)
	if err != nil {
		return "", err
	}
	if e == nil {
		return "", fmt.Errorf("no entry below %q shows the attribute %s to the service account: check Base, Attributes.Name and the server's ACL",
			d.config.Base, d.config.Attributes.Name)
	}
	if _, err := d.userOf(e); err != nil {
		return "", err
	}
	if d.config.ActiveDirectory {
		if _, err := conditionOf(e, d.config.Now()); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("entries below %s show %s and %s", d.config.Base, d.config.Attributes.ID, d.config.Attributes.Name), nil
}

// checkSource looks for any one user with devices there. What the service account may not read looks exactly like
// what is not there, so all that can be said is that nobody seems to have any.
func (d *Directory) checkSource(ctx context.Context, c *conn, source Source) (string, error) {
	switch source {
	case SourceSessions:
		return d.checkSessions(ctx, c)
	case SourceGluu:
		return d.checkAttribute(ctx, c, d.config.Devices.GluuAttribute)
	case SourceAttribute:
	}
	return d.checkAttribute(ctx, c, d.config.Attributes.Devices)
}

// checkSessions looks for any one session.
func (d *Directory) checkSessions(ctx context.Context, c *conn) (string, error) {
	base := d.config.Devices.SessionsBase
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN: base, Scope: goldap.ScopeSingleLevel, DerefAliases: goldap.NeverDerefAliases, SizeLimit: 1,
		TimeLimit: seconds(d.config.OperationTimeout), Filter: "(objectClass=" + sessionClass + ")", Attributes: []string{sessionContent},
	})
	switch {
	case len(entries) > 0 && attribute(entries[0], sessionContent) != nil:
		return "entries below " + base + " show " + sessionContent, nil
	case len(entries) == 0 && err != nil:
		return "", failed(fmt.Sprintf("search for sessions below %q", base), err)
	}
	return "", fmt.Errorf("no entry below %q shows a session: either nobody has one yet, or the service account may not read %s there", base, sessionContent)
}

func (d *Directory) checkAttribute(ctx context.Context, c *conn, name string) (string, error) {
	e, err := d.sample(ctx, c, "devices", fmt.Sprintf("(%s=*)", name))
	if err != nil {
		return "", err
	}
	if e == nil || attribute(e, name) == nil {
		return "", fmt.Errorf("no entry below %q shows the attribute %s: either nobody has a device yet, or the server does not know "+
			"the attribute (load its schema), or the service account may not read it (see the ACL in packaging/ldap)", d.config.Base, name)
	}
	return "entries show " + name, nil
}

// sample returns one entry that filter finds, or nil.
func (d *Directory) sample(ctx context.Context, c *conn, what, filter string) (*goldap.Entry, error) {
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN:       d.config.Base,
		Scope:        d.config.Scope.code(),
		DerefAliases: goldap.NeverDerefAliases,
		SizeLimit:    1,
		TimeLimit:    seconds(d.config.OperationTimeout),
		Filter:       filter,
		Attributes:   d.wanted,
	})
	if len(entries) > 0 {
		return entries[0], nil
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("search for %s below %q", what, d.config.Base), err)
	}
	return nil, nil
}

// String says what a connection is protected by.
func (s security) String() string {
	switch s {
	case fromStart:
		return "encrypted with TLS"
	case startTLS:
		return "encrypted with StartTLS"
	case clear:
	}
	return "not encrypted"
}

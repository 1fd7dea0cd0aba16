// Package ldap is the directory that stands in LDAP servers: it finds a user's one entry, and checks
// a password by binding as that entry (RFC 4511, RFC 4513 §5.1.3).
//
// A login is two operations on two kinds of connections:
//
//   - A search, on a connection that is bound as the service account, gives the entry: the
//     identifier that never changes, the devices, mail, phone and groups.
//   - A bind, on a connection that never searches, says whether the password is right. The DN that is
//     bound as comes from the search's answer, never from what the user typed.
//
// Devices are written on connections of a third kind ([Directory.ChangeDevices]), bound as an account that may be
// another: a change is made of what was just read, on the same server, and refused if that is not there any more.
//
// The traps of LDAP that this package keeps its callers out of:
//
//   - A bind with an empty password succeeds, as nobody (RFC 4513 §5.1.2). It is refused before
//     anything is sent.
//   - A name such as "*)(uid=*" is a filter of its own, unless it is escaped. It always is.
//   - "Wrong password" is only what a server has just said. A timeout, a reset connection, a busy
//     server or a referral is an error by which nothing is known, and the next server is asked.
//   - Referrals are never followed: credentials go to the configured servers only.
//   - TLS is all or nothing: where StartTLS or the certificate fails, nothing is bound.
//   - What the service account may not read, LDAP leaves out in silence. [Directory.Check] looks for that.
//
// Servers are asked in the configured order. One that fails is passed over for Config.RetryDown and then
// tried again, by a single login, so that the preferred server takes over as soon as it has recovered.
package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// Directory asks LDAP servers. Its methods may be called by many goroutines at once.
type Directory struct {
	config  Config
	wanted  []string // the attributes of a user's entry
	servers []*server
	entries entryCache
	log     *slog.Logger
}

// New checks c, fills in its defaults and returns the directory. It connects to nothing: a server that
// is down at the start is no reason not to start. The error reports every mistake in c at once.
func New(c Config) (*Directory, error) {
	c.setDefaults()
	endpoints, tlsConfig, err := c.validate()
	if err != nil {
		return nil, err
	}
	d := &Directory{config: c, wanted: c.wanted(), log: c.Logger, entries: entryCache{keep: c.EntryCache, now: c.Now}}
	for _, e := range endpoints {
		d.servers = append(d.servers, d.newServer(e, tlsConfig))
	}
	return d, nil
}

func (d *Directory) newServer(e endpoint, tlsConfig *tls.Config) *server {
	s := &server{endpoint: e, retryDown: d.config.RetryDown, now: d.config.Now, log: d.log}
	dialer := dialer{endpoint: e, tls: tlsConfig.Clone(), connect: d.config.ConnectTimeout, operation: d.config.OperationTimeout}
	if dialer.tls.ServerName == "" {
		dialer.tls.ServerName = e.host
	}
	s.dial = dialer.dial
	s.binds = newPool(d.config.BindConnections, d.config.Now, s.dial)
	s.searches = newPool(d.config.SearchConnections, d.config.Now, func(ctx context.Context) (*conn, error) {
		c, err := s.dial(ctx)
		if err != nil {
			return nil, err
		}
		if err := d.bindService(ctx, c); err != nil {
			c.close()
			// Even a clear refusal leaves us without a connection: the server is as good as down, and
			// the others come first from now on.
			return nil, &brokenError{err}
		}
		return c, nil
	})
	s.writes = newPool(writeConnections, d.config.Now, func(ctx context.Context) (*conn, error) {
		c, err := s.dial(ctx)
		if err != nil {
			return nil, err
		}
		if err := d.bindWriter(ctx, c); err != nil {
			c.close()
			return nil, err // logins need no write account: a server that refuses it is well
		}
		return c, nil
	})
	return s
}

// writeConnections is how many connections to each server are kept to write devices: few do at the same time.
const writeConnections = 4

// bindService logs the service account in on c; without one, c stays anonymous.
func (d *Directory) bindService(ctx context.Context, c *conn) error {
	if d.config.BindDN == "" {
		return nil
	}
	if err := c.bind(ctx, d.config.BindDN, d.config.BindPassword.Reveal()); err != nil {
		return failed(fmt.Sprintf("log in as the service account %q", d.config.BindDN), err)
	}
	return nil
}

// Ready returns nil if at least one server is up, else an error that says what is wrong with each. A server
// of which nothing is known yet, or that has been down for RetryDown, is asked; else what the latest
// logins found out is believed, so that asking often costs nothing.
func (d *Directory) Ready(ctx context.Context) error {
	for _, s := range d.servers {
		if s.isUp() {
			return nil
		}
	}
	var down error
	for _, s := range d.servers {
		err := s.whyDown()
		if err == nil && s.worthTrying() {
			err = d.probe(ctx, s)
			if err == nil {
				return nil
			}
		}
		down = join(down, err)
	}
	return fmt.Errorf("ldap: no server is up: %w", down)
}

// probe reads the base entry, as the service account.
func (d *Directory) probe(ctx context.Context, s *server) error {
	err := s.run(ctx, s.searches, func(ctx context.Context, c *conn) error {
		_, err := c.search(ctx, &goldap.SearchRequest{
			BaseDN: d.config.Base, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"},
			TimeLimit: seconds(d.config.OperationTimeout),
		})
		return err
	})
	if !isServersFault(err) {
		return nil // whether the entry may be read is another question: the server answers
	}
	return &serverError{url: s.endpoint.url, err: err}
}

// Close ends all connections. It waits for running operations, which their timeouts bound; later ones fail.
func (d *Directory) Close() error {
	for _, s := range d.servers {
		s.searches.close()
		s.writes.close()
		s.binds.close()
	}
	return nil
}

// Lookup finds the one entry that the configured filter gives for name. Its errors are
// [directory.ErrNoUser], [directory.ErrAmbiguous], or anything else for "nothing is known".
func (d *Directory) Lookup(ctx context.Context, name string) (*directory.User, error) {
	for _, n := range []string{name, d.config.Names.Plain(name)} {
		if err := checkName(n); err != nil {
			return nil, err
		}
	}
	user, remember := d.entries.find(name)
	if user != nil {
		return user, nil
	}
	err := d.ask(ctx, searching, func(ctx context.Context, c *conn) error {
		entry, err := d.findEntry(ctx, c, name)
		if err != nil {
			return err
		}
		u, err := d.userOf(entry)
		if err != nil {
			return err
		}
		found, err := d.written(ctx, c, entry)
		if err != nil {
			return err
		}
		u.Devices, u.Skipped = directory.ParsePlaces(found.places, d.config.Devices.Options)
		if err := d.mayLogIn(entry); err != nil {
			return err
		}
		if u.Groups, err = d.groupsOf(ctx, c, u, entry); err != nil {
			return err
		}
		user = u
		return nil
	})
	if err != nil {
		return nil, err
	}
	remember(user)
	return user, nil
}

// mayLogIn refuses an account whose entry shows that it may not log in at all. It is no user then, whatever is
// asked of it, and the audit learns why.
func (d *Directory) mayLogIn(e *goldap.Entry) error {
	if !d.config.ActiveDirectory {
		return nil
	}
	condition, err := conditionOf(e, d.config.Now())
	if err != nil || condition == "" {
		return err
	}
	return &directory.AccountError{Condition: condition, CountsAs: directory.ErrNoUser, Detail: fmt.Sprintf("the entry %q", e.DN)}
}

// findEntry searches for the one entry of name.
func (d *Directory) findEntry(ctx context.Context, c *conn, name string) (*goldap.Entry, error) {
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN:       d.config.Base,
		Scope:        d.config.Scope.code(),
		DerefAliases: goldap.NeverDerefAliases,
		SizeLimit:    2, // two are enough to know that there is more than one
		TimeLimit:    seconds(d.config.OperationTimeout),
		Filter:       fill(d.config.Filter, "%u", d.config.Names.Plain(name), "%n", name),
		Attributes:   d.wanted,
	})
	if len(entries) > 1 { // whatever the error: slapd says "size limit exceeded" here
		return nil, fmt.Errorf("%w: the filter finds several entries below %q, among them %q and %q: make Filter fit only one of them",
			directory.ErrAmbiguous, d.config.Base, entries[0].DN, entries[1].DN)
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("search for the user below %q", d.config.Base), err)
	}
	if len(entries) == 0 {
		return nil, directory.ErrNoUser
	}
	return entries[0], nil
}

// seconds rounds d up to what a search's time limit is counted in.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// join appends an error to those before it, on one line.
func join(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; %w", before, err)
}

// fill puts values, escaped (RFC 4515 §3), for the placeholders of a filter: "%u", value, "%d", value … All go in at
// once, so that a name with "%d" in it stays what it is.
func fill(filter string, pairs ...string) string {
	var filled strings.Builder
next:
	for filter != "" {
		for i := 0; i+1 < len(pairs); i += 2 {
			if rest, ok := strings.CutPrefix(filter, pairs[i]); ok {
				filled.WriteString(goldap.EscapeFilter(pairs[i+1]))
				filter = rest
				continue next
			}
		}
		filled.WriteByte(filter[0])
		filter = filter[1:]
	}
	return filled.String()
}

var errClosed = errors.New("ldap: the directory is closed")

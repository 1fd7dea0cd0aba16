package ldap

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// maxTries bounds how often a change is begun anew because somebody else was faster. Of many at once, one gets through
// at each turn, so this is also how many there may be.
const maxTries = 200

// ChangeDevices makes c of what stands in the directory at that moment, all of it or nothing, in the entry of u. Of
// two changes at once, one comes first and the other is made of what that one has left: a modification removes the
// values that it was made of, and fails if one of them is not there any more (RFC 4511 §4.6).
//
// Its errors are those of [directory.Change.Apply]; [directory.ErrReadOnly] if the account may not write there or the
// server takes no writes; [directory.ErrNoUser] if the entry has gone. Every other error of a server that did not
// answer leaves it open whether the change was made, and says so.
func (d *Directory) ChangeDevices(ctx context.Context, u *directory.User, c directory.Change) error {
	if strings.TrimSpace(u.DN) == "" {
		return errors.New("ldap: the user has no DN: devices are written to the entry that a look-up found")
	}
	defer d.entries.forget(u.ID)
	w := writer{d: d, user: u, change: c}
	for try := range maxTries {
		err := d.askServers(ctx, func(ctx context.Context, s *server) error {
			return s.run(ctx, s.writes, func(ctx context.Context, c *conn) error { return w.once(ctx, s, c) })
		})
		var lost *lostRaceError
		if !errors.As(err, &lost) {
			return w.explain(err)
		}
		if try == maxTries-1 {
			return fmt.Errorf("ldap: the devices of %q were not written, as others were faster %d times: %w", u.DN, maxTries, err)
		}
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("ldap: the devices of %q were not written, as others were faster: %w", u.DN, err)
		}
	}
	return nil
}

// writer makes one change, in one or several tries.
type writer struct {
	d      *Directory
	user   *directory.User
	change directory.Change
	// unclear: a server did not answer a modification. Until the devices have been read again, nobody knows
	// whether it was made, and nothing more is written.
	unclear bool
}

// explain adds what only the whole change knows.
func (w *writer) explain(err error) error {
	if err != nil && w.unclear && isServersFault(err) {
		return fmt.Errorf("the change of the devices of %q was sent and not answered, so that it may have been made: look before you repeat it: %w", w.user.DN, err)
	}
	return err
}

// lostRaceError: somebody else has changed the devices between our reading and our writing.
type lostRaceError struct{ err error }

func (e *lostRaceError) Error() string { return e.err.Error() }

// once reads the devices on s, changes them and writes them on c, which is a connection to s too: another server may
// be behind. The reading is the service account's, so that a login and a change see the same.
func (w *writer) once(ctx context.Context, s *server, c *conn) error {
	before, err := w.read(ctx, s)
	if err != nil {
		return err
	}
	if w.unclear && w.change.Done(before.places, w.d.config.Devices.Options) {
		return nil
	}
	w.unclear = false
	after, err := w.apply(before)
	if err != nil {
		return err
	}
	if before, after, err = w.announce(ctx, s, c, before, after); err != nil {
		return err
	}
	return w.write(ctx, c, before, after)
}

// read gives what is written now. Sessions that are to be written and are not there are made up.
func (w *writer) read(ctx context.Context, s *server) (now written, err error) {
	err = s.run(ctx, s.searches, func(ctx context.Context, c *conn) error {
		entry, err := w.d.readEntry(ctx, c, w.user.DN, append(slices.Clone(w.d.wanted), objectClass)...)
		if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
			return fmt.Errorf("%w: the entry %q has gone", directory.ErrNoUser, w.user.DN)
		}
		if err != nil {
			return failed(fmt.Sprintf("read the entry %q", w.user.DN), err)
		}
		u, err := w.d.userOf(entry)
		if err != nil {
			return err
		}
		if u.ID != w.user.ID {
			return fmt.Errorf("%w: the entry %q is somebody else's now", directory.ErrNoUser, w.user.DN)
		}
		now, err = w.d.written(ctx, c, entry)
		return err
	})
	if err != nil {
		return written{}, err
	}
	to := w.target()
	if at := now.at[to]; at.missing && len(w.change.Add) > 0 {
		session, err := directory.NewSession(at.login, w.d.config.Now())
		if err != nil {
			return written{}, err
		}
		now.places[to].Values = [][]byte{session}
	}
	return now, nil
}

// target is the number of the source to which new devices go.
func (w *writer) target() int {
	return slices.Index(w.d.config.Devices.Sources, w.d.config.Devices.WriteTo)
}

func (w *writer) apply(before written) (written, error) {
	places, err := w.change.Apply(before.places, w.target(), w.d.config.Devices.Options, rand.Reader)
	if err != nil {
		return written{}, err
	}
	return written{places: places, at: before.at}, nil
}

// announce writes the mark of a new device where one is needed, and begins anew from what is there then; see
// [directory.Place.Mark].
func (w *writer) announce(ctx context.Context, s *server, c *conn, before, after written) (written, written, error) {
	if len(w.change.Add) == 0 {
		return before, after, nil
	}
	to := w.target()
	mark, err := before.places[to].Mark(rand.Reader)
	if err != nil || mark == nil {
		return before, after, err
	}
	at := before.at[to]
	err = operation{dn: at.dn, changes: at.coming(nil, [][]byte{mark})}.send(ctx, c)
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultAttributeOrValueExists) {
		return written{}, written{}, w.d.refusedWrite(at, err) // if that is not known, there is a mark too many
	}
	if before, err = w.read(ctx, s); err != nil {
		return written{}, written{}, err
	}
	if !slices.ContainsFunc(before.places[to].Values, func(v []byte) bool { return bytes.Equal(v, mark) }) {
		return written{}, written{}, &lostRaceError{fmt.Errorf("somebody else writes %s of %q", at.attribute, at.dn)}
	}
	after, err = w.apply(before)
	return before, after, err
}

// write sends the modifications of one change.
func (w *writer) write(ctx context.Context, c *conn, before, after written) error {
	operations := plan(before, after)
	if len(operations) > 1 && len(w.change.Add) > 0 {
		return fmt.Errorf("the change would add a device to one entry and take one from another, which no server does at once: remove first (%q), and add then", operations[0].dn)
	}
	for i, o := range operations {
		err := o.send(ctx, c)
		if err == nil {
			continue
		}
		var b *brokenError
		w.unclear = errors.As(err, &b)
		if err = w.d.refusedWrite(o.at, err); i > 0 {
			err = fmt.Errorf("%q is changed already, and the rest is not, so repeat this when it can be: %w", operations[0].dn, err)
		}
		return err
	}
	return nil
}

// pause waits the longer, on average, the more often somebody else was faster; and no two the same, or they would meet
// again.
func pause(ctx context.Context, try int) error {
	longest := min(5*time.Millisecond<<min(try, 8), 250*time.Millisecond)
	n, err := rand.Int(rand.Reader, big.NewInt(int64(longest)))
	if err != nil {
		return err
	}
	wait := time.NewTimer(time.Duration(n.Int64()))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

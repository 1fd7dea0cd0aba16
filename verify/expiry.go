package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"tandem/directory"
	"tandem/verify/policy"
)

// A device that expired opens nothing, but it is a device: a user who holds no other is not one without a second
// factor, whom a policy may let in or offer an enrolment. So it becomes an entry that cannot be used, like one that
// is broken; and who has shown the first factor is told which device it is.

// setExpiredAside takes from the user the devices that expired. The directory's own entry, which other logins share,
// stays as it is.
func (l *login) setExpiredAside() {
	rules := &l.setup.Devices
	if !slices.ContainsFunc(l.user.Devices, func(d directory.Device) bool {
		expired, _ := rules.Expired(d, l.now())
		return expired
	}) {
		return
	}
	var usable []directory.Device
	var problems []directory.Problem
	for _, d := range l.user.Devices {
		expired, since := rules.Expired(d, l.now())
		if !expired {
			usable = append(usable, d)
			continue
		}
		why := "it expired on " + since.UTC().Format(time.DateOnly)
		if since.IsZero() {
			why = "devices of its type expire, and it does not say when it was registered (epoch)"
		}
		l.explain("devices", "%q cannot be used: %s", d.Name, why)
		l.expired = append(l.expired, d)
		problems = append(problems, directory.Problem{ID: d.ID(), Type: d.Type, Device: d.Name, Why: why})
	}
	u := *l.user
	u.Devices, u.Skipped = usable, slices.Concat(u.Skipped, problems)
	l.user = &u
}

// firstFactorShown reports whether it is known that the first factor was right. In code-only mode the client says
// that it has seen to that, which is not enough to tell anything or to hand out a key: the stack of PAM may go on
// after a wrong password.
func (l *login) firstFactorShown() bool {
	return l.proven || l.FirstFactorDone && l.policy.Mode != policy.CodeOnly
}

// noteExpired has the next question say which devices expired, if whoever is asked may know.
func (l *login) noteExpired() {
	if len(l.expired) > 0 && l.firstFactorShown() && !l.policy.HideFirstFactor {
		l.notice = l.expiredText()
	}
}

// mostShown is how many expired devices are named: a prompt must fit into a RADIUS packet.
const mostShown = 4

// expiredText names the devices that expired.
func (l *login) expiredText() string {
	var names []string
	for _, d := range l.expired {
		name := shownName(d)
		switch {
		case slices.Contains(names, name):
		case len(names) < mostShown:
			names = append(names, name)
		default:
			names[mostShown-1] = "…"
		}
	}
	return strings.ReplaceAll(l.texts().DeviceExpired, "{device}", strings.Join(names, ", "))
}

// shownName is a device's name as it may stand in a prompt.
func shownName(d directory.Device) string {
	const most = 40
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, d.Name))
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most])
	}
	if name == "" {
		return d.Type
	}
	return name
}

// nothingUsable ends the login of a user who has nothing to get in with. If that is because a device expired, who shows
// the first factor learns it; from everybody else it is kept like any other reason.
func (l *login) nothingUsable(ctx context.Context) ending {
	no := l.noDevice()
	switch {
	case len(l.expired) == 0, l.policy.HideFirstFactor, l.policy.Mode == policy.CodeOnly:
		return l.hide(ctx, no)
	case !l.FirstFactorDone:
		password, e, ok := l.passwordBesideExpired(ctx, no)
		if !ok {
			return e
		}
		if e, ok := l.checkPassword(ctx, password); !ok {
			return e
		}
	}
	l.told = strings.TrimSpace(l.expiredText())
	return no
}

// passwordBesideExpired is what was typed without the code of the device that expired. As ever, a code is looked at
// before the password, so that a wrong one costs no password check; nothing is claimed, for nobody gets in. no is the ending where there is no code.
func (l *login) passwordBesideExpired(ctx context.Context, no ending) (password string, e ending, ok bool) {
	password = l.Secret.Reveal()
	if l.policy.Mode == policy.Challenge {
		return password, ending{}, true
	}
	var c appended
	var o opinion
	level, second := l.level, l.second
	l.holding(l.expired, func() { c, o = l.checkAppended(ctx) })
	l.level, l.second = level, second
	switch {
	case c.Result == Match:
		return c.password, ending{}, true
	case l.policy.Mode == policy.Auto: // the field may be the password alone
		return password, ending{}, true
	case o.unknown():
		return "", l.factorDown(ctx, o), false
	case !o.guessed:
		return "", no, false
	}
	return "", l.failCode(ctx, c.Finding), false
}

// holding lets do look at the user as somebody who holds these devices and no others.
func (l *login) holding(devices []directory.Device, do func()) {
	was := l.user
	l.user = holding(was, devices...)
	defer func() { l.user = was }()
	do()
}

// deletionTime bounds how long a login that was accepted waits for expired devices to be removed.
const deletionTime = 2 * time.Second

// deleteExpired removes the devices that expired of a user who has just shown another one. It never removes what would
// leave a user without any device: the policy might take that for somebody who never had one.
func (l *login) deleteExpired(ctx context.Context) {
	if !l.setup.Devices.DeleteExpired || l.setup.Registry == nil || len(l.expired) == 0 || len(l.user.Devices) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	c := directory.Change{KeepOne: true} // what is written down may be less by now than the entry that was looked up
	var names []string
	for _, d := range l.expired {
		c.Remove, names = append(c.Remove, d.ID()), append(names, d.Name)
	}
	err := l.setup.Registry.ChangeDevices(ctx, l.entry, c)
	switch {
	case err == nil:
		l.removed = names
		l.explain("devices", "expired ones were removed: %s", strings.Join(names, ", "))
	case !errors.Is(err, directory.ErrNoDevice): // a login on another node was faster
		l.log.Warn("expired devices could not be removed: the login goes on", "attempt", l.ID, "user", l.user.Name, "devices", names, "err", err)
		l.explain("devices", "expired ones could not be removed: %v", err)
	}
}

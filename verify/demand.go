package verify

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"tandem/verify/policy"
)

// demandedLevel is what has to be reached in this login; 0: nothing is said.
func (l *login) demandedLevel() int { return max(l.policy.Level, l.Level) }

// memberOf reports whether the user is in one of the groups.
func (l *login) memberOf(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool {
		return slices.ContainsFunc(l.user.Groups, func(of string) bool { return strings.EqualFold(g, of) })
	})
}

// path is what a login takes to get in.
type path int

const (
	// pathSecond: a second factor, after the first unless the client has seen to that.
	pathSecond path = iota
	// pathFirst: the first factor alone.
	pathFirst
	// pathEnrol: the first factor, and then a device that the user enrols.
	pathEnrol
	// pathNone: there is nothing by which this user could get in.
	pathNone
)

// path says what this login takes, and, for pathFirst, why that is enough.
func (l *login) path(ctx context.Context) (path, Reason, error) {
	passwordAsked := l.policy.Mode != policy.CodeOnly
	if enough, r := l.firstFactorIsEnough(); enough && (l.FirstFactorDone || passwordAsked) {
		return pathFirst, r, nil
	}
	servable, enrolled, err := l.servable(ctx)
	switch {
	case err != nil:
		return pathNone, "", err
	case servable:
		return pathSecond, "", nil
	case l.user.HasDevices(), l.reachable(), enrolled:
		return pathNone, "", nil // who has something that does not count now is not somebody who has nothing
	}
	enrols, err := l.mayEnrol(ctx)
	switch {
	case err != nil:
		return pathNone, "", err
	case enrols:
		return pathEnrol, "", nil
	case l.passes() && (l.FirstFactorDone || passwordAsked):
		l.explain("devices", "the user has no device, and the policy lets that pass")
		return pathFirst, l.withoutDevice(), nil
	}
	return pathNone, "", nil
}

// firstFactorIsEnough reports whether nobody asks for a second factor, and why.
func (l *login) firstFactorIsEnough() (bool, Reason) {
	demanded := l.demandedLevel()
	said := l.preference().demand
	insisted := said == policy.DemandRequired || said == "" && l.memberOf(l.policy.EnforcedGroups)
	switch {
	case l.demand() == policy.DemandOff && demanded <= l.policy.FirstLevel:
		return true, ReasonExempt
	case demanded > 0 && demanded <= l.policy.FirstLevel && !insisted:
		l.explain("level", "level %d is demanded, and the first factor is worth %d", demanded, l.policy.FirstLevel)
		return true, ReasonLevel
	case demanded > 0:
		l.explain("level", "level %d is demanded", demanded)
	}
	return false, ""
}

// demand says whether this user is asked for a second factor: the user's attribute comes first, then the groups, then
// the policy for everybody.
func (l *login) demand() policy.Demand {
	switch said := l.preference().demand; {
	case said != "":
		l.explain("second factor", "%s, by the user's attribute %s", said, l.policy.FactorAttribute)
		return said
	case l.memberOf(l.policy.EnforcedGroups):
		l.explain("second factor", "required, by group")
		return policy.DemandRequired
	case l.memberOf(l.policy.ExemptGroups):
		l.explain("second factor", "off, by group")
		return policy.DemandOff
	}
	return l.rolledOut()
}

// rolledOut is the policy's demand as far as it holds today for this user.
func (l *login) rolledOut() policy.Demand {
	p := l.policy
	switch {
	case p.Second == policy.DemandIfEnrolled && !p.RequiredFrom.IsZero() && !l.now().Before(p.RequiredFrom):
		l.explain("second factor", "required, since %s", p.RequiredFrom.Format(time.DateOnly))
		return policy.DemandRequired
	case p.Second == policy.DemandRequired && hundredth(l.user.ID) >= 100-p.Spared:
		l.explain("second factor", "if enrolled: the user is not yet among the %d %% for whom it is required", 100-p.Spared)
		return policy.DemandIfEnrolled
	}
	l.explain("second factor", "%s, by the policy", p.Second)
	return p.Second
}

// hundredth spreads users evenly over 0 to 99, each always to the same place.
func hundredth(id string) int {
	h := sha256.Sum256([]byte("tandem rollout\x00" + id))
	return int(binary.BigEndian.Uint64(h[:]) % 100)
}

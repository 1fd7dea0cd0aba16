package verify

import (
	"context"
	"time"

	"tandem/verify/policy"
)

// Preview is what a login would meet, as far as it can be known without a password. [Core.Preview] makes one; it
// holds no secret.
type Preview struct {
	// Time is what rules and policies take for the time.
	Time time.Time `json:"time"`
	// Name is the user's name as it was given.
	Name string `json:"name"`
	// User is the directory's entry; nil if there is none.
	User *PreviewUser `json:"user,omitempty"`
	// Policies are those that the login may come under, in the order in which they are looked at.
	Policies []PreviewPolicy `json:"policies"`
	// InForce is the policy that is taken; nil if none is.
	InForce *PreviewInForce `json:"in_force,omitempty"`
	// Throttle is nil if the user may try now.
	Throttle *PreviewThrottle `json:"throttle,omitempty"`
	// Second says whether a second factor is asked for, and Because why, or why not.
	Second  bool     `json:"second_factor"`
	Because []string `json:"because,omitempty"`
	// Factors are all that are set up: first those that the user can use, in the order in which they are offered.
	Factors []PreviewFactor `json:"factors,omitempty"`
	// Devices are all that are written down for the user.
	Devices []PreviewDevice `json:"devices,omitempty"`
	// Asks are what the user would be asked, in order.
	Asks []PreviewAsk `json:"asks,omitempty"`
	// Reply is what an Accept would carry if the user had got in with Factor, empty for the first factor alone, and so
	// reached Level.
	Reply  []Attribute `json:"reply,omitempty"`
	Factor string      `json:"factor,omitempty"`
	Level  int         `json:"level"`
	// Possible: with the right password and code the user would get in. Reason is then the Accept's, or else why not,
	// and Detail says more.
	Possible bool   `json:"possible"`
	Reason   Reason `json:"reason"`
	Detail   string `json:"detail,omitempty"`
}

// PreviewUser is who the directory says that it is.
type PreviewUser struct {
	Name   string   `json:"name"`
	ID     string   `json:"id"`
	Groups []string `json:"groups,omitempty"`
}

// PreviewPolicy is a policy that the login may come under.
type PreviewPolicy struct {
	Name string `json:"name"`
	// When is its rule; empty: it has none, and holds for every login.
	When  string       `json:"when,omitempty"`
	State PreviewState `json:"state"`
	// Error says why its rule could not be evaluated.
	Error string `json:"error,omitempty"`
}

// PreviewState is what became of a policy.
type PreviewState string

// The states.
const (
	PolicyHolds       PreviewState = "holds"
	PolicyDoesNotHold PreviewState = "does-not-hold"
	// PolicyBroken: its rule could not be evaluated, so that nobody gets in.
	PolicyBroken PreviewState = "broken"
	// PolicyNotLookedAt: an earlier one holds, or is broken.
	PolicyNotLookedAt PreviewState = "not-looked-at"
	// PolicyMissing: the client names it, and there is none of that name.
	PolicyMissing PreviewState = "missing"
)

// PreviewInForce is what the policy in force says of this login.
type PreviewInForce struct {
	Policy string      `json:"policy"`
	Mode   policy.Mode `json:"mode"`
	// FirstFactor names who checks the password, and FirstLevel is what that is worth.
	FirstFactor string `json:"first_factor"`
	FirstLevel  int    `json:"first_level"`
	// Demanded is the level that has to be reached, by the policy or the client; 0: none.
	Demanded int `json:"demanded_level"`
}

// PreviewThrottle is why the user may not try now.
type PreviewThrottle struct {
	// Until is when they may; zero if Error says that it is not known.
	Until time.Time `json:"until,omitzero"`
	Error string    `json:"error,omitempty"`
}

// PreviewFactor is a second factor.
type PreviewFactor struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Level int    `json:"level"`
	// Target is where its codes go, masked.
	Target string `json:"target,omitempty"`
	// Usable: the user can get in with it. StandIn: it is not offered, but taken wherever a code is asked for.
	Usable  bool `json:"usable"`
	StandIn bool `json:"stand_in,omitempty"`
	// Why says why it is not Usable.
	Why string `json:"why,omitempty"`
}

// PreviewDevice is a device of the user's.
type PreviewDevice struct {
	// Type is empty if the entry could not be read.
	Type string `json:"type,omitempty"`
	Name string `json:"name"`
	// Factors are those that check its codes in this login.
	Factors []string `json:"factors,omitempty"`
	// Note says why there are none, or what else is wrong with the device.
	Note string `json:"note,omitempty"`
}

// PreviewAsk is something that the user is asked for.
type PreviewAsk struct {
	// Typed is what the user types: PASSWORD, CODE and NUMBER stand for themselves, all else is literal.
	Typed []string `json:"typed"`
	// Text is the prompt; empty where the client has its own.
	Text string `json:"text,omitempty"`
	// Enrols: a new device is shown before that, and what is typed confirms it.
	Enrols bool `json:"enrols,omitempty"`
	// Sends names the factor by which a code is sent before that, and Fallback those that step in if it cannot be.
	Sends    string   `json:"sends,omitempty"`
	Fallback []string `json:"fallback,omitempty"`
}

// Preview says what the login a would meet if it came at that time, now if it is zero, without the password or the
// code of anybody: a.Secret is not looked at. Nothing is written and nothing is sent, and it counts as no attempt. The
// throttle is always today's.
//
// Its error means that nothing is known: the name is none, or the directory or the store cannot be asked.
func (c *Core) Preview(ctx context.Context, a Attempt, at time.Time) (Preview, error) {
	if at.IsZero() {
		at = c.now()
	}
	setup, release := c.acquire()
	defer release()
	p := previewer{login: c.newLogin(setup, a), out: Preview{Time: at, Name: a.User}}
	p.now = func() time.Time { return at }
	p.quieten()
	err := p.preview(ctx)
	return p.out, err
}

// Package policy says what is asked of a user: which factors, in which form, with which words.
package policy

import (
	"time"

	"tandem/verify/rule"
)

// Mode is the form in which password and code arrive.
type Mode string

// The modes. See docs/architecture.md for their flows.
const (
	// Append: one field holds the password and, after it (or before it), the code.
	Append Mode = "append"
	// Challenge: the password first; then a challenge asks for the code.
	Challenge Mode = "challenge"
	// CodeOnly: the front door's client has checked the password; the field holds the code alone.
	CodeOnly Mode = "code-only"
	// Auto: Append if the end of the field is a right code of one of the user's devices, else Challenge.
	Auto Mode = "auto"
)

// Modes lists every mode, for configuration and help texts.
var Modes = []Mode{Append, Challenge, CodeOnly, Auto}

// Choose says what happens where a user could use several factors.
type Choose string

const (
	// ChooseFirst takes the first of them, or the one that the user prefers.
	ChooseFirst Choose = "first"
	// ChooseAsk lets the user choose from a numbered list.
	ChooseAsk Choose = "ask"
)

// Demand says whether a second factor is asked for at all.
type Demand string

const (
	// DemandRequired asks for it, and lets nobody in without one. The default.
	DemandRequired Demand = "required"
	// DemandIfEnrolled asks those who have one. It accepts the right password alone, but only of a user who
	// has no device entry at all and no address that a code could go to: a device that expired, is broken or
	// of an unknown type never turns into none.
	DemandIfEnrolled Demand = "if-enrolled"
	// DemandOff lets the first factor alone do.
	DemandOff Demand = "off"
)

// Enrol says whether a user who has no second factor can get one at the login.
type Enrol string

const (
	// EnrolOff says no. The default.
	EnrolOff Enrol = "off"
	// EnrolOffer says yes; and who would get in without a second factor may go on without.
	EnrolOffer Enrol = "offer"
	// EnrolRequire says yes, and nobody without a second factor gets in but by enrolling one.
	EnrolRequire Enrol = "require"
)

// FirstDirectory is the first factor that every Tandem has: the directory's password.
const FirstDirectory = "directory"

// Policy is one set of demands. It does not change once it is in use.
type Policy struct {
	// Name is how clients refer to it.
	Name string
	Mode Mode
	// FirstFactor names who checks the password; empty means FirstDirectory. Not used in CodeOnly mode.
	FirstFactor string
	// CodeFirst: in Append and Auto the code stands before the password.
	CodeFirst bool
	// Delimiter stands between password and code; empty: none, the code is cut off by its length.
	Delimiter string
	// When says for which logins the policy holds, where the front door names none; nil: for all.
	When *rule.Rule
	// AllowedGroups lets in only members of one of them; empty: everybody.
	AllowedGroups []string
	// Factors names the second factors that count, in the order in which they are offered; empty: all that
	// are set up.
	Factors []string
	Choose  Choose
	// Fallback names the factors that are tried, in this order, when a code cannot be sent by the one
	// that was to send it.
	Fallback []string
	// Second is for users whose attribute and groups do not say otherwise.
	Second Demand
	// RequiredFrom is when DemandIfEnrolled becomes DemandRequired; zero: never.
	RequiredFrom time.Time
	// Spared is for how many of a hundred users DemandRequired does not hold yet; they are asked if they are
	// enrolled. Who is among them depends on the user alone, and nobody comes back into them.
	Spared int
	// Level is what has to be reached; 0: no level is demanded. A user whose first factor is worth as much is
	// not asked for a second, and factors that are worth less do not count.
	Level int
	// FirstLevel is what the first factor is worth.
	FirstLevel int
	// EnforcedGroups and ExemptGroups say so for the members of groups, by the groups' names; who is in
	// both is not exempt.
	EnforcedGroups, ExemptGroups []string
	// FactorAttribute names an attribute of the user's, whose value may be a factor's name, which is then
	// preferred, or a Demand, which outweighs everything else; empty: there is none.
	FactorAttribute string
	// WordDelimiter stands between the password and the name of a factor, which asks for a code by it, in
	// Append and Auto; empty: no such words.
	WordDelimiter string
	// ResendWord, typed where a code is asked for that was sent, has it sent again.
	ResendWord string
	// Tries is how many codes may be tried within one challenge; at least 1.
	Tries int
	// LoginTimeout is how long a challenge may be answered.
	LoginTimeout time.Duration
	// HideFirstFactor: in Challenge mode the code is asked for whoever the user is and whether or not
	// the password was right; only the answer to the challenge is then rejected.
	HideFirstFactor bool
	// TellAccountState tells a user whose password was right, but whose account may not log in, why not.
	TellAccountState bool
	// Enrol lets users without any second factor enrol one once the first was right. Not in CodeOnly mode, where nobody
	// here knows that it was, and not with HideFirstFactor, as it tells that it was. Empty: EnrolOff.
	Enrol Enrol
	// EnrolTimeout is how long after the first question the enrolment must be confirmed.
	EnrolTimeout time.Duration
	// SkipWord, typed instead of the confirming code, goes on without, where Enrol is EnrolOffer.
	SkipWord string
	// Language is that of the texts, for users whose LanguageAttribute does not say another that there are
	// texts in.
	Language          string
	LanguageAttribute string
	// Texts replace the built-in ones, in whichever language, where they are not empty.
	Texts Texts
	// Reply is what an Accept carries.
	Reply []Reply
}

// Reply is an attribute of an Accept.
type Reply struct {
	// When says for which logins; nil: for all.
	When *rule.Rule
	// Attribute is its name, for the front door.
	Attribute string
	Value     Template
}

// Defaults of a policy whose configuration says nothing; internal/config fills them in.
const (
	DefaultTries         = 1
	DefaultLoginTimeout  = 2 * time.Minute
	DefaultWordDelimiter = ","
	DefaultResendWord    = "resend"
	DefaultLanguage      = "en"
	DefaultFirstLevel    = 1
	DefaultEnrolTimeout  = 2 * time.Minute
	DefaultSkipWord      = "skip"
)

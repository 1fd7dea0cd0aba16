// Package policy says what is asked of a user: which factors, in which form, with which words.
package policy

import "time"

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

// NoDevice says what happens to a user for whom no device is written down.
type NoDevice string

const (
	// NoDeviceReject lets nobody in without a second factor. The default.
	NoDeviceReject NoDevice = "reject"
	// NoDevicePassword accepts the right password alone, but only of a user who has no device entry
	// at all: a device that expired, is broken or of an unknown type never turns into none.
	NoDevicePassword NoDevice = "password-only"
)

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
	// DemandRequired asks for it. The default.
	DemandRequired Demand = "required"
	// DemandOff lets the first factor alone do.
	DemandOff Demand = "off"
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
	NoDevice  NoDevice
	// Factors names the second factors that count, in the order in which they are offered; empty: all that
	// are set up.
	Factors []string
	Choose  Choose
	// Fallback names the factors that are tried, in this order, when a code cannot be sent by the one
	// that was to send it.
	Fallback []string
	// Second is for users whose attribute and groups do not say otherwise.
	Second Demand
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
	Texts           Texts
}

// Texts are what the user reads. Each is one line, at most 253 octets of UTF-8. In those that say so,
// {label} is what a factor is called, and {target} where its code goes, masked.
type Texts struct {
	// Prompt asks for the code; Retry asks again after a wrong one.
	Prompt, Retry string
	// Menu asks which factor to use; {menu} is the numbered list. BadChoice goes before it after an answer
	// that is not on the list.
	Menu, BadChoice string
	// Sent asks for a code that was sent just now, with {label} and {target}; Already, for one that was sent
	// a moment ago; TooSoon answers who asks for another one too early.
	Sent, Already, TooSoon string
	// SendFailed goes before Sent where another factor had to step in for {label}.
	SendFailed string
	// Reject is the one text of every reject, whatever its reason.
	Reject string
}

// Defaults of a policy whose configuration says nothing; internal/config fills them in.
const (
	DefaultTries         = 1
	DefaultLoginTimeout  = 2 * time.Minute
	DefaultWordDelimiter = ","
	DefaultResendWord    = "resend"
	DefaultPrompt        = "Code: "
	DefaultRetry         = "Wrong code. Code: "
	DefaultMenu          = "Choose a number: {menu}: "
	DefaultBadChoice     = "That is not on the list. "
	DefaultSent          = "Code sent by {label} {target}. Code: "
	DefaultAlready       = "A code was sent by {label} {target} a moment ago. Code: "
	DefaultTooSoon       = "Not yet: wait a little before you ask for another code. Code: "
	DefaultSendFailed    = "{label} did not work. "
	DefaultReject        = "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes."
)

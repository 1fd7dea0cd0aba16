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
	// Tries is how many codes may be tried within one challenge; at least 1.
	Tries int
	// LoginTimeout is how long a challenge may be answered.
	LoginTimeout time.Duration
	// HideFirstFactor: in Challenge mode the code is asked for whoever the user is and whether or not
	// the password was right; only the answer to the challenge is then rejected.
	HideFirstFactor bool
	Texts           Texts
}

// Texts are what the user reads. Each is one line, at most 253 octets of UTF-8.
type Texts struct {
	// Prompt asks for the code; Retry asks again after a wrong one.
	Prompt, Retry string
	// Reject is the one text of every reject, whatever its reason.
	Reject string
}

// Defaults of a policy whose configuration says nothing; internal/config fills them in.
const (
	DefaultTries        = 1
	DefaultLoginTimeout = 2 * time.Minute
	DefaultPrompt       = "Code: "
	DefaultRetry        = "Wrong code. Code: "
	DefaultReject       = "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes."
)

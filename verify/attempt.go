package verify

import (
	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// Attempt is one step of a login as a front door hands it over: the first words of a user, or the
// answer to a challenge.
type Attempt struct {
	// ID names the login in logs and audit; the core makes one up if it is empty, and keeps it over
	// all steps of one login.
	ID string
	// Door is the front door: "radius", "pam" or "admin".
	Door string
	// Client is the configured name of the front door's client. A challenge is bound to it.
	Client string
	// NAS is what the client says of itself (NAS-Identifier, NAS-IP-Address, host). A challenge is bound to it.
	NAS string
	// Station is what a RADIUS client says of itself, attribute by attribute, for rules.
	Station rule.NAS
	// Source is where the person is, as far as the client says: Calling-Station-Id, PAM_RHOST. May be empty.
	Source string
	// Service is what the person wants to use: the PAM service; empty over RADIUS.
	Service string
	// User is the name as it was typed, in UTF-8.
	User string
	// Names is what this client's users may write beside their name; it is taken off before the look-up.
	Names directory.Names
	// Secret is what was typed into the password field, in UTF-8: a password, a code, or both. What holds
	// control characters was typed by no person (sshd feeds such answers for users it will not let in),
	// and is never counted as a guess.
	Secret secret.String
	// FirstFactorDone: the client has checked already who this is (a public key, an earlier PAM module), so
	// that only the second factor is asked for. With an empty Secret a challenge asks for it; else Secret
	// is the code.
	FirstFactorDone bool
	// Asked is how the front door has understood the policy that it was told of ([Core.Asks]): who was asked for a code
	// must not be taken for one who need not be asked for a password, because a reload came between. Empty: it has asked
	// nobody yet.
	Asked policy.Mode
	// Policy names the policy that holds for the client; empty: the first one whose rule holds for this login.
	Policy string
	// Level is what the client demands; the policy may demand more. 0: nothing.
	Level int
	// CanTell, if not nil, says whether the front door could tell its client these attributes. What cannot be told is not
	// accepted: an attribute may be what keeps somebody in their network. It changes nothing.
	CanTell func([]Attribute) error
	// Explain, if not nil, is told each decision as it falls, without secrets. For admins only.
	Explain func(Decision)
}

// Decision is one step of an explained attempt.
type Decision struct {
	// Step is what was looked at: "user", "throttle", "code" …
	Step string `json:"step"`
	// Text says what was found and what follows from it.
	Text string `json:"text"`
}

// Outcome is what a step of a login ends with.
type Outcome int

// The outcomes. The zero value is Reject, so that nothing forgotten lets anybody in.
const (
	// Reject: definitely no.
	Reject Outcome = iota
	// Accept: yes, and whatever it rests on is on stable storage and in the audit.
	Accept
	// Challenge: not yet; Verdict.State and Verdict.Message say how to go on.
	Challenge
	// Unavailable: nobody can decide now (directory, store or audit out of reach). Not a yes.
	Unavailable
)

// String gives the outcome's name as the audit has it.
func (o Outcome) String() string {
	switch o {
	case Accept:
		return "accept"
	case Challenge:
		return "challenge"
	case Unavailable:
		return "unavailable"
	case Reject:
	}
	return "reject"
}

// Verdict is the core's answer to an Attempt.
type Verdict struct {
	Outcome Outcome
	// Message is for the user: the prompt of a Challenge, the one text of a Reject; else empty.
	Message string
	// Echo: what the user answers to Message may be shown while it is typed.
	Echo bool
	// State is the opaque handle of a Challenge, at most 64 octets, to be given to Resume once.
	State []byte
	// Plain: Message is the policy's prompt for a code and says nothing else, so that a front door may put its own
	// words in its place.
	Plain bool
	// Enrolment, if not nil, is shown behind Message; its Prompt then asks for the code.
	Enrolment *Enrolment
	// Lifetime is how many seconds State may be answered.
	Lifetime int
	// Hold: the answer must not leave before the front door's reject delay is over, counted from
	// the attempt's arrival, so that its timing tells nothing. Set for every Reject.
	Hold bool
	// Password is, after an Accept for which a code was split off what was typed, the password that stood
	// beside it: for a front door that hands it on to who else needs it.
	Password secret.String
	// Level is, after an Accept, what the factors that were shown are worth; Factor names the second one, if
	// there was one.
	Level  int
	Factor string
	// Attributes are, after an Accept, what the policy gives the client to know.
	Attributes []Attribute
	// Reason says why, for logs, audit and admins. It never goes to the user or onto the wire.
	Reason Reason
	// AttemptID is Attempt.ID, or the one the core made up.
	AttemptID string
}

// Attribute is something that the client is told about a user who was let in.
type Attribute struct {
	// Name is the front door's, such as "Framed-IP-Address".
	Name string `json:"name"`
	// Value is text, in the form that Name asks for.
	Value string `json:"value"`
}

// Reason is why an attempt ended as it did, in one word for the audit and its reports.
type Reason string

// The reasons.
const (
	ReasonOK           Reason = "ok"
	ReasonPasswordOnly Reason = "ok-password-only"
	// ReasonNoDeviceAllowed: nothing was asked for, as the user has no device and the policy lets that pass.
	ReasonNoDeviceAllowed Reason = "ok-no-device"
	ReasonCodeWanted      Reason = "code-wanted"
	ReasonBadName         Reason = "bad-name"
	ReasonBadSecret       Reason = "bad-secret"
	ReasonEmptyPassword   Reason = "empty-password"
	ReasonUnknownUser     Reason = "unknown-user"
	ReasonAmbiguousUser   Reason = "ambiguous-user"
	ReasonNoDevice        Reason = "no-device"
	ReasonNoUsableDevice  Reason = "no-usable-device"
	// ReasonDeviceExpired: the user's devices expired, or cannot be used for other reasons.
	ReasonDeviceExpired Reason = "device-expired"
	ReasonNoCode        Reason = "no-code"
	ReasonWrongPassword Reason = "wrong-password"
	// ReasonWrongEither: in auto mode, the end looked like a code; it was a wrong one, or the password was wrong.
	ReasonWrongEither  Reason = "wrong-password-or-code"
	ReasonWrongCode    Reason = "wrong-code"
	ReasonReplayedCode Reason = "replayed-code"
	ReasonClockBehind  Reason = "clock-behind"
	ReasonResync       Reason = "resync-started"
	ReasonThrottled    Reason = "throttled"
	// ReasonAccountState: the password was right, but the account may not log in (expired, disabled …).
	ReasonAccountState Reason = "account-state"
	// ReasonLevel: the first factor alone, because it is worth what is demanded.
	ReasonLevel Reason = "ok-level"
	// ReasonNotInGroup: the policy lets in members of some groups only.
	ReasonNotInGroup Reason = "not-in-group"
	// ReasonExempt: the first factor alone, because the policy, or the user's group or entry, says so.
	ReasonExempt Reason = "ok-exempt"
	// ReasonSendFailed: the password was right, and no code could be sent.
	ReasonSendFailed   Reason = "send-failed"
	ReasonTooManySends Reason = "too-many-sends"
	ReasonBadChoice    Reason = "bad-choice"
	// ReasonFactorDown: who must be asked whether a code is right did not answer.
	ReasonFactorDown Reason = "factor-unavailable"
	// ReasonEnrolmentWanted: a user without a second factor is shown a new device, and asked to confirm it.
	ReasonEnrolmentWanted Reason = "enrolment-wanted"
	// ReasonEnrolled: the user has confirmed a new device, and it is written down.
	ReasonEnrolled          Reason = "ok-enrolled"
	ReasonWrongConfirmation Reason = "wrong-confirmation"
	ReasonEnrolmentLate     Reason = "enrolment-too-late"
	ReasonTooManyEnrolments Reason = "too-many-enrolments"
	// ReasonHasDevice: another enrolment of the same user was faster.
	ReasonHasDevice Reason = "has-device-already"
	// ReasonRegistryDown: the new device could not be written down.
	ReasonRegistryDown Reason = "registry-unavailable"
	// ReasonReplyInvalid: the policy gives the client an attribute that cannot be made.
	ReasonReplyInvalid  Reason = "reply-invalid"
	ReasonBadState      Reason = "bad-state"
	ReasonForeignState  Reason = "foreign-state"
	ReasonNoPolicy      Reason = "no-policy"
	ReasonDirectoryDown Reason = "directory-unavailable"
	ReasonStoreDown     Reason = "store-unavailable"
	ReasonAuditDown     Reason = "audit-unavailable"
	// ReasonTooLate: the front door's deadline came first.
	ReasonTooLate          Reason = "too-late"
	ReasonOverloaded       Reason = "overloaded"
	ReasonInternal         Reason = "internal-error"
	ReasonUnsupportedCreds Reason = "unsupported-credential"
)

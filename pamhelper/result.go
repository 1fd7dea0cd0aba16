package pamhelper

import (
	"tandem/internal/secret"
	"tandem/verify"
)

// codeOf puts a final verdict into PAM's words.
//
// A stack may let people in on PAM_AUTHINFO_UNAVAIL, as if the module were not there, so that admins are
// not locked out when the directory is down. Hence it never means "too busy" or "too slow": a crowd
// of logins, which anybody can start, would then be a way around the second factor.
func codeOf(v verify.Verdict, nullok bool) code {
	switch v.Outcome {
	case verify.Accept:
		switch {
		case v.Reason != verify.ReasonNoDeviceAllowed:
			return pamSuccess
		case nullok: // nothing was asked for: the other modules of the stack decide
			return pamIgnore
		}
	case verify.Unavailable:
		if v.Reason != verify.ReasonFactorDown && v.Reason != verify.ReasonTooLate && v.Reason != verify.ReasonOverloaded {
			return pamAuthinfoUnavail
		}
	case verify.Reject:
		if v.Reason == verify.ReasonThrottled {
			return pamMaxtries
		}
	case verify.Challenge: // no end, and so no yes
	}
	return pamAuthErr
}

// barePassword is what the user typed into the first field without the code, for the next module of
// the stack; empty if that was no password. typed is that field, start what the core said to it, final
// its last word, an Accept.
func barePassword(typed secret.String, start, final verify.Verdict) secret.String {
	if start.Outcome == verify.Challenge || final.Reason == verify.ReasonPasswordOnly {
		return typed
	}
	return final.Password
}

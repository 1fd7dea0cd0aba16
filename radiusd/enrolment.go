package radiusd

import (
	"tandem/verify"
)

// texts are what the user reads, one Reply-Message each if they fit into one. Clients show them joined, and some show
// only the first: so what is needed most, the key of a new device, stands there.
func texts(v verify.Verdict) []string {
	e := v.Enrolment
	if e == nil {
		return []string{v.Message}
	}
	key := e.KeyLabel + e.Key.Reveal() + " "
	if len(v.Message)+len(key) > maxValue {
		return []string{v.Message, key, e.URI.Reveal() + " ", e.Prompt}
	}
	return []string{v.Message + key, e.URI.Reveal() + " ", e.Prompt}
}

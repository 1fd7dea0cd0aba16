package verify

import "time"

// Record is the audit's line about one step of a login. It holds no secret.
type Record struct {
	Time time.Time `json:"time"`
	// ID is the same for all steps of one login.
	ID string `json:"id"`
	// Step is "start" or "answer".
	Step string `json:"step"`
	// User is the name as typed; Account and AccountID are the directory's, empty if there is no entry.
	User      string `json:"user"`
	Account   string `json:"account,omitempty"`
	AccountID string `json:"account_id,omitempty"`
	Door      string `json:"door"`
	Client    string `json:"client,omitempty"`
	NAS       string `json:"nas,omitempty"`
	Source    string `json:"source,omitempty"`
	Service   string `json:"service,omitempty"`
	Policy    string `json:"policy,omitempty"`
	Mode      string `json:"mode,omitempty"`
	// Factors are those that were tried, in order.
	Factors []string `json:"factors,omitempty"`
	// Sent is the factor by which a code was sent in this step; SendFailed, those that could not.
	Sent       string   `json:"sent,omitempty"`
	SendFailed []string `json:"send_failed,omitempty"`
	// Device is the one whose code matched.
	Device string `json:"device,omitempty"`
	// Enrolled is the name, and EnrolledType the type, of a device that the user got in this step; Removed are the
	// names of devices that expired and were removed in it.
	Enrolled     string   `json:"enrolled,omitempty"`
	EnrolledType string   `json:"enrolled_type,omitempty"`
	Removed      []string `json:"removed,omitempty"`

	Outcome string `json:"outcome"`
	Reason  Reason `json:"reason"`
	// Detail says more where the reason alone does not: an error's text.
	Detail     string  `json:"detail,omitempty"`
	DurationMS float64 `json:"duration_ms"`
}

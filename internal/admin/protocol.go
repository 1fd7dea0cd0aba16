// Package admin is the socket between the running daemon and its admin's command.
//
// The daemon owns the state file, so whatever touches state goes through it: `tandem unlock`, `tandem recovery`,
// `tandem try`, `tandem policy test`, `tandem user`, `tandem resync`, the codes that confirm a new device, the state of the
// store for `tandem check`. Devices themselves are written by the command; the daemon only writes into the audit what the
// command is about to do. The socket is mode 0600, and only root and the
// daemon's own user are served; what they did, and who they were, goes to the audit.
//
// A connection carries JSON lines: one [Request], then any number of [Reply] of which the last has
// Done. A Reply with a Prompt waits for one more Request of the same Op that carries the answer.
package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tandem/verify"
)

// The longest lines that the two sides take, in octets. A reply may list all groups of a user.
const (
	maxRequest = 64 << 10
	maxReply   = 1 << 20
)

// What an admin can ask for.
const (
	OpStatus = "status"
	OpUnlock = "unlock"
	OpTry    = "try"
	// OpRecovery gives a user a new set of recovery codes, of which only the hashes are sent; OpRecoveryDelete
	// takes away the set; OpRecoveryLeft counts what is left of it.
	OpRecovery       = "recovery"
	OpRecoveryDelete = "recovery-delete"
	OpRecoveryLeft   = "recovery-left"
	// OpPolicy says what a login would meet, without trying it.
	OpPolicy = "policy"
	// OpConfirm checks codes of a device that is about to be written down, and uses them up. OpSpend notes codes that
	// were used elsewhere. OpResync catches up with a device that counts.
	OpConfirm = "device-confirm"
	OpSpend   = "device-spend"
	OpResync  = "resync"
	// OpDescribe says what the core sees of a user.
	OpDescribe = "describe"
	// OpChange puts into the audit what the command is about to do to a device, or that it failed.
	OpChange = "device-change"
)

// Request is what the command sends.
type Request struct {
	Op string `json:"op"`
	// User is whom the request is about.
	User string `json:"user,omitempty"`
	// Secret is what the user of a try types: password, code, both, or the answer to a prompt.
	Secret string `json:"secret,omitempty"`
	// Policy is the one a try, or the login of OpPolicy, is to come under; empty: the first whose rule holds.
	Policy string `json:"policy,omitempty"`
	// Source is where the user claims to be; for a try, empty is the admin socket.
	Source string `json:"source,omitempty"`
	// Login is what else there is to say of the login that OpPolicy is about.
	Login *Login `json:"login,omitempty"`
	// Explain asks for each decision of a try.
	Explain bool `json:"explain,omitempty"`
	// Record is the new set of OpRecovery, as recovery.Make made it.
	Record []byte `json:"record,omitempty"`
	// Device is that of OpConfirm, OpSpend and OpChange; of OpChange only what names it.
	Device *Device `json:"device,omitempty"`
	// DeviceID is that of OpResync.
	DeviceID string `json:"device_id,omitempty"`
	// Codes are what the device shows, for OpConfirm and OpResync: one, or two that follow one another.
	Codes []string `json:"codes,omitempty"`
	// Numbers are those of the codes of OpSpend: time steps.
	Numbers []uint64 `json:"numbers,omitempty"`
	// Change is what OpChange is about.
	Change *Change `json:"change,omitempty"`
}

// Login is a login as a front door would hand it over. All may be empty.
type Login struct {
	// Via is the front door: "radius" or "pam".
	Via string `json:"via,omitempty"`
	// Client is the configured name of the front door's client, and Level what it demands.
	Client string `json:"client,omitempty"`
	Level  int    `json:"level,omitempty"`
	// Domains and Realms are what the client's users may write beside their name, see directory.Names.
	Domains []string `json:"domains,omitempty"`
	Realms  []string `json:"realms,omitempty"`
	// Service is the PAM service.
	Service string `json:"service,omitempty"`
	// What a RADIUS client says of itself.
	NASIdentifier string `json:"nas_identifier,omitempty"`
	NASIP         string `json:"nas_ip,omitempty"`
	NASPortType   string `json:"nas_port_type,omitempty"`
	// Time is what rules see as the time; nil: now.
	Time *time.Time `json:"time,omitempty"`
}

// Reply is what the daemon answers.
type Reply struct {
	// Error says what went wrong and what to do; the request then had no effect.
	Error string `json:"error,omitempty"`
	// Decision is one step of an explained try.
	Decision *verify.Decision `json:"decision,omitempty"`
	// Prompt asks for the answer to a challenge.
	Prompt string `json:"prompt,omitempty"`
	// Outcome, Reason and AttemptID are the verdict of a try; Message is what the user would read. Beside an Error,
	// Reason tells apart what typing another code mends.
	Outcome   string `json:"outcome,omitempty"`
	Reason    string `json:"reason,omitempty"`
	AttemptID string `json:"attempt_id,omitempty"`
	Message   string `json:"message,omitempty"`
	// Account is the directory's name of the user; Until, when the throttle would have ended.
	Account string     `json:"account,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	// Left is how many recovery codes the user has; Given: there is a set, and be it used up.
	Left  int  `json:"left,omitempty"`
	Given bool `json:"given,omitempty"`
	// Use answers OpConfirm: what was claimed.
	Use *verify.Use `json:"use,omitempty"`
	// Description answers OpDescribe, beside Left.
	Description *verify.Description `json:"description,omitempty"`
	// Status answers OpStatus.
	Status *Status `json:"status,omitempty"`
	// Preview answers OpPolicy.
	Preview *verify.Preview `json:"preview,omitempty"`
	// Done: nothing follows.
	Done bool `json:"done,omitempty"`
}

// Status is the state of a running daemon.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Ready is empty, or says why the daemon cannot decide.
	Ready string `json:"not_ready,omitempty"`
}

// readLine reads one line of at most that many octets.
func readLine(r *bufio.Reader, most int, into any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > most:
			return fmt.Errorf("a line of more than %d KiB", most>>10)
		case err == nil:
			if err := json.Unmarshal(line, into); err != nil {
				return fmt.Errorf("not the admin protocol: %w", err)
			}
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

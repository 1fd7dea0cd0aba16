package summary

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// maxLine is the longest line that is looked at, in octets: what audit.MaxRecord allows, with every octet
// escaped, and some more.
const maxLine = 512 << 10

// line is what is looked at of a line of the audit: a verify.Record, which has a step, or an admin.Action, which has an
// action.
type line struct {
	Time time.Time `json:"time"`

	Step       string   `json:"step"`
	Account    string   `json:"account"`
	AccountID  string   `json:"account_id"`
	Door       string   `json:"door"`
	Source     string   `json:"source"`
	Factors    []string `json:"factors"`
	Sent       string   `json:"sent"`
	SendFailed []string `json:"send_failed"`
	Outcome    string   `json:"outcome"`
	Reason     string   `json:"reason"`
	Detail     string   `json:"detail"`
	DurationMS float64  `json:"duration_ms"`

	Action string `json:"action"`
	By     string `json:"by"`
	User   string `json:"user"`
	Device string `json:"device"`
	Error  string `json:"error"`
}

// decode reads one line; false if it is none of the audit's.
func decode(text []byte) (l line, ok bool) {
	if err := json.Unmarshal(text, &l); err != nil {
		return line{}, false
	}
	return l, !l.Time.IsZero() && (l.Step != "") != (l.Action != "")
}

// lines calls each for every line of r, without its end; text is nil for one that is too long. unfinished tells
// that the last one has no end: it is being written, or was cut off.
func lines(r io.Reader, each func(text []byte)) (unfinished bool, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		switch {
		case errors.Is(err, io.EOF):
			return len(text) > 0, nil
		case err != nil:
			return false, err
		case tooLong:
			each(nil)
		default:
			each(text[:len(text)-1])
		}
	}
}

package verify

import (
	"strconv"

	"tandem/internal/plainjson"
)

// AppendJSON appends r as JSON to b: what encoding/json makes of it with HTML's characters as they are, without its
// reflection, since each login has a record. The error is that of a time that JSON has no form for.
func (r *Record) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"time":"`...)
	b, err := r.Time.AppendText(b)
	if err != nil {
		return nil, err
	}
	b = append(b, '"')
	b = appendText(b, "id", r.ID)
	b = appendText(b, "step", r.Step)
	b = appendText(b, "user", r.User)
	b = appendSaid(b, "account", r.Account)
	b = appendSaid(b, "account_id", r.AccountID)
	b = appendText(b, "door", r.Door)
	b = appendSaid(b, "client", r.Client)
	b = appendSaid(b, "nas", r.NAS)
	b = appendSaid(b, "source", r.Source)
	b = appendSaid(b, "service", r.Service)
	b = appendSaid(b, "policy", r.Policy)
	b = appendSaid(b, "mode", r.Mode)
	b = appendList(b, "factors", r.Factors)
	b = appendSaid(b, "sent", r.Sent)
	b = appendList(b, "send_failed", r.SendFailed)
	b = appendSaid(b, "device", r.Device)
	b = appendSaid(b, "enrolled", r.Enrolled)
	b = appendSaid(b, "enrolled_type", r.EnrolledType)
	b = appendList(b, "removed", r.Removed)
	b = appendText(b, "outcome", r.Outcome)
	b = appendText(b, "reason", string(r.Reason))
	b = appendSaid(b, "detail", r.Detail)
	b = appendName(b, "duration_ms")
	b = strconv.AppendFloat(b, r.DurationMS, 'f', -1, 64)
	return append(b, '}'), nil
}

func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendText(b []byte, name, value string) []byte { return appendQuoted(appendName(b, name), value) }

// appendSaid is appendText unless there is nothing to say.
func appendSaid(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, name, value)
}

func appendList(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, v)
	}
	return append(b, ']')
}

// appendQuoted appends s as a string of JSON. Nearly all are of plain ASCII; encoding/json knows about the others.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b, _ = plainjson.Append(b, s) // a string can always be encoded
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

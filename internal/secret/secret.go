// Package secret holds what must never be printed: passwords, shared secrets, token keys.
//
// A [String] shows itself as "[redacted]" to fmt, log/slog, encoding/json and every other
// printer; the only way to the value is [String.Reveal], which a reader can search for.
package secret

import (
	"fmt"
	"log/slog"
)

// Redacted is what a printed secret looks like.
const Redacted = "[redacted]"

// String is a secret text or key. The zero value is the empty secret.
//
// The value stands behind a pointer because fmt calls no methods on unexported fields and on
// verbs such as %p: what it then prints is an address.
type String struct{ value *string }

// New wraps value.
func New(value string) String { return String{&value} }

// Reveal returns the secret itself. Never hand the result to a logger or an error.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no secret at all.
func (s String) Empty() bool { return s.Reveal() == "" }

// Format implements [fmt.Formatter], so that no verb (%d, %x, %#v …) reaches the value.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// String implements [fmt.Stringer] for printers that do not ask for a Formatter.
func (String) String() string { return Redacted }

// LogValue implements [slog.LogValuer].
func (String) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON and TOML.
func (String) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]: a secret can be read from a file, not written.
func (s *String) UnmarshalText(b []byte) error {
	*s = New(string(b))
	return nil
}

var (
	_ fmt.Formatter  = String{}
	_ slog.LogValuer = String{}
)

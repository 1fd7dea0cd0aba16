// Package tokens reads the files that tokens come in, and writes two of them.
//
// A vendor of hardware tokens sends the keys of a hundred of them in one file; pam_google_authenticator and pam_oath
// keep theirs in files; apps export QR codes. [Read] makes the same [Token] of each. It reads the whole file before
// it says anything, and says everything that is wrong with it, by line and field, so that a file is taken over whole or
// not at all. Nothing is taken for granted: what a file does not say about how codes are made is what its format says
// holds then, never Tandem's own defaults; where the format does not say either, it is a [Problem].
//
// All of it is bounded, nothing is fetched, and no [Problem] quotes a secret.
package tokens

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"tandem/directory"
	"tandem/internal/secret"
)

// How much a file may hold.
const (
	MaxFile     = 8 << 20 // octets
	MaxTokens   = 10_000
	maxProblems = 1000 // that are told of one file
	maxText     = 255  // octets of a user name, a serial number, an issuer
)

// Token is what a file says about one token.
type Token struct {
	// User is whose it is as the file says it, or [Options.User]; empty if nobody knows.
	User string
	// Serial is the number on the token's back; Issuer is who gave it out. Both may be empty.
	Serial, Issuer string
	// Line is where the token begins in its file, from 1.
	Line int
	// Device holds the key, and the digits, period, algorithm and next counter that hold for it. Its Name, Epoch
	// and Source are empty.
	Device directory.Device
	// Scratch are recovery codes that came with the token; for [tandem/verify/recovery.From].
	Scratch []secret.String
	// Used are time steps (Unix seconds divided by the period) of a TOTP token whose codes were used already.
	Used []uint64
	// Notes say what the file says and is not taken over, such as a PIN.
	Notes []string
}

// Label names the token in a message: by its serial number, its user, or its line.
func (t Token) Label() string {
	switch {
	case t.Serial != "":
		return "token " + t.Serial
	case t.User != "":
		return "the token of " + t.User
	}
	return fmt.Sprintf("the token of line %d", t.Line)
}

// Problem is one mistake in a file. It is an error.
type Problem struct {
	// File is [Options.File].
	File string
	// Line counts from 1; 0: the file as a whole.
	Line int
	// Field is what the format calls the place; empty: the line, or the token, as a whole.
	Field string
	// Why says what is wrong and what would mend it.
	Why string
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Why)
	return b.String()
}

// Options say what a file itself does not.
type Options struct {
	// File is how the file is named in problems.
	File string
	// User is whose the tokens are of which the file does not say it.
	User string
	// Type is what tokens are of which an OATH CSV file does not say it: [directory.TypeTOTP] or
	// [directory.TypeHOTP]; empty: they are refused.
	Type string
	// Key (raw octets) or Password is what a PSKC file was encrypted with.
	Key, Password secret.String
}

// formats are known by the names that the command line has for them.
var formats = []struct {
	name  string
	parse func(*reader, string)
}{
	{"pskc", (*reader).pskc},
	{"oath-csv", (*reader).oathCSV},
	{"yubico-csv", (*reader).yubicoCSV},
	{"google-authenticator", (*reader).googleAuthenticator},
	{"users.oath", (*reader).usersOATH},
	{"otpauth", (*reader).otpauth},
}

// Formats are the names of the formats that [Read] knows.
func Formats() []string {
	names := make([]string, 0, len(formats))
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Read reads a file of one of the [Formats]. Tokens are those that could be read; if there are problems, some could
// not, and the tokens are for showing only.
func Read(format string, from io.Reader, o Options) ([]Token, []Problem) {
	r := &reader{options: o}
	for _, f := range formats {
		if f.name != format {
			continue
		}
		if text, ok := r.text(from); ok {
			f.parse(r, text)
		}
		if len(r.tokens)+len(r.problems) == 0 {
			r.fail(0, "", "there is no token in it")
		}
		return r.tokens, r.problems
	}
	r.fail(0, "", "%q is no format of token files: there are %s", format, strings.Join(Formats(), ", "))
	return nil, r.problems
}

// reader collects what one file holds.
type reader struct {
	options  Options
	tokens   []Token
	problems []Problem
}

// text reads the file as a whole.
func (r *reader) text(from io.Reader) (string, bool) {
	raw, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // some editors begin a file with it
	switch {
	case err != nil:
		r.fail(0, "", "it cannot be read: %v", err)
	case len(raw) > MaxFile:
		r.fail(0, "", "it is larger than %d octets", MaxFile)
	case !utf8.Valid(raw):
		r.fail(0, "", "it is not UTF-8: save it as UTF-8 text")
	case bytes.IndexByte(raw, 0) >= 0:
		r.fail(0, "", "there are NULs in it: save it as UTF-8 text")
	default:
		return string(raw), true
	}
	return "", false
}

func (r *reader) fail(line int, field, format string, args ...any) {
	switch len(r.problems) {
	case maxProblems:
	case maxProblems - 1:
		r.problems = append(r.problems, Problem{r.options.File, line, "", "there are more problems: they are not told"})
	default:
		r.problems = append(r.problems, Problem{r.options.File, line, field, fmt.Sprintf(format, args...)})
	}
}

// add keeps a token of which everything could be read.
func (r *reader) add(t Token) {
	if t.User == "" {
		t.User = r.options.User
	}
	for _, f := range []struct{ field, text string }{{"user", t.User}, {"serial", t.Serial}, {"issuer", t.Issuer}} {
		if len(f.text) > maxText || strings.IndexFunc(f.text, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
			r.fail(t.Line, f.field, "it is longer than %d octets, or has characters in it that cannot be printed", maxText)
			return
		}
	}
	switch {
	case len(r.tokens) < MaxTokens:
		r.tokens = append(r.tokens, t)
	case len(r.tokens) == MaxTokens:
		r.fail(t.Line, "", "there are more than %d tokens in the file: split it", MaxTokens)
	}
}

// device checks what a file says of a device; its key is raw.
func (r *reader) device(line int, e directory.DeviceEntry, key []byte) (directory.Device, bool) {
	if len(key) > 0 {
		e.Secret = secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key))
	}
	d, faults := e.Device(directory.DeviceOptions{})
	for _, f := range faults {
		r.fail(line, f.Field, "%s", f.Why)
	}
	return d, len(faults) == 0
}

// lines calls each with every line that is not empty and no comment, until there are too many problems.
func (r *reader) lines(text string, each func(line int, s string)) {
	line := 0
	for s := range strings.Lines(text) {
		line++
		s = strings.TrimRight(s, "\r\n")
		if t := strings.TrimSpace(s); t != "" && !strings.HasPrefix(t, "#") {
			each(line, s)
		}
	}
}

// The values that hold in all these formats where a file says nothing.
const (
	defaultDigits    = 6
	defaultPeriod    = 30 // seconds
	defaultAlgorithm = "SHA1"
)

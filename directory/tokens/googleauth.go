package tokens

import (
	"strconv"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
)

// googleAuthenticator reads the file that pam_google_authenticator keeps in a home folder, `~/.google_authenticator`:
// the key in base32, options in lines that begin with `" `, and scratch codes of 8 digits.
//
// Codes have 6 digits and SHA-1; there is one token in a file, and its user is not in it.
func (r *reader) googleAuthenticator(text string) {
	f := googleFile{reader: r, token: Token{Line: 1}, period: defaultPeriod}
	digits := defaultDigits
	f.entry = directory.DeviceEntry{Type: directory.TypeTOTP, Digits: &digits, Algorithm: defaultAlgorithm}
	first := true
	r.lines(text, func(line int, s string) {
		option, isOption := strings.CutPrefix(s, `" `)
		switch {
		case first:
			f.token.Line = line
			f.entry.Secret = secret.New(strings.TrimSpace(s))
		case isOption:
			f.option(line, strings.Fields(option))
		default:
			f.scratch(line, s)
		}
		first = false
	})
	if first {
		return
	}
	if f.hotp && f.totp {
		r.fail(f.token.Line, "TOTP_AUTH", "HOTP_COUNTER is there too: the file is for codes by time or by counter, not both")
	}
	if f.hotp {
		f.entry.Type, f.entry.Counter, f.token.Used = directory.TypeHOTP, f.counter, nil
	} else {
		f.entry.Period = &f.period
	}
	var ok bool
	if f.token.Device, ok = r.device(f.token.Line, f.entry, nil); ok && len(r.problems) == 0 {
		r.add(f.token)
	}
}

type googleFile struct {
	*reader
	token      Token
	entry      directory.DeviceEntry
	totp, hotp bool
	period     int
	counter    uint64
}

func (f *googleFile) option(line int, words []string) {
	if len(words) == 0 {
		return
	}
	name, values := words[0], words[1:]
	one := func() uint64 {
		if len(values) == 1 {
			if n, err := strconv.ParseUint(values[0], 10, 63); err == nil {
				return n
			}
		}
		f.fail(line, name, "it is not one whole number")
		return 0
	}
	switch name {
	case "TOTP_AUTH":
		f.totp = true
	case "HOTP_COUNTER":
		f.hotp, f.counter = true, one()
	case "STEP_SIZE":
		f.period = int(min(one(), 1<<30))
	case "DISALLOW_REUSE":
		for _, v := range values {
			step, err := strconv.ParseUint(v, 10, 63)
			if err != nil {
				f.fail(line, name, "it holds something else than time steps")
				return
			}
			f.token.Used = append(f.token.Used, step)
		}
	case "TIME_SKEW":
		if len(values) != 1 || values[0] != "0" {
			f.note("the clock of the token is off by some steps (TIME_SKEW): give it the right time")
		}
	case "WINDOW_SIZE":
		f.note("WINDOW_SIZE is not taken over: Tandem's own window holds")
	}
	// RATE_LIMIT, RESETTING_TIME_SKEW and LAST… are the other program's own state.
}

func (f *googleFile) note(s string) { f.token.Notes = append(f.token.Notes, s) }

func (f *googleFile) scratch(line int, s string) {
	s = strings.TrimSpace(s)
	if len(s) != 8 || strings.Trim(s, "0123456789") != "" {
		f.fail(line, "scratch code", "the line is neither an option nor a code of 8 digits")
		return
	}
	f.token.Scratch = append(f.token.Scratch, secret.New(s))
}

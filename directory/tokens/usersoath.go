package tokens

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"tandem/directory"
)

// usersOATH reads the file of pam_oath (OATH Toolkit's "UsersFile"). Each line has, between white space:
//
//	type  user  PIN  key  [moving factor  [last code  [time of it]]]
//
// The type is HOTP, HOTP/E or HOTP/E/8 for codes by counter, HOTP/T30 or HOTP/T60/8 for codes by time; the key is
// hexadecimal, and codes are made with SHA-1. The moving factor is the counter of the last code if there is one, and
// else the first counter.
//
// A PIN other than "-" (none) and "+" (asked for elsewhere) is not taken over and noted: in Tandem the first factor is
// the directory's password.
func (r *reader) usersOATH(text string) {
	r.lines(text, func(line int, s string) {
		fields := strings.Fields(s)
		if len(fields) < 4 || len(fields) > 7 {
			r.fail(line, "", "it has %d fields: there must be type, user, PIN and key, and may be moving factor, last code and its time", len(fields))
			return
		}
		e, ok := r.usersOATHType(line, fields[0])
		if !ok {
			return
		}
		t := Token{Line: line, User: fields[1]}
		if pin := fields[2]; pin != "-" && pin != "+" {
			t.Notes = append(t.Notes, "the PIN is not taken over: the first factor is the directory's password")
		}
		key, err := hex.DecodeString(fields[3])
		if err != nil || len(key) == 0 {
			r.fail(line, "key", "it is not hexadecimal")
			return
		}
		if len(fields) > 4 && !r.usersOATHState(line, fields[4:], &e, &t) {
			return
		}
		if t.Device, ok = r.device(line, e, key); ok {
			r.add(t)
		}
	})
}

// usersOATHType reads the first field.
func (r *reader) usersOATHType(line int, written string) (e directory.DeviceEntry, ok bool) {
	digits, period := defaultDigits, 0
	parts := strings.Split(written, "/")
	ok = parts[0] == "HOTP" && len(parts) <= 3
	if ok && len(parts) > 1 && parts[1] != "E" {
		seconds, byTime := strings.CutPrefix(parts[1], "T")
		n, err := strconv.Atoi(seconds)
		ok, period = byTime && err == nil && n > 0, n
	}
	if ok && len(parts) > 2 {
		n, err := strconv.Atoi(parts[2])
		ok, digits = err == nil, n
	}
	if !ok {
		r.fail(line, "type", "it is none of HOTP, HOTP/E/DIGITS and HOTP/TSECONDS/DIGITS")
		return e, false
	}
	e = directory.DeviceEntry{Type: directory.TypeHOTP, Digits: &digits, Algorithm: defaultAlgorithm}
	if period > 0 {
		e.Type, e.Period = directory.TypeTOTP, &period
	}
	return e, true
}

// usersOATHState reads the moving factor, and what is known of the last code.
func (r *reader) usersOATHState(line int, fields []string, e *directory.DeviceEntry, t *Token) bool {
	counter, err := strconv.ParseUint(fields[0], 10, 63)
	if err != nil {
		r.fail(line, "moving factor", "it is not a whole number from 0")
		return false
	}
	if len(fields) > 1 {
		counter++ // the code of that counter is used
	}
	if e.Type == directory.TypeHOTP {
		e.Counter = counter
		return true
	}
	if len(fields) < 3 {
		return true
	}
	// pam_oath writes the time of its host, without saying which zone that is: it is taken for this host's.
	at, err := time.ParseInLocation("2006-01-02T15:04:05L", fields[2], time.Local)
	if err != nil || at.Unix() < 0 {
		r.fail(line, "time of the last code", "it is not written as 2006-01-02T15:04:05L")
		return false
	}
	t.Used = []uint64{uint64(at.Unix()) / uint64(*e.Period)}
	return true
}
